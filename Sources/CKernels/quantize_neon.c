// SPDX-License-Identifier: Apache-2.0
// Quantised inputs for NEON, in blocks and in records (see kernels.h): the portable twins' codes, scales and sums.
#if defined(__aarch64__)
#include <arm_neon.h>
#include <string.h>
#include "rows_neon.h"

// Half away from zero, like the portable twin: add a half with the number's sign, then cut.
static inline int32x4_t rounded(float32x4_t x) {
  float32x4_t half = vbslq_f32(vdupq_n_u32(0x80000000), x, vdupq_n_f32(0.5f));
  return vcvtq_s32_f32(vaddq_f32(x, half));
}

static inline float largest_magnitude(const float *x, int n) {
  float32x4_t largest = vdupq_n_f32(0);
  for (int i = 0; i < n; i += 4) largest = vmaxq_f32(largest, vabsq_f32(vld1q_f32(x + i)));
  return vmaxvq_f32(largest);
}

// Sixteen floats to sixteen codes.
static inline int8x16_t codes(const float *x, float inverse) {
  int16x8_t pairs[2];
  for (int i = 0; i < 2; i++) {
    int32x4_t low = rounded(vmulq_n_f32(vld1q_f32(x + 8 * i), inverse));
    int32x4_t high = rounded(vmulq_n_f32(vld1q_f32(x + 8 * i + 4), inverse));
    pairs[i] = vmovn_high_s32(vmovn_s32(low), high);
  }
  return vmovn_high_s16(vmovn_s16(pairs[0]), pairs[1]);
}

void quantize_32_neon(const float *x, int64_t n, int8_t *q, float *d, float *s) {
  for (int64_t b = 0; b < n / 32; b++, x += 32, q += 32) {
    float largest = largest_magnitude(x, 32), inverse = largest > 0 ? 127.0f / largest : 0;
    int8x16_t low = codes(x, inverse), high = codes(x + 16, inverse);
    vst1q_s8(q, low);
    vst1q_s8(q + 16, high);
    d[b] = largest / 127.0f;
    s[b] = d[b] * (float)(vaddlvq_s8(low) + vaddlvq_s8(high));
  }
}

void quantize_256_neon(const float *x, int64_t n, int8_t *q, float *d, int16_t *sums) {
  for (int64_t b = 0; b < n / 256; b++) {
    float largest = largest_magnitude(x + b * 256, 256), inverse = largest > 0 ? 127.0f / largest : 0;
    for (int64_t group = b * 16; group < b * 16 + 16; group++) {
      int8x16_t sixteen = codes(x + group * 16, inverse);
      vst1q_s8(q + group * 16, sixteen);
      sums[group] = vaddlvq_s8(sixteen);
    }
    d[b] = largest / 127.0f;
  }
}

static inline void store_float(int32_t *word, float value) { memcpy(word, &value, sizeof value); }

static inline void make_record(const float *in, int64_t T, int32_t *record) {
  float largest = largest_magnitude(in, 32), d = largest / 127.0f, inverse = largest > 0 ? 127.0f / largest : 0;
  int8x16_t q[2] = {codes(in, inverse), codes(in + 16, inverse)};
  int32_t low = vaddlvq_s8(q[0]), high = vaddlvq_s8(q[1]);
  store_float(record, d);
  store_float(record + T, d * (float)(low + high));
  store_float(record + 2 * T, d * (float)low);
  store_float(record + 3 * T, d * (float)high);
  record[4 * T] = -128 * (low + high);
  record[5 * T] = -128 * low;
  record[6 * T] = -128 * high;
  int32_t words[8];
  vst1q_s32(words, vreinterpretq_s32_s8(q[0]));
  vst1q_s32(words + 4, vreinterpretq_s32_s8(q[1]));
  for (int i = 0; i < 8; i++) record[(7 + i) * T] = words[i];
}

void make_records_neon(const float *x, int64_t stride, int64_t tokens, int64_t columns, int64_t T, int32_t *records,
                       int64_t first_group, int64_t last_group) {
  int64_t blocks = columns / 32;
  for (int64_t group = first_group; group < last_group; group++) {
    int32_t *record = records + group * blocks * T * CK_RECORD_WORDS;
    int64_t count = tokens - group * T < T ? tokens - group * T : T;
    if (count < T) memset(record, 0, (size_t)(blocks * T * CK_RECORD_WORDS) * sizeof(int32_t));
    for (int64_t b = 0; b < blocks; b++, record += T * CK_RECORD_WORDS) {
      for (int64_t t = 0; t < count; t++) make_record(x + (group * T + t) * stride + b * 32, T, record + t);
    }
  }
}
#endif
