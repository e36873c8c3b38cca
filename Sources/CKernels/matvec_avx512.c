// SPDX-License-Identifier: Apache-2.0
// Matrix-vector products for AVX-512 VNNI: the shapes of the AVX2 twins, with VPDPBUSD in place of two instructions and
// sixteen float lanes. Integer sums of a block equal the AVX2 ones exactly.
#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>
#include "matvec_avx512.h"

#pragma clang attribute push(                                                                 \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c"))), apply_to = function)

static inline float sum_lanes(__m256 v) {
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

static inline int32_t sum_lanes_i32(__m256i v) {
  __m128i s = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  s = _mm_add_epi32(s, _mm_unpackhi_epi64(s, s));
  return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 1)));
}

static inline __m256i load(const void *p) { return _mm256_loadu_si256((const __m256i *)p); }
static inline float half(uint16_t h) { return _cvtsh_ss(h); }
static inline const uint8_t *row_at(const void *weights, size_t row_bytes, int64_t row) {
  return (const uint8_t *)weights + (size_t)row * row_bytes;
}

// Lanes below `count` (at most sixteen) of a row's end.
static inline __mmask16 first_lanes(int64_t count) { return count >= 16 ? 0xffff : (__mmask16)((1u << count) - 1); }

void matvec_f32_avx512(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                       int64_t end, int64_t columns) {
  for (int64_t row = begin; row < end; row++) {
    const float *w = (const float *)row_at(weights, row_bytes, row);
    __m512 sum = _mm512_setzero_ps();
    for (int64_t i = 0; i < columns; i += 16) {
      __mmask16 lanes = first_lanes(columns - i);
      sum = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(lanes, w + i), _mm512_maskz_loadu_ps(lanes, x->f32 + i), sum);
    }
    y[row] = _mm512_reduce_add_ps(sum);
  }
}

void matvec_f16_avx512(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                       int64_t end, int64_t columns) {
  for (int64_t row = begin; row < end; row++) {
    const uint16_t *w = (const uint16_t *)row_at(weights, row_bytes, row);
    __m512 sum = _mm512_setzero_ps();
    for (int64_t i = 0; i < columns; i += 16) {
      __mmask16 lanes = first_lanes(columns - i);
      __m512 value = _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(lanes, w + i));
      sum = _mm512_fmadd_ps(value, _mm512_maskz_loadu_ps(lanes, x->f32 + i), sum);
    }
    y[row] = _mm512_reduce_add_ps(sum);
  }
}

void matvec_bf16_avx512(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                        int64_t end, int64_t columns) {
  for (int64_t row = begin; row < end; row++) {
    const uint16_t *w = (const uint16_t *)row_at(weights, row_bytes, row);
    __m512 sum = _mm512_setzero_ps();
    for (int64_t i = 0; i < columns; i += 16) {
      __mmask16 lanes = first_lanes(columns - i);
      __m512i wide = _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(lanes, w + i)), 16);
      sum = _mm512_fmadd_ps(_mm512_castsi512_ps(wide), _mm512_maskz_loadu_ps(lanes, x->f32 + i), sum);
    }
    y[row] = _mm512_reduce_add_ps(sum);
  }
}

static inline void q8_0_rows(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t row,
                             int64_t columns, int count) {
  __m256 sums[4] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps()};
  for (int64_t b = 0; b < columns / 32; b++) {
    __m256i q = load(x->q32 + b * 32);
    for (int r = 0; r < count; r++) {
      const ck_q8_0 *block = (const ck_q8_0 *)row_at(weights, row_bytes, row + r) + b;
      _mm_prefetch((const char *)block + 1024, _MM_HINT_T0);
      __m256i w = load(block->values);
      __m256i dots = _mm256_dpbusd_epi32(_mm256_setzero_si256(), _mm256_abs_epi8(w), _mm256_sign_epi8(q, w));
      sums[r] = _mm256_fmadd_ps(_mm256_set1_ps(half(block->scale) * x->d32[b]), _mm256_cvtepi32_ps(dots), sums[r]);
    }
  }
  for (int r = 0; r < count; r++) y[row + r] = sum_lanes(sums[r]);
}

void matvec_q8_0_avx512(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                        int64_t end, int64_t columns) {
  int64_t row = begin;
  for (; row + 3 < end; row += 4) q8_0_rows(weights, row_bytes, x, y, row, columns, 4);
  for (; row < end; row++) q8_0_rows(weights, row_bytes, x, y, row, columns, 1);
}

static inline __m256i nibbles_of(const uint8_t *bytes) {
  __m128i packed = _mm_loadu_si128((const __m128i *)bytes);
  return _mm256_and_si256(_mm256_set_m128i(_mm_srli_epi16(packed, 4), packed), _mm256_set1_epi8(15));
}

