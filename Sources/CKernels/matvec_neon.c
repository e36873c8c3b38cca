// SPDX-License-Identifier: Apache-2.0
// Matrix-vector products for NEON over rows as they lie in a file: formats of floats, and the path that decodes.
//
// Liberties against the portable twins: sums run in sixteen lanes and are added in another order.
#if defined(__aarch64__)
#include <arm_neon.h>
#include "half.h"
#include "rows_neon.h"

static inline const void *row_at(const void *weights, size_t row_bytes, int64_t row) {
  return (const uint8_t *)weights + (size_t)row * row_bytes;
}

// Four floats of a row from element i on.
typedef float32x4_t (*float_load)(const void *row, int64_t i);
static inline float32x4_t load_f32(const void *row, int64_t i) { return vld1q_f32((const float *)row + i); }
static inline float32x4_t load_f16(const void *row, int64_t i) {
  return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16((const uint16_t *)row + i)));
}
static inline float32x4_t load_bf16(const void *row, int64_t i) {
  return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16((const uint16_t *)row + i), 16));
}

typedef float (*float_at)(const void *row, int64_t i);
static inline float one_f32(const void *row, int64_t i) { return ((const float *)row)[i]; }
static inline float one_f16(const void *row, int64_t i) { return half_to_float(((const uint16_t *)row)[i]); }
static inline float one_bf16(const void *row, int64_t i) {
  return float_from_bits((uint32_t)((const uint16_t *)row)[i] << 16);
}

static inline __attribute__((always_inline)) float dot_floats(float_load load, float_at one, const void *w,
                                                              const float *x, int64_t n) {
  float32x4_t sums[4] = {vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0)};
  int64_t i = 0;
  for (; i + 15 < n; i += 16) {
    for (int k = 0; k < 4; k++) sums[k] = vfmaq_f32(sums[k], load(w, i + 4 * k), vld1q_f32(x + i + 4 * k));
  }
  float rest = 0;
  for (; i < n; i++) rest += one(w, i) * x[i];
  return vaddvq_f32(vaddq_f32(vaddq_f32(sums[0], sums[1]), vaddq_f32(sums[2], sums[3]))) + rest;
}

void matvec_f32_neon(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                     int64_t end, int64_t columns) {
  for (int64_t row = begin; row < end; row++) {
    y[row] = dot_floats(load_f32, one_f32, row_at(weights, row_bytes, row), x->f32, columns);
  }
}

void matvec_f16_neon(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                     int64_t end, int64_t columns) {
  for (int64_t row = begin; row < end; row++) {
    y[row] = dot_floats(load_f16, one_f16, row_at(weights, row_bytes, row), x->f32, columns);
  }
}

void matvec_bf16_neon(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                      int64_t end, int64_t columns) {
  for (int64_t row = begin; row < end; row++) {
    y[row] = dot_floats(load_bf16, one_bf16, row_at(weights, row_bytes, row), x->f32, columns);
  }
}

void matvec_decoded_neon(ck_decoder decode, int64_t block_bytes, const void *weights, size_t row_bytes, const float *x,
                         float *y, int64_t begin, int64_t end, int64_t columns, int64_t block_elements) {
  float chunk[DECODE_CHUNK];
  for (int64_t row = begin; row < end; row++) {
    const uint8_t *blocks = row_at(weights, row_bytes, row);
    float sum = 0;
    for (int64_t k = 0; k < columns; k += DECODE_CHUNK) {
      int64_t count = columns - k < DECODE_CHUNK ? columns - k : DECODE_CHUNK;
      decode(blocks + k / block_elements * block_bytes, chunk, count);
      sum += dot_floats(load_f32, one_f32, chunk, x + k, count);
    }
    y[row] = sum;
  }
}
#endif
