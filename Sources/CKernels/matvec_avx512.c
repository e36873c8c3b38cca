// SPDX-License-Identifier: Apache-2.0
// Products of one vector with rows of floats in the file's order for AVX-512. Rows of codes take the AVX2 twins, which
// sixteen lanes do not outrun: a block is unpacked by itself there.
#if defined(__x86_64__)
#include <immintrin.h>
#include "matvec_avx512.h"

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c"))), apply_to = function)

static inline const uint8_t *row_at(const void *weights, size_t row_bytes, int64_t row) {
  return (const uint8_t *)weights + (size_t)row * row_bytes;
}

// Lanes below `count` (at most sixteen) of a row's end.
static inline __mmask16 first_lanes(int64_t count) { return count >= 16 ? 0xffff : (__mmask16)((1u << count) - 1); }

// Sixteen floats of a row from column i on; lanes beyond its end are zeros.
typedef __m512 (*float_loader)(const void *row, int64_t i, __mmask16 lanes);

static inline __m512 load_f32(const void *row, int64_t i, __mmask16 lanes) {
  return _mm512_maskz_loadu_ps(lanes, (const float *)row + i);
}
static inline __m512 load_f16(const void *row, int64_t i, __mmask16 lanes) {
  return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(lanes, (const uint16_t *)row + i));
}
static inline __m512 load_bf16(const void *row, int64_t i, __mmask16 lanes) {
  __m512i wide = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(lanes, (const uint16_t *)row + i));
  return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}

// Rows of floats at once: each is a stream of its own to the memory, which one stream leaves half idle. Fetched ahead
// by half a kilobyte, beyond which the pages of a mapped file, of four kilobytes each, gain nothing.
enum { ROW_STREAMS = 8, FETCHED_AHEAD = 512 };

static inline __attribute__((always_inline)) void float_rows(float_loader values, int bytes, const uint8_t *weights,
                                                             size_t row_bytes, const float *x, float *y,
                                                             int64_t columns, int count) {
  __m512 sums[ROW_STREAMS];
  for (int r = 0; r < count; r++) sums[r] = _mm512_setzero_ps();
  int64_t i = 0;
  for (; i + 31 < columns; i += 32) {
    __m512 first = _mm512_loadu_ps(x + i), second = _mm512_loadu_ps(x + i + 16);
    for (int r = 0; r < count; r++) {
      const uint8_t *row = weights + (size_t)r * row_bytes;
      for (int line = 0; line < 32 * bytes; line += 64) {
        _mm_prefetch((const char *)row + i * bytes + line + FETCHED_AHEAD, _MM_HINT_T0);
      }
      sums[r] = _mm512_fmadd_ps(values(row, i, 0xffff), first, sums[r]);
      sums[r] = _mm512_fmadd_ps(values(row, i + 16, 0xffff), second, sums[r]);
    }
  }
  for (; i < columns; i += 16) {
    __mmask16 lanes = first_lanes(columns - i);
    __m512 rest = _mm512_maskz_loadu_ps(lanes, x + i);
    for (int r = 0; r < count; r++) {
      sums[r] = _mm512_fmadd_ps(values(weights + (size_t)r * row_bytes, i, lanes), rest, sums[r]);
    }
  }
  for (int r = 0; r < count; r++) y[r] = _mm512_reduce_add_ps(sums[r]);
}

static inline __attribute__((always_inline)) void float_matvec(float_loader values, int bytes, const void *weights,
                                                               size_t row_bytes, const float *x, float *y,
                                                               int64_t begin, int64_t end, int64_t columns) {
  int64_t row = begin;
  for (; row + ROW_STREAMS <= end; row += ROW_STREAMS) {
    float_rows(values, bytes, row_at(weights, row_bytes, row), row_bytes, x, y + row, columns, ROW_STREAMS);
  }
  for (; row < end; row++) float_rows(values, bytes, row_at(weights, row_bytes, row), row_bytes, x, y + row, columns, 1);
}

void matvec_f32_avx512(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                       int64_t end, int64_t columns) {
  float_matvec(load_f32, 4, weights, row_bytes, x->f32, y, begin, end, columns);
}

void matvec_f16_avx512(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                       int64_t end, int64_t columns) {
  float_matvec(load_f16, 2, weights, row_bytes, x->f32, y, begin, end, columns);
}

void matvec_bf16_avx512(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                        int64_t end, int64_t columns) {
  float_matvec(load_bf16, 2, weights, row_bytes, x->f32, y, begin, end, columns);
}

#pragma clang attribute pop
#endif
