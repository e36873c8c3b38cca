// SPDX-License-Identifier: Apache-2.0
// Matrix-vector products of q8_0, q4_0, q4_k and q6_k for NEON over rows as they lie in a file; integer sums of a block
// are the portable twins'. Codes are made signed, so that only minima need the sums of the inputs.
#if defined(__aarch64__)
#include "dots_neon.h"
#include "half.h"
#include "rows_neon.h"

static inline const void *row_at(const void *weights, size_t row_bytes, int64_t row) {
  return (const uint8_t *)weights + (size_t)row * row_bytes;
}
static inline float half(uint16_t bits) { return vgetq_lane_f32(vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(bits))), 0); }
static inline int32x4_t none(void) { return vdupq_n_s32(0); }
static inline int8x16_t low_nibbles(uint8x16_t bytes) { return vreinterpretq_s8_u8(vandq_u8(bytes, vdupq_n_u8(15))); }
static inline int8x16_t high_nibbles(uint8x16_t bytes) { return vreinterpretq_s8_u8(vshrq_n_u8(bytes, 4)); }

// Thirty-two codes times thirty-two inputs.
CK_INLINE int32x4_t dot_32(quad_dot dot, int8x16_t low, int8x16_t high, const int8_t *q) {
  return dot(dot(none(), low, vld1q_s8(q)), high, vld1q_s8(q + 16));
}

CK_INLINE void rows_q8_0(quad_dot dot, const void *weights, size_t row_bytes, const ck_activations *x, float *y,
                         int64_t begin, int64_t end, int64_t columns) {
  for (int64_t row = begin; row < end; row++) {
    const ck_q8_0 *block = row_at(weights, row_bytes, row);
    float32x4_t sum = vdupq_n_f32(0);
    for (int64_t b = 0; b < columns / 32; b++, block++) {
      int32x4_t dots = dot_32(dot, vld1q_s8(block->values), vld1q_s8(block->values + 16), x->q32 + b * 32);
      sum = vfmaq_n_f32(sum, vcvtq_f32_s32(dots), half(block->scale) * x->d32[b]);
    }
    y[row] = vaddvq_f32(sum);
  }
}

CK_INLINE void rows_q4_0(quad_dot dot, const void *weights, size_t row_bytes, const ck_activations *x, float *y,
                         int64_t begin, int64_t end, int64_t columns) {
  int8x16_t eight = vdupq_n_s8(8);
  for (int64_t row = begin; row < end; row++) {
    const ck_q4_0 *block = row_at(weights, row_bytes, row);
    float32x4_t sum = vdupq_n_f32(0);
    for (int64_t b = 0; b < columns / 32; b++, block++) {
      uint8x16_t bytes = vld1q_u8(block->nibbles);
      int8x16_t low = vsubq_s8(low_nibbles(bytes), eight), high = vsubq_s8(high_nibbles(bytes), eight);
      int32x4_t dots = dot_32(dot, low, high, x->q32 + b * 32);
      sum = vfmaq_n_f32(sum, vcvtq_f32_s32(dots), half(block->scale) * x->d32[b]);
    }
    y[row] = vaddvq_f32(sum);
  }
}

// Σ minimum_g · (Σ of the group's inputs, which come as sums of sixteen).
static inline int32_t q4_k_shift(const uint8_t minima[8], const int16_t *sums) {
  int16x8_t m = vreinterpretq_s16_u16(vmovl_u8(vld1_u8(minima))), s = vpaddq_s16(vld1q_s16(sums), vld1q_s16(sums + 8));
  return vaddvq_s32(vmlal_high_s16(vmull_s16(vget_low_s16(m), vget_low_s16(s)), m, s));
}

CK_INLINE float block_q4_k(quad_dot dot, const ck_q4_k *block, const int8_t *q, const int16_t *sums, float d) {
  uint8_t scales[8], minima[8];
  unpack_q4_k_scales(block->scales, scales, minima);
  int32x4_t total = none();
  for (int pair = 0; pair < 4; pair++, q += 64) {
    uint8x16_t first = vld1q_u8(block->nibbles + pair * 32), second = vld1q_u8(block->nibbles + pair * 32 + 16);
    int32x4_t low = dot_32(dot, low_nibbles(first), low_nibbles(second), q);
    int32x4_t high = dot_32(dot, high_nibbles(first), high_nibbles(second), q + 32);
    total = vmlaq_n_s32(vmlaq_n_s32(total, low, scales[2 * pair]), high, scales[2 * pair + 1]);
  }
  return half(block->scale) * d * (float)vaddvq_s32(total) - half(block->minimum) * d * (float)q4_k_shift(minima, sums);
}

