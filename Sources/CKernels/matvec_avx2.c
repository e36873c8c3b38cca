// SPDX-License-Identifier: Apache-2.0
// Matrix-vector products for AVX2 + FMA + F16C: f32, f16, bf16, q8_0, q4_0, and the path that decodes to floats.
//
// Liberties against the portable twins: sums run in eight (or more) lanes and are added in another order; integer sums of
// a block are the same. Four rows run together, so that four streams keep memory busy and inputs are loaded once.
#if defined(__x86_64__)
#include <immintrin.h>
#include "rows.h"

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

static inline float sum_lanes(__m256 v) {
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

// Eight sums of four products each, of bytes a in 0...255 and signed bytes b, exact while |a·b| pairs stay below 2^15.
static inline __m256i dot_u8_i8(__m256i a, __m256i b) {
  return _mm256_madd_epi16(_mm256_maddubs_epi16(a, b), _mm256_set1_epi16(1));
}

static inline float half(uint16_t h) { return _cvtsh_ss(h); }

static inline const uint8_t *row_at(const void *weights, size_t row_bytes, int64_t row) {
  return (const uint8_t *)weights + (size_t)row * row_bytes;
}

static float dot_f32(const float *w, const float *x, int64_t n) {
  __m256 sums[4] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps()};
  int64_t i = 0;
  for (; i + 31 < n; i += 32) {
    for (int k = 0; k < 4; k++) {
      sums[k] = _mm256_fmadd_ps(_mm256_loadu_ps(w + i + 8 * k), _mm256_loadu_ps(x + i + 8 * k), sums[k]);
    }
  }
  float rest = 0;
  for (; i < n; i++) rest += w[i] * x[i];
  return sum_lanes(_mm256_add_ps(_mm256_add_ps(sums[0], sums[1]), _mm256_add_ps(sums[2], sums[3]))) + rest;
}

// Eight floats of a row from column i on, and one of them.
typedef struct { __m256 (*eight)(const void *row, int64_t i); float (*one)(const void *row, int64_t i); } float_format;

static inline __m256 eight_f32(const void *row, int64_t i) { return _mm256_loadu_ps((const float *)row + i); }
static inline float one_f32(const void *row, int64_t i) { return ((const float *)row)[i]; }
static inline __m256 eight_f16(const void *row, int64_t i) {
  return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)((const uint16_t *)row + i)));
}
static inline float one_f16(const void *row, int64_t i) { return half(((const uint16_t *)row)[i]); }
static inline __m256 eight_bf16(const void *row, int64_t i) {
  __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)((const uint16_t *)row + i)));
  return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
}
static inline float one_bf16(const void *row, int64_t i) {
  return _mm_cvtss_f32(_mm_castsi128_ps(_mm_cvtsi32_si128(((const uint16_t *)row)[i] << 16)));
}

static inline __attribute__((always_inline)) void float_rows(float_format format, int bytes, const uint8_t *weights,
                                                             size_t row_bytes, const float *x, float *y,
                                                             int64_t columns, int count) {
  __m256 sums[4][2] = {{_mm256_setzero_ps()}};
  int64_t i = 0;
  for (; i + 15 < columns; i += 16) {
    __m256 first = _mm256_loadu_ps(x + i), second = _mm256_loadu_ps(x + i + 8);
    for (int r = 0; r < count; r++) {
      const uint8_t *row = weights + (size_t)r * row_bytes;
      _mm_prefetch((const char *)row + i * bytes + 512, _MM_HINT_T0);
      sums[r][0] = _mm256_fmadd_ps(format.eight(row, i), first, sums[r][0]);
      sums[r][1] = _mm256_fmadd_ps(format.eight(row, i + 8), second, sums[r][1]);
    }
  }
  for (int r = 0; r < count; r++) {
    float rest = 0;
    for (int64_t k = i; k < columns; k++) rest += format.one(weights + (size_t)r * row_bytes, k) * x[k];
    y[r] = sum_lanes(_mm256_add_ps(sums[r][0], sums[r][1])) + rest;
  }
}

static inline __attribute__((always_inline)) void float_matvec(float_format format, int bytes, const void *weights,
                                                               size_t row_bytes, const float *x, float *y,
                                                               int64_t begin, int64_t end, int64_t columns) {
  int64_t row = begin;
  for (; row + 3 < end; row += 4) {
    float_rows(format, bytes, row_at(weights, row_bytes, row), row_bytes, x, y + row, columns, 4);
  }
  for (; row < end; row++) float_rows(format, bytes, row_at(weights, row_bytes, row), row_bytes, x, y + row, columns, 1);
}

