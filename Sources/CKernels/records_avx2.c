// SPDX-License-Identifier: Apache-2.0
// Records (see kernels.h) for AVX2: the same codes, scales and sums as the portable twin.
#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>
#include "panels.h"

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

static inline float largest_magnitude(const __m256 x[4]) {
  __m256 sign = _mm256_set1_ps(-0.0f);
  __m256 low = _mm256_max_ps(_mm256_andnot_ps(sign, x[0]), _mm256_andnot_ps(sign, x[1]));
  __m256 high = _mm256_max_ps(_mm256_andnot_ps(sign, x[2]), _mm256_andnot_ps(sign, x[3]));
  low = _mm256_max_ps(low, high);
  __m128 m = _mm_max_ps(_mm256_castps256_ps128(low), _mm256_extractf128_ps(low, 1));
  m = _mm_max_ps(m, _mm_movehl_ps(m, m));
  return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
}

// Half away from zero: add a half with the number's sign, then cut.
static inline __m256i rounded(__m256 x) {
  __m256 half = _mm256_or_ps(_mm256_and_ps(x, _mm256_set1_ps(-0.0f)), _mm256_set1_ps(0.5f));
  return _mm256_cvttps_epi32(_mm256_add_ps(x, half));
}

// Sixteen numbers to sixteen bytes in order.
static inline __m128i sixteen_bytes(__m256i low, __m256i high) {
  __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0xd8);
  return _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
}

static inline int32_t sum_lanes(__m256i v) {
  __m128i s = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  s = _mm_add_epi32(s, _mm_unpackhi_epi64(s, s));
  return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 1)));
}

static inline void store_float(int32_t *word, float value) { memcpy(word, &value, sizeof value); }

static inline void make_record(const float *in, int64_t T, int32_t *record) {
  __m256 x[4];
  __m256i q[4];
  for (int i = 0; i < 4; i++) x[i] = _mm256_loadu_ps(in + 8 * i);
  float largest = largest_magnitude(x), d = largest / 127.0f;
  __m256 inverse = _mm256_set1_ps(largest > 0 ? 127.0f / largest : 0);
  for (int i = 0; i < 4; i++) q[i] = rounded(_mm256_mul_ps(x[i], inverse));
  int32_t low = sum_lanes(_mm256_add_epi32(q[0], q[1])), high = sum_lanes(_mm256_add_epi32(q[2], q[3]));
  store_float(record, d);
  store_float(record + T, d * (float)(low + high));
  store_float(record + 2 * T, d * (float)low);
  store_float(record + 3 * T, d * (float)high);
  record[4 * T] = -128 * (low + high);
  record[5 * T] = -128 * low;
  record[6 * T] = -128 * high;
  int32_t words[8];
  _mm_storeu_si128((__m128i *)words, sixteen_bytes(q[0], q[1]));
  _mm_storeu_si128((__m128i *)words + 1, sixteen_bytes(q[2], q[3]));
  for (int i = 0; i < 8; i++) record[(7 + i) * T] = words[i];
}

void make_records_avx2(const float *x, int64_t stride, int64_t tokens, int64_t columns, int64_t T, int32_t *records,
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

#pragma clang attribute pop
#endif