CK_INLINE void rows_q4_k(quad_dot dot, const void *weights, size_t row_bytes, const ck_activations *x, float *y,
                         int64_t begin, int64_t end, int64_t columns) {
  for (int64_t row = begin; row < end; row++) {
    const ck_q4_k *block = row_at(weights, row_bytes, row);
    float sum = 0;
    for (int64_t b = 0; b < columns / 256; b++) {
      sum += block_q4_k(dot, block + b, x->q256 + b * 256, x->sums256 + b * 16, x->d256[b]);
    }
    y[row] = sum;
  }
}

// Sixteen codes of six bits less 32, of group n (of 16) of a half block.
static inline int8x16_t q6_k_codes(const ck_q6_k *block, int half_block, int n) {
  uint8x16_t nibbles = vld1q_u8(block->nibbles + half_block * 64 + n % 4 * 16);
  uint8x16_t pairs = vld1q_u8(block->high_bits + half_block * 32 + n % 2 * 16);
  uint8x16_t low = n < 4 ? vandq_u8(nibbles, vdupq_n_u8(15)) : vshrq_n_u8(nibbles, 4);
  uint8x16_t high = vandq_u8(vshlq_u8(pairs, vdupq_n_s8((int8_t)(-(n / 2) * 2))), vdupq_n_u8(3));
  return vsubq_s8(vreinterpretq_s8_u8(vorrq_u8(low, vshlq_n_u8(high, 4))), vdupq_n_s8(32));
}

CK_INLINE void rows_q6_k(quad_dot dot, const void *weights, size_t row_bytes, const ck_activations *x, float *y,
                         int64_t begin, int64_t end, int64_t columns) {
  for (int64_t row = begin; row < end; row++) {
    const ck_q6_k *block = row_at(weights, row_bytes, row);
    float sum = 0;
    for (int64_t b = 0; b < columns / 256; b++, block++) {
      int32x4_t total = none();
      for (int n = 0; n < 16; n++) {
        int32x4_t dots = dot(none(), q6_k_codes(block, n / 8, n % 8), vld1q_s8(x->q256 + b * 256 + n * 16));
        total = vmlaq_n_s32(total, dots, block->scales[n]);
      }
      sum += half(block->scale) * x->d256[b] * (float)vaddvq_s32(total);
    }
    y[row] = sum;
  }
}

void matvec_q8_0_neon(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                      int64_t end, int64_t columns) {
  rows_q8_0(dot_widening, weights, row_bytes, x, y, begin, end, columns);
}
void matvec_q4_0_neon(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                      int64_t end, int64_t columns) {
  rows_q4_0(dot_widening, weights, row_bytes, x, y, begin, end, columns);
}
void matvec_q4_k_neon(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                      int64_t end, int64_t columns) {
  rows_q4_k(dot_widening, weights, row_bytes, x, y, begin, end, columns);
}
void matvec_q6_k_neon(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                      int64_t end, int64_t columns) {
  rows_q6_k(dot_widening, weights, row_bytes, x, y, begin, end, columns);
}
CK_DOTPROD void matvec_q8_0_dotprod(const void *weights, size_t row_bytes, const ck_activations *x, float *y,
                                    int64_t begin, int64_t end, int64_t columns) {
  rows_q8_0(dot_quads, weights, row_bytes, x, y, begin, end, columns);
}
CK_DOTPROD void matvec_q4_0_dotprod(const void *weights, size_t row_bytes, const ck_activations *x, float *y,
                                    int64_t begin, int64_t end, int64_t columns) {
  rows_q4_0(dot_quads, weights, row_bytes, x, y, begin, end, columns);
}
CK_DOTPROD void matvec_q4_k_dotprod(const void *weights, size_t row_bytes, const ck_activations *x, float *y,
                                    int64_t begin, int64_t end, int64_t columns) {
  rows_q4_k(dot_quads, weights, row_bytes, x, y, begin, end, columns);
}
CK_DOTPROD void matvec_q6_k_dotprod(const void *weights, size_t row_bytes, const ck_activations *x, float *y,
                                    int64_t begin, int64_t end, int64_t columns) {
  rows_q6_k(dot_quads, weights, row_bytes, x, y, begin, end, columns);
}
#endif
