// SPDX-License-Identifier: Apache-2.0
// The products of queries with a tile's keys for AVX-512: of a few along the rows, of many with transposed keys.
#ifndef ANPROBE_ATTENTION_SCORES_AVX512_H
#define ANPROBE_ATTENTION_SCORES_AVX512_H
#include "attention_tile_avx512.h"

// Lane i of the result is the sum of the lanes of v[i]: four rounds, each halving the vectors and doubling their lanes.
static inline __m512 sums_of(__m512 v[LANES]) {
  for (int i = 0; i < 8; i++) { // pairs (i, i + 8): the low lanes of one beside those of the other
    __m512 low = _mm512_shuffle_f32x4(v[i], v[i + 8], 0x44), high = _mm512_shuffle_f32x4(v[i], v[i + 8], 0xee);
    v[i] = _mm512_add_ps(low, high);
  }
  for (int i = 0; i < 4; i++) {
    __m512 low = _mm512_shuffle_f32x4(v[i], v[i + 4], 0x88), high = _mm512_shuffle_f32x4(v[i], v[i + 4], 0xdd);
    v[i] = _mm512_add_ps(low, high);
  }
  for (int i = 0; i < 2; i++) {
    __m512 low = _mm512_unpacklo_ps(v[i], v[i + 2]), high = _mm512_unpackhi_ps(v[i], v[i + 2]);
    v[i] = _mm512_add_ps(low, high);
  }
  __m512 low = _mm512_unpacklo_ps(v[0], v[1]), high = _mm512_unpackhi_ps(v[0], v[1]);
  __m512 sums = _mm512_add_ps(low, high);
  // 128-bit lane L holds the rows r, r + 1, r + 2, r + 3 for r of 0, 8, 4, 12.
  return _mm512_shuffle_f32x4(sums, sums, 0xd8);
}

// Sixteen positions' products with one query.
static inline __m512 scores_of(const float *query, const float *keys, int64_t width) {
  __m512 sums[LANES];
  for (int p = 0; p < LANES; p++) sums[p] = _mm512_setzero_ps();
  for (int64_t k = 0; k < width; k += LANES) {
    __m512 q = _mm512_loadu_ps(query + k);
#pragma clang loop unroll(full)
    for (int p = 0; p < LANES; p++) sums[p] = _mm512_fmadd_ps(q, _mm512_loadu_ps(keys + p * width + k), sums[p]);
  }
  return sums_of(sums);
}

// The products of a tile's positions with a few queries, by transposed keys.
static inline __attribute__((always_inline)) void score_columns(
    const ck_attention *job, int64_t first, int queries, const float *columns, query_state *states) {
  const float *query[8];
  __m512 low[8], high[8];
  for (int q = 0; q < queries; q++) {
    query[q] = job->queries + states[first + q].offset;
    low[q] = high[q] = _mm512_setzero_ps();
  }
  for (int64_t k = 0; k < job->width; k++) {
    __m512 a = _mm512_loadu_ps(columns + k * TILE), b = _mm512_loadu_ps(columns + k * TILE + LANES);
#pragma clang loop unroll(full)
    for (int q = 0; q < queries; q++) {
      __m512 x = _mm512_set1_ps(query[q][k]);
      low[q] = _mm512_fmadd_ps(x, a, low[q]);
      high[q] = _mm512_fmadd_ps(x, b, high[q]);
    }
  }
  for (int q = 0; q < queries; q++) {
    _mm512_storeu_ps(states[first + q].scores, low[q]);
    _mm512_storeu_ps(states[first + q].scores + LANES, high[q]);
  }
}

static void score_many(const ck_attention *job, const float *columns, query_state *states) {
  int64_t i = 0;
  for (; i + 8 <= job->count; i += 8) score_columns(job, i, 8, columns, states);
  for (; i + 2 <= job->count; i += 2) score_columns(job, i, 2, columns, states);
  if (i < job->count) score_columns(job, i, 1, columns, states);
}

static void score_few(const ck_attention *job, const float *keys, query_state *states) {
  for (int64_t i = 0; i < job->count; i++) {
    const float *query = job->queries + states[i].offset;
    for (int part = 0; part < TILE; part += LANES) {
      _mm512_storeu_ps(states[i].scores + part, scores_of(query, keys + part * job->width, job->width));
    }
  }
}

#endif
