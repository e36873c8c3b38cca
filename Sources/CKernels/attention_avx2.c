// SPDX-License-Identifier: Apache-2.0
// The vocabulary of attention_tiles.h for AVX2.
#if defined(__x86_64__)
#include <math.h>
#include "exp_avx2.h"
#include "rows.h"

enum { TILE = 32 };

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

static inline float sum_lanes(__m256 v) {
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

static inline float dot(const float *a, const float *b, int64_t n) {
  __m256 low = _mm256_setzero_ps(), high = _mm256_setzero_ps();
  int64_t i = 0;
  for (; i + 15 < n; i += 16) {
    low = _mm256_fmadd_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i), low);
    high = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 8), _mm256_loadu_ps(b + i + 8), high);
  }
  for (; i + 7 < n; i += 8) low = _mm256_fmadd_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i), low);
  return sum_lanes(_mm256_add_ps(low, high));
}

static inline void scale_row(float *x, float factor, int64_t n) {
  __m256 f = _mm256_set1_ps(factor);
  for (int64_t i = 0; i < n; i += 8) _mm256_storeu_ps(x + i, _mm256_mul_ps(_mm256_loadu_ps(x + i), f));
}

static inline void add_scaled(const float *x, float factor, float *y, int64_t n) {
  __m256 f = _mm256_set1_ps(factor);
  for (int64_t i = 0; i < n; i += 8) {
    _mm256_storeu_ps(y + i, _mm256_fmadd_ps(_mm256_loadu_ps(x + i), f, _mm256_loadu_ps(y + i)));
  }
}

// Scores of a tile become weights e^(score − largest), those of positions unseen (−∞) zero; returns their sum.
static inline float weigh(float scores[TILE], float largest) {
  __m256 sums = _mm256_setzero_ps(), shift = _mm256_set1_ps(largest);
  for (int k = 0; k < TILE; k += 8) {
    __m256 score = _mm256_loadu_ps(scores + k);
    __m256 seen = _mm256_cmp_ps(score, _mm256_set1_ps(-INFINITY), _CMP_NEQ_OQ);
    __m256 weight = _mm256_and_ps(exp_avx2(_mm256_sub_ps(score, shift)), seen);
    _mm256_storeu_ps(scores + k, weight);
    sums = _mm256_add_ps(sums, weight);
  }
  return sum_lanes(sums);
}

#include "attention_tiles.h"

void attention_f32_avx2(const ck_attention *job) { attend(job, decode_f32); }
void attention_f16_avx2(const ck_attention *job) { attend(job, decode_f16_avx2); }
void attention_q8_0_avx2(const ck_attention *job) { attend(job, decode_q8_0_avx2); }

#pragma clang attribute pop
#endif
