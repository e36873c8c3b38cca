// SPDX-License-Identifier: Apache-2.0
// Multiply-adds of 8-bit and of 16-bit integers from registers alone: the ceilings of products over quantised weights, and
// of prompts' over floats.
#include "rows.h"

#if defined(__x86_64__)
#include <immintrin.h>

enum { CHAINS = 12 };

#pragma clang attribute push(__attribute__((target("avx512f,avx512vnni"))), apply_to = function)
// 64 multiply-adds an instruction; the values change each round, so that nothing is left out.
static int32_t integer_peak_avx512(int64_t rounds, double *operations) {
  __m512i sums[CHAINS];
  for (int k = 0; k < CHAINS; k++) sums[k] = _mm512_set1_epi32(k);
  __m512i left = _mm512_set1_epi8(3);
  for (int64_t i = 0; i < rounds; i++) {
    __m512i right = _mm512_set1_epi32((int32_t)i & 0x01010101);
    for (int k = 0; k < CHAINS; k++) sums[k] = _mm512_dpbusd_epi32(sums[k], left, right);
  }
  for (int k = 1; k < CHAINS; k++) sums[0] = _mm512_add_epi32(sums[0], sums[k]);
  *operations = (double)rounds * CHAINS * 128;
  return _mm512_reduce_add_epi32(sums[0]);
}
// 32 multiply-adds an instruction.
static int32_t word_peak_avx512(int64_t rounds, double *operations) {
  __m512i sums[CHAINS];
  for (int k = 0; k < CHAINS; k++) sums[k] = _mm512_set1_epi32(k);
  __m512i left = _mm512_set1_epi16(3);
  for (int64_t i = 0; i < rounds; i++) {
    __m512i right = _mm512_set1_epi32((int32_t)i & 0x00010001);
    for (int k = 0; k < CHAINS; k++) sums[k] = _mm512_dpwssd_epi32(sums[k], left, right);
  }
  for (int k = 1; k < CHAINS; k++) sums[0] = _mm512_add_epi32(sums[0], sums[k]);
  *operations = (double)rounds * CHAINS * 64;
  return _mm512_reduce_add_epi32(sums[0]);
}
#pragma clang attribute pop

#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)
// 16 multiply-adds in two.
static int32_t word_peak_avx2(int64_t rounds, double *operations) {
  __m256i sums[CHAINS];
  for (int k = 0; k < CHAINS; k++) sums[k] = _mm256_set1_epi32(k);
  for (int64_t i = 0; i < rounds; i++) {
    __m256i right = _mm256_set1_epi32((int32_t)i & 0x00010001);
    for (int k = 0; k < CHAINS; k++) sums[k] = _mm256_add_epi32(sums[k], _mm256_madd_epi16(sums[k], right));
  }
  for (int k = 1; k < CHAINS; k++) sums[0] = _mm256_add_epi32(sums[0], sums[k]);
  *operations = (double)rounds * CHAINS * 32;
  return _mm256_extract_epi32(sums[0], 0);
}
// 32 multiply-adds in two instructions, pairs to 16 bits and their sum, as codes of four bits allow for 32 columns on end.
static int32_t integer_peak_avx2(int64_t rounds, double *operations) {
  __m256i sums[CHAINS];
  for (int k = 0; k < CHAINS; k++) sums[k] = _mm256_set1_epi32(k);
  for (int64_t i = 0; i < rounds; i++) {
    __m256i right = _mm256_set1_epi32((int32_t)i & 0x01010101);
    for (int k = 0; k < CHAINS; k++) {
      sums[k] = _mm256_add_epi16(sums[k], _mm256_maddubs_epi16(sums[k], right));
    }
  }
  for (int k = 1; k < CHAINS; k++) sums[0] = _mm256_add_epi32(sums[0], sums[k]);
  *operations = (double)rounds * CHAINS * 64;
  return _mm256_extract_epi32(sums[0], 0);
}
#pragma clang attribute pop
#endif

int32_t ck_integer_peak(const ck_kernels *kernels, int64_t rounds, double *operations) {
#if defined(__x86_64__)
  if (kernels == &kernels_avx512_vnni || kernels == &kernels_amx) return integer_peak_avx512(rounds, operations);
  if (kernels == &kernels_avx2) return integer_peak_avx2(rounds, operations);
#endif
  *operations = 0;
  return (int32_t)(rounds & (kernels != 0));
}

int32_t ck_word_peak(const ck_kernels *kernels, int64_t rounds, double *operations) {
#if defined(__x86_64__)
  if (kernels == &kernels_avx512_vnni || kernels == &kernels_amx) return word_peak_avx512(rounds, operations);
  if (kernels == &kernels_avx2) return word_peak_avx2(rounds, operations);
#endif
  *operations = 0;
  return (int32_t)(rounds & (kernels != 0));
}
