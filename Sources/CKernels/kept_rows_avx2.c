// SPDX-License-Identifier: Apache-2.0
// Products with rows of which any weights are kept, for AVX2: a table says for each eight bits of the mask which of the
// next eight halves every column takes.
#if defined(__x86_64__)
#include <immintrin.h>
#include "kept_rows.h"

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,popcnt"))), apply_to = function)

enum { LANES = 8, AHEAD = 1024 };

// A byte for each column: the number of kept columns in front of it, or the sign bit where it is none of them.
#define ONES(b) (((b) & 1) + ((b) >> 1 & 1) + ((b) >> 2 & 1) + ((b) >> 3 & 1) + ((b) >> 4 & 1) + ((b) >> 5 & 1) + ((b) >> 6 & 1))
#define PLACE(b, i) (uint64_t)((b) >> (i) & 1 ? ONES((b) & ((1 << (i)) - 1)) : 0x80) << (8 * (i))
#define PLACES(b) \
  PLACE(b, 0) | PLACE(b, 1) | PLACE(b, 2) | PLACE(b, 3) | PLACE(b, 4) | PLACE(b, 5) | PLACE(b, 6) | PLACE(b, 7)
#define PLACES4(b) PLACES(b), PLACES((b) + 1), PLACES((b) + 2), PLACES((b) + 3)
#define PLACES16(b) PLACES4(b), PLACES4((b) + 4), PLACES4((b) + 8), PLACES4((b) + 12)
#define PLACES64(b) PLACES16(b), PLACES16((b) + 16), PLACES16((b) + 32), PLACES16((b) + 48)
static const uint64_t places_of[256] = {PLACES64(0), PLACES64(64), PLACES64(128), PLACES64(192)};

// The weights of eight columns. Up to 16 bytes behind the row's last half are read, and left out.
static inline __m256 spread(uint32_t bits, const uint16_t *values) {
  __m256i places = _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)&places_of[bits]));
  __m256 kept = _mm256_permutevar8x32_ps(_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)values)), places);
  return _mm256_andnot_ps(_mm256_castsi256_ps(_mm256_srai_epi32(places, 31)), kept);
}

static inline float sum_lanes(__m256 v) {
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

void matvec_mask_avx2(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                      int64_t end, int64_t columns) {
  for (int64_t row = begin; row < end; row++) {
    const uint8_t *bytes = kept_row(weights, row_bytes, row), *mask = kept_mask(bytes, row_bytes, columns);
    const uint16_t *value = (const uint16_t *)bytes;
    __m256 sums[4] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps()};
    for (int64_t k = 0; k < columns; k += 4 * LANES) {
      _mm_prefetch((const char *)value + AHEAD, _MM_HINT_T0);
      for (int part = 0; part < 4; part++) {
        uint32_t bits = mask[k / 8 + part];
        sums[part] = _mm256_fmadd_ps(spread(bits, value), _mm256_loadu_ps(x->f32 + k + LANES * part), sums[part]);
        value += _mm_popcnt_u32(bits);
      }
    }
    y[row] = sum_lanes(_mm256_add_ps(_mm256_add_ps(sums[0], sums[1]), _mm256_add_ps(sums[2], sums[3])));
  }
}

void matvec_list_avx2(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                      int64_t end, int64_t columns) {
  (void)columns;
  int64_t entries = kept_entries(row_bytes);
  for (int64_t row = begin; row < end; row++) {
    const uint8_t *bytes = kept_row(weights, row_bytes, row);
    const uint16_t *value = (const uint16_t *)bytes, *column = kept_columns(bytes, row_bytes);
    __m256 sum = _mm256_setzero_ps();
    float rest = 0;
    int64_t i = 0;
    for (; i + LANES <= entries; i += LANES) {
      __m256i places = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(column + i)));
      __m256 weight = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(value + i)));
      sum = _mm256_fmadd_ps(weight, _mm256_i32gather_ps(x->f32, places, 4), sum);
    }
    for (; i < entries; i++) rest += _cvtsh_ss(value[i]) * x->f32[column[i]];
    y[row] = sum_lanes(sum) + rest;
  }
}

static void decode_list(const uint8_t *row, size_t row_bytes, int64_t first, int64_t count, float *out) {
  int64_t entries = kept_entries(row_bytes);
  const uint16_t *value = (const uint16_t *)row, *column = kept_columns(row, row_bytes);
  for (int64_t k = 0; k < count; k++) out[k] = 0;
  for (int64_t i = first_entry(column, entries, first); i < entries && column[i] < first + count; i++) {
    out[column[i] - first] += _cvtsh_ss(value[i]);
  }
}

void decode_kept_avx2(int type, const void *row, size_t row_bytes, int64_t columns, int64_t first, int64_t count,
                      float *out) {
  if (type != CK_KEPT_MASK) return decode_list(row, row_bytes, first, count, out);
  const uint8_t *mask = kept_mask(row, row_bytes, columns);
  const uint16_t *value = (const uint16_t *)row + kept_before(mask, first);
  for (int64_t k = 0; k < count; k += LANES) {
    uint32_t bits = mask[(first + k) / 8];
    _mm256_storeu_ps(out + k, spread(bits, value));
    value += _mm_popcnt_u32(bits);
  }
}

#pragma clang attribute pop
#endif
