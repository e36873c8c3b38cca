// SPDX-License-Identifier: Apache-2.0
// The vocabulary of attention_tiles.h for NEON.
#if defined(__aarch64__)
#include <math.h>
#include "exp_neon.h"
#include "rows_neon.h"

enum { TILE = 32 };

static inline float dot(const float *a, const float *b, int64_t n) {
  float32x4_t low = vdupq_n_f32(0), high = vdupq_n_f32(0);
  for (int64_t i = 0; i < n; i += 8) {
    low = vfmaq_f32(low, vld1q_f32(a + i), vld1q_f32(b + i));
    high = vfmaq_f32(high, vld1q_f32(a + i + 4), vld1q_f32(b + i + 4));
  }
  return vaddvq_f32(vaddq_f32(low, high));
}

static inline void scale_row(float *x, float factor, int64_t n) {
  for (int64_t i = 0; i < n; i += 4) vst1q_f32(x + i, vmulq_n_f32(vld1q_f32(x + i), factor));
}

static inline void add_scaled(const float *x, float factor, float *y, int64_t n) {
  for (int64_t i = 0; i < n; i += 4) vst1q_f32(y + i, vfmaq_n_f32(vld1q_f32(y + i), vld1q_f32(x + i), factor));
}

// Scores of a tile become weights e^(score − largest), those of positions unseen (−∞) zero; returns their sum.
static inline float weigh(float scores[TILE], float largest) {
  float32x4_t sum = vdupq_n_f32(0);
  for (int k = 0; k < TILE; k += 4) {
    float32x4_t score = vld1q_f32(scores + k);
    uint32x4_t unseen = vceqq_f32(score, vdupq_n_f32(-INFINITY));
    uint32x4_t weight = vreinterpretq_u32_f32(exp_neon(vsubq_f32(score, vdupq_n_f32(largest))));
    float32x4_t seen = vreinterpretq_f32_u32(vbicq_u32(weight, unseen));
    vst1q_f32(scores + k, seen);
    sum = vaddq_f32(sum, seen);
  }
  return vaddvq_f32(sum);
}

#include "attention_tiles.h"

void attention_f32_neon(const ck_attention *job) { attend(job, decode_f32); }
void attention_f16_neon(const ck_attention *job) { attend(job, decode_f16_neon); }
void attention_q8_0_neon(const ck_attention *job) { attend(job, decode_q8_0_neon); }
#endif
