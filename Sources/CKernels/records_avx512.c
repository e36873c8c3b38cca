// SPDX-License-Identifier: Apache-2.0
// Records (see kernels.h) for AVX-512 VNNI: the same codes, scales and sums as the portable twin.
#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>
#include "panels.h"

#pragma clang attribute push(                                                                 \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c"))), apply_to = function)

// Half away from zero: add a half with the number's sign, then cut. Sixteen numbers to bytes.
static inline __m128i rounded(__m512 x) {
  __m512 half = _mm512_or_ps(_mm512_and_ps(x, _mm512_set1_ps(-0.0f)), _mm512_set1_ps(0.5f));
  return _mm512_cvtepi32_epi8(_mm512_cvttps_epi32(_mm512_add_ps(x, half)));
}

// Sums of the bytes of either half, in lanes 0 and 4.
static inline __m256i half_sums(__m256i q) {
  __m256i s = _mm256_dpbusd_epi32(_mm256_setzero_si256(), _mm256_set1_epi8(1), q);
  s = _mm256_add_epi32(s, _mm256_shuffle_epi32(s, 0x4e));
  return _mm256_add_epi32(s, _mm256_shuffle_epi32(s, 0xb1));
}

static inline void store_float(int32_t *word, float value) { memcpy(word, &value, sizeof value); }

static inline float largest_magnitude(const float *in, int columns) {
  __m512 largest = _mm512_setzero_ps();
  for (int i = 0; i < columns; i += 16) largest = _mm512_max_ps(largest, _mm512_abs_ps(_mm512_loadu_ps(in + i)));
  return _mm512_reduce_max_ps(largest);
}

// `unit` is what the float sums are multiples of.
static inline __attribute__((always_inline)) void fill_record(const float *in, __m512 inverse, float d, float unit,
                                                              int64_t T, int32_t *record) {
  __m512 low_part = _mm512_loadu_ps(in), high_part = _mm512_loadu_ps(in + 16);
  __m256i q = _mm256_set_m128i(rounded(_mm512_mul_ps(high_part, inverse)), rounded(_mm512_mul_ps(low_part, inverse)));
  __m256i sums = half_sums(q);
  int32_t low = _mm256_extract_epi32(sums, 0), high = _mm256_extract_epi32(sums, 4);
  store_float(record, d);
  store_float(record + T, unit * (float)(low + high));
  store_float(record + 2 * T, unit * (float)low);
  store_float(record + 3 * T, unit * (float)high);
  record[4 * T] = -128 * (low + high);
  record[5 * T] = -128 * low;
  record[6 * T] = -128 * high;
  if (T == 1) return _mm256_storeu_si256((__m256i *)(record + 7), q);
  int32_t words[8];
  _mm256_storeu_si256((__m256i *)words, q);
  for (int i = 0; i < 8; i++) record[(7 + i) * T] = words[i];
}

// One token's records of as many columns as have one scale.
static inline __attribute__((always_inline)) void make_record(const float *in, int columns, int64_t T, int32_t *record) {
  float largest = largest_magnitude(in, columns), d = largest / 127.0f;
  __m512 inverse = _mm512_set1_ps(largest > 0 ? 127.0f / largest : 0);
  for (int k = 0; k < columns; k += 32) {
    fill_record(in + k, inverse, d, columns == 32 ? d : 1, T, record + k / 32 * CK_RECORD_WORDS * T);
  }
}

static inline __attribute__((always_inline)) void make_all(
    const float *x, int64_t stride, int64_t tokens, int64_t columns, int of_scale, int64_t T, int32_t *records,
    int64_t first_group, int64_t last_group) {
  int64_t words = columns / 32 * T * CK_RECORD_WORDS;
  for (int64_t group = first_group; group < last_group; group++) {
    int32_t *record = records + group * words;
    int64_t count = tokens - group * T < T ? tokens - group * T : T;
    if (count < T) memset(record, 0, (size_t)words * sizeof(int32_t));
    for (int64_t k = 0; k < columns; k += of_scale, record += of_scale / 32 * T * CK_RECORD_WORDS) {
      for (int64_t t = 0; t < count; t++) make_record(x + (group * T + t) * stride + k, of_scale, T, record + t);
    }
  }
}

void make_records_avx512(const float *x, int64_t stride, int64_t tokens, int64_t columns, int64_t T, int32_t *records,
                         int64_t first_group, int64_t last_group) {
  make_all(x, stride, tokens, columns, 32, T, records, first_group, last_group);
}

void make_wide_records_avx512(const float *x, int64_t stride, int64_t tokens, int64_t columns, int64_t T,
                              int32_t *records, int64_t first_group, int64_t last_group) {
  make_all(x, stride, tokens, columns, 256, T, records, first_group, last_group);
}

#pragma clang attribute pop
#endif
