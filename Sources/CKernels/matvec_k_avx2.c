// SPDX-License-Identifier: Apache-2.0
// Matrix-vector products of the k-quants q4_k and q6_k for AVX2.
//
//   q4_k: Σ x w = d Σ_g scale_g (Σ q x) − m Σ_g minimum_g (Σ x)      groups of 32
//   q6_k: Σ x w = d Σ_g scale_g (Σ q x − 32 Σ x)                      groups of 16
// Products stay in integers until the end of a block: 15 · 127 · 2 and 63 · 127 · 2 fit 16 bits, times a scale 32 bits.
#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>
#include "rows.h"

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

static inline int32_t sum_lanes_i32(__m256i v) {
  __m128i s = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  s = _mm_add_epi32(s, _mm_unpackhi_epi64(s, s));
  return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 1)));
}

static inline __m256i load(const void *p) { return _mm256_loadu_si256((const __m256i *)p); }
static inline float half(uint16_t h) { return _cvtsh_ss(h); }

// The twelve packed bytes as eight scales (low half) and eight minima (high half), four at a time in words.
static inline __m128i q4_k_scales(const uint8_t *packed) {
  uint32_t words[3];
  memcpy(words, packed, sizeof words);
  uint32_t scales_low = words[0] & 0x3f3f3f3f, minima_low = words[1] & 0x3f3f3f3f;
  uint32_t scales_high = (words[2] & 0x0f0f0f0f) | (words[0] >> 6 & 0x03030303) << 4;
  uint32_t minima_high = (words[2] >> 4 & 0x0f0f0f0f) | (words[1] >> 6 & 0x03030303) << 4;
  return _mm_set_epi32((int)minima_high, (int)minima_low, (int)scales_high, (int)scales_low);
}

// Sums of pairs of neighbouring 16-element sums: what each 32-element minimum multiplies.
static inline int32_t q4_k_shift(__m128i minima, const int16_t *sums) {
  __m256i all = load(sums);
  __m128i pairs = _mm_hadd_epi16(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
  __m128i products = _mm_madd_epi16(minima, pairs);
  products = _mm_add_epi32(products, _mm_unpackhi_epi64(products, products));
  return _mm_cvtsi128_si32(_mm_add_epi32(products, _mm_shuffle_epi32(products, 1)));
}

static inline float q4_k_block(const ck_q4_k *block, const int8_t *q, const int16_t *sums, float d) {
  __m128i packed = q4_k_scales(block->scales);
  __m128i scales = _mm_cvtepu8_epi16(packed);
  __m128i minima = _mm_cvtepu8_epi16(_mm_unpackhi_epi64(packed, packed));
  // A word's two bytes, to spread scale g over all sixteen lanes of 16 bits.
  __m256i both = _mm256_broadcastsi128_si256(scales);
  __m256i pattern = _mm256_set1_epi16(0x0100), step = _mm256_set1_epi16(0x0202);
  __m256i total = _mm256_setzero_si256(), mask = _mm256_set1_epi8(15);
  for (int pair = 0; pair < 4; pair++) {
    __m256i bytes = load(block->nibbles + pair * 32);
    __m256i low = _mm256_maddubs_epi16(_mm256_and_si256(bytes, mask), load(q + pair * 64));
    __m256i high = _mm256_maddubs_epi16(_mm256_and_si256(_mm256_srli_epi16(bytes, 4), mask), load(q + pair * 64 + 32));
    total = _mm256_add_epi32(total, _mm256_madd_epi16(low, _mm256_shuffle_epi8(both, pattern)));
    pattern = _mm256_add_epi8(pattern, step);
    total = _mm256_add_epi32(total, _mm256_madd_epi16(high, _mm256_shuffle_epi8(both, pattern)));
    pattern = _mm256_add_epi8(pattern, step);
  }
  return half(block->scale) * d * (float)sum_lanes_i32(total) -
         half(block->minimum) * d * (float)q4_k_shift(minima, sums);
}

void matvec_q4_k_avx2(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                      int64_t end, int64_t columns) {
  for (int64_t row = begin; row < end; row++) {
    const ck_q4_k *block = (const ck_q4_k *)((const uint8_t *)weights + (size_t)row * row_bytes);
    float sum = 0;
    for (int64_t b = 0; b < columns / 256; b++) {
      _mm_prefetch((const char *)(block + b + 6), _MM_HINT_T0);
      _mm_prefetch((const char *)(block + b + 6) + 64, _MM_HINT_T0);
      sum += q4_k_block(block + b, x->q256 + b * 256, x->sums256 + b * 16, x->d256[b]);
    }
    y[row] = sum;
  }
}

// Thirty-two codes: four bits from `low`, two bits from `high` shifted into place.
static inline __m256i q6_k_codes(__m256i low, __m256i high) {
  __m256i top = _mm256_slli_epi16(_mm256_and_si256(high, _mm256_set1_epi8(3)), 4);
  return _mm256_or_si256(_mm256_and_si256(low, _mm256_set1_epi8(15)), top);
}

// Thirty-two products with two scales, one per 16 elements, which is one per half of the register.
static inline __m256i q6_k_products(__m256i codes, const int8_t *q, const int8_t *scales) {
  __m256i pairs = _mm256_maddubs_epi16(codes, load(q));
  __m256i spread = _mm256_set_m128i(_mm_set1_epi16(scales[1]), _mm_set1_epi16(scales[0]));
  return _mm256_madd_epi16(pairs, spread);
}

static inline float q6_k_block(const ck_q6_k *block, const int8_t *q, const int16_t *sums, float d) {
  __m256i total = _mm256_setzero_si256();
  for (int half_block = 0; half_block < 2; half_block++) {
    __m256i first = load(block->nibbles + half_block * 64), second = load(block->nibbles + half_block * 64 + 32);
    __m256i high = load(block->high_bits + half_block * 32);
    const int8_t *scales = block->scales + half_block * 8;
    const int8_t *values = q + half_block * 128;
    __m256i codes[4] = {
      q6_k_codes(first, high),
      q6_k_codes(second, _mm256_srli_epi16(high, 2)),
      q6_k_codes(_mm256_srli_epi16(first, 4), _mm256_srli_epi16(high, 4)),
      q6_k_codes(_mm256_srli_epi16(second, 4), _mm256_srli_epi16(high, 6)),
    };
    for (int k = 0; k < 4; k++) {
      total = _mm256_add_epi32(total, q6_k_products(codes[k], values + 32 * k, scales + 2 * k));
    }
  }
  __m256i all_scales = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)block->scales));
  __m256i shift = _mm256_madd_epi16(all_scales, load(sums));
  total = _mm256_sub_epi32(total, _mm256_slli_epi32(shift, 5));
  return half(block->scale) * d * (float)sum_lanes_i32(total);
}

void matvec_q6_k_avx2(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                      int64_t end, int64_t columns) {
  for (int64_t row = begin; row < end; row++) {
    const ck_q6_k *block = (const ck_q6_k *)((const uint8_t *)weights + (size_t)row * row_bytes);
    float sum = 0;
    for (int64_t b = 0; b < columns / 256; b++) {
      const char *ahead = (const char *)(block + b + 5);
      for (int line = 0; line < 4; line++) _mm_prefetch(ahead + 64 * line, _MM_HINT_T0);
      sum += q6_k_block(block + b, x->q256 + b * 256, x->sums256 + b * 16, x->d256[b]);
    }
    y[row] = sum;
  }
}

#pragma clang attribute pop
#endif
