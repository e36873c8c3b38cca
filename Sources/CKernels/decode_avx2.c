// SPDX-License-Identifier: Apache-2.0
// Decoders for AVX2 of the formats that prefill meets most; bit for bit the portable ones: one multiplication per
// element, and for q4_k one subtraction of a product that is rounded first.
#if defined(__x86_64__)
#include <immintrin.h>
#include "half.h"
#include "rows.h"

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

void decode_f16_avx2(const void *blocks, float *out, int64_t elements) {
  const uint16_t *x = blocks;
  int64_t i = 0;
  for (; i + 7 < elements; i += 8) {
    _mm256_storeu_ps(out + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(x + i))));
  }
  for (; i < elements; i++) out[i] = half_to_float(x[i]);
}

static inline __m256 widened(const int8_t *p) {
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)p)));
}

void decode_q8_0_avx2(const void *blocks, float *out, int64_t elements) {
  const ck_q8_0 *block = blocks;
  for (int64_t b = 0; b < elements / 32; b++, block++, out += 32) {
    __m256 scale = _mm256_set1_ps(half_to_float(block->scale));
    for (int i = 0; i < 32; i += 8) _mm256_storeu_ps(out + i, _mm256_mul_ps(widened(block->values + i), scale));
  }
}

// Sixteen bytes of whole numbers as floats.
static inline void store_scaled(__m128i bytes, __m256 scale, __m256 shift, float *out) {
  __m256 low = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes));
  __m256 high = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(bytes, 8)));
  _mm256_storeu_ps(out, _mm256_sub_ps(_mm256_mul_ps(low, scale), shift));
  _mm256_storeu_ps(out + 8, _mm256_sub_ps(_mm256_mul_ps(high, scale), shift));
}

void decode_q4_0_avx2(const void *blocks, float *out, int64_t elements) {
  const ck_q4_0 *block = blocks;
  __m128i mask = _mm_set1_epi8(15), eight = _mm_set1_epi8(8);
  for (int64_t b = 0; b < elements / 32; b++, block++, out += 32) {
    __m256 scale = _mm256_set1_ps(half_to_float(block->scale));
    __m128i bytes = _mm_loadu_si128((const __m128i *)block->nibbles);
    __m128i low = _mm_sub_epi8(_mm_and_si128(bytes, mask), eight);
    __m128i high = _mm_sub_epi8(_mm_and_si128(_mm_srli_epi16(bytes, 4), mask), eight);
    store_scaled(low, scale, _mm256_setzero_ps(), out);
    store_scaled(high, scale, _mm256_setzero_ps(), out + 16);
  }
}

void decode_q4_k_avx2(const void *blocks, float *out, int64_t elements) {
  const ck_q4_k *block = blocks;
  __m128i mask = _mm_set1_epi8(15);
  for (int64_t b = 0; b < elements / 256; b++, block++, out += 256) {
    float scale = half_to_float(block->scale), minimum = half_to_float(block->minimum);
    uint8_t scales[8], minima[8];
    unpack_q4_k_scales(block->scales, scales, minima);
    for (int group = 0; group < 8; group++) {
      const uint8_t *nibbles = block->nibbles + group / 2 * 32;
      __m256 group_scale = _mm256_set1_ps(scale * (float)scales[group]);
      __m256 group_minimum = _mm256_set1_ps(minimum * (float)minima[group]);
      for (int i = 0; i < 32; i += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(nibbles + i));
        if (group % 2) bytes = _mm_srli_epi16(bytes, 4);
        store_scaled(_mm_and_si128(bytes, mask), group_scale, group_minimum, out + group * 32 + i);
      }
    }
  }
}

#pragma clang attribute pop
#endif
