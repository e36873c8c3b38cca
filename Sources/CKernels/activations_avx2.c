// SPDX-License-Identifier: Apache-2.0
// Activations in eight lanes; the kinds without a vector form go to the portable twin.
#if defined(__x86_64__)
#include "exp_avx2.h"
#include "rows.h"

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

// x · σ(t), as x / (1 + e^−t).
static inline __m256 gated(__m256 x, __m256 t) {
  __m256 e = exp_avx2(_mm256_sub_ps(_mm256_setzero_ps(), t));
  return _mm256_div_ps(x, _mm256_add_ps(_mm256_set1_ps(1), e));
}

static inline __m256 gelu_tanh(__m256 x) {
  __m256 inner = _mm256_fmadd_ps(_mm256_mul_ps(x, x), _mm256_set1_ps(0.044715f), _mm256_set1_ps(1));
  return gated(x, _mm256_mul_ps(_mm256_mul_ps(x, inner), _mm256_set1_ps(1.5957691216f)));
}

static inline __m256 clamped_swiglu(__m256 gate, __m256 up) {
  __m256 limit = _mm256_set1_ps(7), one = _mm256_set1_ps(1);
  gate = _mm256_min_ps(gate, limit);
  up = _mm256_max_ps(_mm256_min_ps(up, limit), _mm256_sub_ps(_mm256_setzero_ps(), limit));
  return _mm256_mul_ps(gated(gate, _mm256_mul_ps(gate, _mm256_set1_ps(1.702f))), _mm256_add_ps(up, one));
}

static inline __m256 activated(enum ck_activation kind, __m256 gate, const float *up) {
  if (kind == CK_CLAMPED_SWIGLU) return clamped_swiglu(gate, _mm256_loadu_ps(up));
  __m256 y = kind == CK_SILU ? gated(gate, gate) : gelu_tanh(gate);
  return up ? _mm256_mul_ps(y, _mm256_loadu_ps(up)) : y;
}

void activate_avx2(enum ck_activation kind, const float *gate, const float *up, float *y, int64_t n) {
  int64_t i = 0;
  if (kind == CK_SILU || kind == CK_GELU_TANH || kind == CK_CLAMPED_SWIGLU) {
    for (; i + 7 < n; i += 8) _mm256_storeu_ps(y + i, activated(kind, _mm256_loadu_ps(gate + i), up ? up + i : 0));
  }
  activate_portable(kind, gate + i, up ? up + i : 0, y + i, n - i);
}

#pragma clang attribute pop
#endif
