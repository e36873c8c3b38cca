// SPDX-License-Identifier: Apache-2.0
// Products with rows of which any weights are kept, for AVX-512: sixteen kept halves are widened and spread to the
// columns that the mask names, or the inputs of sixteen listed columns are gathered.
#if defined(__x86_64__)
#include <immintrin.h>
#include "kept_rows.h"

#pragma clang attribute push(                                                                 \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c,popcnt"))), apply_to = function)

enum { LANES = 16, AHEAD = 1024 };

// The weights of sixteen columns. Up to 32 bytes behind the row's last half are read, and left out.
static inline __m512 spread(uint32_t bits, const uint16_t *values) {
  return _mm512_maskz_expand_ps((__mmask16)bits, _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)values)));
}

static inline void prefetch(const void *p) {
  _mm_prefetch((const char *)p + AHEAD, _MM_HINT_T0);
  _mm_prefetch((const char *)p + AHEAD + 64, _MM_HINT_T0);
}

static inline float sum_of_four(const __m512 sums[4]) {
  return _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(sums[0], sums[1]), _mm512_add_ps(sums[2], sums[3])));
}

void matvec_mask_avx512(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                        int64_t end, int64_t columns) {
  for (int64_t row = begin; row < end; row++) {
    const uint8_t *bytes = kept_row(weights, row_bytes, row), *mask = kept_mask(bytes, row_bytes, columns);
    const uint16_t *value = (const uint16_t *)bytes;
    __m512 sums[4] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps()};
    for (int64_t k = 0; k < columns; k += 4 * LANES) {
      uint64_t word = mask_word(mask, k);
      prefetch(value);
      for (int part = 0; part < 4; part++) {
        uint32_t bits = (uint32_t)(word >> (LANES * part)) & 0xffff;
        sums[part] = _mm512_fmadd_ps(spread(bits, value), _mm512_loadu_ps(x->f32 + k + LANES * part), sums[part]);
        value += _mm_popcnt_u32(bits);
      }
    }
    y[row] = sum_of_four(sums);
  }
}

// Sixteen listed weights times their inputs, or the last ones of a row.
static inline __m512 listed(const uint16_t *values, const uint16_t *columns, __mmask16 lanes, const float *x,
                            __m512 sum) {
  __m512i places = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(lanes, columns));
  __m512 inputs = _mm512_mask_i32gather_ps(_mm512_setzero_ps(), lanes, places, x, 4);
  return _mm512_fmadd_ps(_mm512_cvtph_ps(_mm256_maskz_loadu_epi16(lanes, values)), inputs, sum);
}

void matvec_list_avx512(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                        int64_t end, int64_t columns) {
  (void)columns;
  int64_t entries = kept_entries(row_bytes);
  for (int64_t row = begin; row < end; row++) {
    const uint8_t *bytes = kept_row(weights, row_bytes, row);
    const uint16_t *value = (const uint16_t *)bytes, *column = kept_columns(bytes, row_bytes);
    __m512 sums[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()};
    int64_t i = 0;
    for (; i + 2 * LANES <= entries; i += 2 * LANES) {
      prefetch(value + i);
      prefetch(column + i);
      for (int part = 0; part < 2; part++) {
        sums[part] = listed(value + i + LANES * part, column + i + LANES * part, 0xffff, x->f32, sums[part]);
      }
    }
    for (; i < entries; i += LANES) {
      int64_t left = entries - i;
      __mmask16 lanes = left >= LANES ? 0xffff : (__mmask16)((1u << left) - 1);
      sums[0] = listed(value + i, column + i, lanes, x->f32, sums[0]);
    }
    y[row] = _mm512_reduce_add_ps(_mm512_add_ps(sums[0], sums[1]));
  }
}

void decode_kept_avx512(int type, const void *row, size_t row_bytes, int64_t columns, int64_t first, int64_t count,
                        float *out) {
  if (type != CK_KEPT_MASK) return decode_kept_avx2(type, row, row_bytes, columns, first, count, out);
  const uint8_t *mask = kept_mask(row, row_bytes, columns);
  const uint16_t *value = (const uint16_t *)row + kept_before(mask, first);
  for (int64_t k = 0; k < count; k += 4 * LANES) {
    uint64_t word = mask_word(mask, first + k);
    for (int part = 0; part < 4; part++) {
      uint32_t bits = (uint32_t)(word >> (LANES * part)) & 0xffff;
      _mm512_storeu_ps(out + k + LANES * part, spread(bits, value));
      value += _mm_popcnt_u32(bits);
    }
  }
}

#pragma clang attribute pop
#endif