static inline void q4_0_rows(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t row,
                             int64_t columns, int count) {
  __m256 sums[4] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps()};
  float offsets[4] = {0};
  for (int64_t b = 0; b < columns / 32; b++) {
    __m256i q = load(x->q32 + b * 32);
    for (int r = 0; r < count; r++) {
      const ck_q4_0 *block = (const ck_q4_0 *)row_at(weights, row_bytes, row + r) + b;
      _mm_prefetch((const char *)block + 1024, _MM_HINT_T0);
      float scale = half(block->scale);
      __m256i dots = _mm256_dpbusd_epi32(_mm256_setzero_si256(), nibbles_of(block->nibbles), q);
      sums[r] = _mm256_fmadd_ps(_mm256_set1_ps(scale * x->d32[b]), _mm256_cvtepi32_ps(dots), sums[r]);
      offsets[r] += scale * x->s32[b];
    }
  }
  for (int r = 0; r < count; r++) y[row + r] = sum_lanes(sums[r]) - 8 * offsets[r];
}

void matvec_q4_0_avx512(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                        int64_t end, int64_t columns) {
  int64_t row = begin;
  for (; row + 3 < end; row += 4) q4_0_rows(weights, row_bytes, x, y, row, columns, 4);
  for (; row < end; row++) q4_0_rows(weights, row_bytes, x, y, row, columns, 1);
}

static inline float q4_k_block(const ck_q4_k *block, const int8_t *q, const int16_t *sums, float d) {
  uint8_t scales[8], minima[8];
  unpack_q4_k_scales(block->scales, scales, minima);
  __m256i total = _mm256_setzero_si256(), mask = _mm256_set1_epi8(15), zero = _mm256_setzero_si256();
  int32_t shift = 0;
  for (int pair = 0; pair < 4; pair++) {
    __m256i bytes = load(block->nibbles + pair * 32);
    __m256i low = _mm256_dpbusd_epi32(zero, _mm256_and_si256(bytes, mask), load(q + pair * 64));
    __m256i upper = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), mask);
    __m256i high = _mm256_dpbusd_epi32(zero, upper, load(q + pair * 64 + 32));
    total = _mm256_add_epi32(total, _mm256_mullo_epi32(low, _mm256_set1_epi32(scales[2 * pair])));
    total = _mm256_add_epi32(total, _mm256_mullo_epi32(high, _mm256_set1_epi32(scales[2 * pair + 1])));
    shift += minima[2 * pair] * (sums[4 * pair] + sums[4 * pair + 1]);
    shift += minima[2 * pair + 1] * (sums[4 * pair + 2] + sums[4 * pair + 3]);
  }
  return half(block->scale) * d * (float)sum_lanes_i32(total) - half(block->minimum) * d * (float)shift;
}

void matvec_q4_k_avx512(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                        int64_t end, int64_t columns) {
  for (int64_t row = begin; row < end; row++) {
    const ck_q4_k *block = (const ck_q4_k *)row_at(weights, row_bytes, row);
    float sum = 0;
    for (int64_t b = 0; b < columns / 256; b++) {
      _mm_prefetch((const char *)(block + b + 6), _MM_HINT_T0);
      _mm_prefetch((const char *)(block + b + 6) + 64, _MM_HINT_T0);
      sum += q4_k_block(block + b, x->q256 + b * 256, x->sums256 + b * 16, x->d256[b]);
    }
    y[row] = sum;
  }
}

static inline __m256i q6_k_codes(__m256i low, __m256i high) {
  __m256i top = _mm256_slli_epi16(_mm256_and_si256(high, _mm256_set1_epi8(3)), 4);
  return _mm256_or_si256(_mm256_and_si256(low, _mm256_set1_epi8(15)), top);
}

static inline __m256i q6_k_products(__m256i codes, const int8_t *q, const int8_t *scales) {
  __m256i dots = _mm256_dpbusd_epi32(_mm256_setzero_si256(), codes, load(q));
  return _mm256_mullo_epi32(dots, _mm256_set_m128i(_mm_set1_epi32(scales[1]), _mm_set1_epi32(scales[0])));
}

static inline float q6_k_block(const ck_q6_k *block, const int8_t *q, const int16_t *sums, float d) {
  __m256i total = _mm256_setzero_si256();
  for (int part = 0; part < 2; part++) {
    __m256i first = load(block->nibbles + part * 64), second = load(block->nibbles + part * 64 + 32);
    __m256i high = load(block->high_bits + part * 32);
    const int8_t *scales = block->scales + part * 8, *values = q + part * 128;
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

void matvec_q6_k_avx512(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                        int64_t end, int64_t columns) {
  for (int64_t row = begin; row < end; row++) {
    const ck_q6_k *block = (const ck_q6_k *)row_at(weights, row_bytes, row);
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
