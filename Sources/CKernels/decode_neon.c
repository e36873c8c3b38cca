// SPDX-License-Identifier: Apache-2.0
// Decoders for NEON of the formats that prefill and the caches meet most; bit for bit the portable ones, as in the AVX2
// twins: one multiplication per element, and for q4_k one subtraction of a product that is rounded first.
#if defined(__aarch64__)
#include <arm_neon.h>
#include "half.h"
#include "rows_neon.h"

void decode_f16_neon(const void *blocks, float *out, int64_t elements) {
  const uint16_t *x = blocks;
  int64_t i = 0;
  for (; i + 7 < elements; i += 8) {
    float16x8_t halves = vreinterpretq_f16_u16(vld1q_u16(x + i));
    vst1q_f32(out + i, vcvt_f32_f16(vget_low_f16(halves)));
    vst1q_f32(out + i + 4, vcvt_high_f32_f16(halves));
  }
  for (; i < elements; i++) out[i] = half_to_float(x[i]);
}

// Sixteen bytes of whole numbers: value · scale − shift.
static inline void store_scaled(int8x16_t bytes, float scale, float shift, float *out) {
  int16x8_t low = vmovl_s8(vget_low_s8(bytes)), high = vmovl_high_s8(bytes);
  int32x4_t words[4] = {
    vmovl_s16(vget_low_s16(low)), vmovl_high_s16(low), vmovl_s16(vget_low_s16(high)), vmovl_high_s16(high),
  };
  for (int i = 0; i < 4; i++) {
    vst1q_f32(out + 4 * i, vsubq_f32(vmulq_n_f32(vcvtq_f32_s32(words[i]), scale), vdupq_n_f32(shift)));
  }
}

void decode_q8_0_neon(const void *blocks, float *out, int64_t elements) {
  const ck_q8_0 *block = blocks;
  for (int64_t b = 0; b < elements / 32; b++, block++, out += 32) {
    float scale = half_to_float(block->scale);
    store_scaled(vld1q_s8(block->values), scale, 0, out);
    store_scaled(vld1q_s8(block->values + 16), scale, 0, out + 16);
  }
}

static inline int8x16_t low_nibbles(uint8x16_t bytes) { return vreinterpretq_s8_u8(vandq_u8(bytes, vdupq_n_u8(15))); }
static inline int8x16_t high_nibbles(uint8x16_t bytes) { return vreinterpretq_s8_u8(vshrq_n_u8(bytes, 4)); }

void decode_q4_0_neon(const void *blocks, float *out, int64_t elements) {
  const ck_q4_0 *block = blocks;
  int8x16_t eight = vdupq_n_s8(8);
  for (int64_t b = 0; b < elements / 32; b++, block++, out += 32) {
    float scale = half_to_float(block->scale);
    uint8x16_t bytes = vld1q_u8(block->nibbles);
    store_scaled(vsubq_s8(low_nibbles(bytes), eight), scale, 0, out);
    store_scaled(vsubq_s8(high_nibbles(bytes), eight), scale, 0, out + 16);
  }
}

void decode_q4_k_neon(const void *blocks, float *out, int64_t elements) {
  const ck_q4_k *block = blocks;
  for (int64_t b = 0; b < elements / 256; b++, block++) {
    float scale = half_to_float(block->scale), minimum = half_to_float(block->minimum);
    uint8_t scales[8], minima[8];
    unpack_q4_k_scales(block->scales, scales, minima);
    for (int group = 0; group < 8; group++, out += 32) {
      float group_scale = scale * (float)scales[group], group_minimum = minimum * (float)minima[group];
      for (int i = 0; i < 32; i += 16) {
        uint8x16_t bytes = vld1q_u8(block->nibbles + group / 2 * 32 + i);
        store_scaled(group % 2 ? high_nibbles(bytes) : low_nibbles(bytes), group_scale, group_minimum, out + i);
      }
    }
  }
}
#endif