void matvec_f32_avx2(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                     int64_t end, int64_t columns) {
  float_matvec((float_format){eight_f32, one_f32}, 4, weights, row_bytes, x->f32, y, begin, end, columns);
}

void matvec_f16_avx2(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                     int64_t end, int64_t columns) {
  float_matvec((float_format){eight_f16, one_f16}, 2, weights, row_bytes, x->f32, y, begin, end, columns);
}

void matvec_bf16_avx2(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                      int64_t end, int64_t columns) {
  float_matvec((float_format){eight_bf16, one_bf16}, 2, weights, row_bytes, x->f32, y, begin, end, columns);
}

// |w| · (x with w's sign): the unsigned operand that the instruction wants, and |−128| fits it. 128 · 127 · 2 < 2^15.
static inline __m256 q8_0_block(const ck_q8_0 *block, __m256i x, float d, __m256 sum) {
  __m256i w = _mm256_loadu_si256((const __m256i *)block->values);
  __m256i dots = dot_u8_i8(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w));
  return _mm256_fmadd_ps(_mm256_set1_ps(half(block->scale) * d), _mm256_cvtepi32_ps(dots), sum);
}

static inline void q8_0_rows(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t row,
                             int64_t columns, int count) {
  __m256 sums[4] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps()};
  for (int64_t b = 0; b < columns / 32; b++) {
    __m256i q = _mm256_loadu_si256((const __m256i *)(x->q32 + b * 32));
    for (int r = 0; r < count; r++) {
      const ck_q8_0 *block = (const ck_q8_0 *)row_at(weights, row_bytes, row + r) + b;
      _mm_prefetch((const char *)block + 1024, _MM_HINT_T0);
      sums[r] = q8_0_block(block, q, x->d32[b], sums[r]);
    }
  }
  for (int r = 0; r < count; r++) y[row + r] = sum_lanes(sums[r]);
}

void matvec_q8_0_avx2(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                      int64_t end, int64_t columns) {
  int64_t row = begin;
  for (; row + 3 < end; row += 4) q8_0_rows(weights, row_bytes, x, y, row, columns, 4);
  for (; row < end; row++) q8_0_rows(weights, row_bytes, x, y, row, columns, 1);
}

static inline __m256i nibbles_of(const uint8_t *bytes) {
  __m128i packed = _mm_loadu_si128((const __m128i *)bytes);
  __m256i both = _mm256_set_m128i(_mm_srli_epi16(packed, 4), packed);
  return _mm256_and_si256(both, _mm256_set1_epi8(15));
}

// Σ (q − 8) x = Σ q x − 8 Σ x: the second sum is known per block, times both scales.
static inline void q4_0_rows(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t row,
                             int64_t columns, int count) {
  __m256 sums[4] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps()};
  float offsets[4] = {0};
  for (int64_t b = 0; b < columns / 32; b++) {
    __m256i q = _mm256_loadu_si256((const __m256i *)(x->q32 + b * 32));
    for (int r = 0; r < count; r++) {
      const ck_q4_0 *block = (const ck_q4_0 *)row_at(weights, row_bytes, row + r) + b;
      _mm_prefetch((const char *)block + 1024, _MM_HINT_T0);
      float scale = half(block->scale);
      __m256i dots = dot_u8_i8(nibbles_of(block->nibbles), q);
      sums[r] = _mm256_fmadd_ps(_mm256_set1_ps(scale * x->d32[b]), _mm256_cvtepi32_ps(dots), sums[r]);
      offsets[r] += scale * x->s32[b];
    }
  }
  for (int r = 0; r < count; r++) y[row + r] = sum_lanes(sums[r]) - 8 * offsets[r];
}

void matvec_q4_0_avx2(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                      int64_t end, int64_t columns) {
  int64_t row = begin;
  for (; row + 3 < end; row += 4) q4_0_rows(weights, row_bytes, x, y, row, columns, 4);
  for (; row < end; row++) q4_0_rows(weights, row_bytes, x, y, row, columns, 1);
}

void matvec_decoded_avx2(ck_decoder decode, int64_t block_bytes, const void *weights, size_t row_bytes, const float *x,
                         float *y, int64_t begin, int64_t end, int64_t columns, int64_t block_elements) {
  float chunk[DECODE_CHUNK];
  for (int64_t row = begin; row < end; row++) {
    const uint8_t *blocks = row_at(weights, row_bytes, row);
    float sum = 0;
    for (int64_t k = 0; k < columns; k += DECODE_CHUNK) {
      int64_t count = columns - k < DECODE_CHUNK ? columns - k : DECODE_CHUNK;
      decode(blocks + k / block_elements * block_bytes, chunk, count);
      sum += dot_f32(chunk, x + k, count);
    }
    y[row] = sum;
  }
}

#pragma clang attribute pop
#endif
