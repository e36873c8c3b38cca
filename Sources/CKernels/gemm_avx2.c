// SPDX-License-Identifier: Apache-2.0
// Products of many tokens for AVX2 + FMA: Y[token][row] = X[token] · W[row].
//
//   for each panel of 64 rows, for each chunk of 256 columns:
//     decode the panel's chunk to floats, transposed to [column][16 rows] four times (64 KiB: stays in the second cache)
//     for each group of 6 tokens, for each 16 rows: 12 registers hold 6 × 16 sums; per column 2 loads, 6 broadcasts
// The sums of a chunk are added to Y, so that a column count of any multiple of the block works.
#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>
#include "kept_rows.h"
#include "panels.h"

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

#include "gemm_tile_avx2.h"

void pack_avx2(const float *x, int64_t stride, int64_t tokens, int64_t columns, float *packed, int64_t first_group,
               int64_t last_group) {
  for (int64_t group = first_group; group < last_group; group++) {
    float *out = packed + group * TILE_TOKENS * columns;
    for (int t = 0; t < TILE_TOKENS; t++) {
      int64_t token = group * TILE_TOKENS + t;
      const float *row = x + token * stride;
      for (int64_t k = 0; k < columns; k++) out[k * TILE_TOKENS + t] = token < tokens ? row[k] : 0;
    }
  }
}

static inline void multiply_tile(const float *tile, const float *x, int64_t count, __m256 sums[TILE_TOKENS][2]) {
  for (int64_t k = 0; k < count; k++) {
    __m256 low = _mm256_loadu_ps(tile + k * TILE_ROWS), high = _mm256_loadu_ps(tile + k * TILE_ROWS + 8);
#pragma clang loop unroll(full)
    for (int t = 0; t < TILE_TOKENS; t++) {
      __m256 value = _mm256_broadcast_ss(x + k * TILE_TOKENS + t);
      sums[t][0] = _mm256_fmadd_ps(low, value, sums[t][0]);
      sums[t][1] = _mm256_fmadd_ps(high, value, sums[t][1]);
    }
  }
}

static inline void store_tile(const ck_gemm *job, int64_t token, int64_t row, int64_t end, int is_first,
                              __m256 sums[TILE_TOKENS][2]) {
  for (int t = 0; t < TILE_TOKENS && token + t < job->tokens; t++) {
    float *y = job->y + (token + t) * job->y_stride + row;
    if (row + TILE_ROWS <= end) {
      __m256 low = is_first ? sums[t][0] : _mm256_add_ps(_mm256_loadu_ps(y), sums[t][0]);
      __m256 high = is_first ? sums[t][1] : _mm256_add_ps(_mm256_loadu_ps(y + 8), sums[t][1]);
      _mm256_storeu_ps(y, low);
      _mm256_storeu_ps(y + 8, high);
    } else {
      float values[TILE_ROWS];
      _mm256_storeu_ps(values, sums[t][0]);
      _mm256_storeu_ps(values + 8, sums[t][1]);
      for (int64_t r = 0; row + r < end; r++) y[r] = is_first ? values[r] : y[r] + values[r];
    }
  }
}

void gemm_avx2(const ck_gemm *job, int64_t begin, int64_t end) {
  if (job->words) return gemm_words_avx2(job, begin, end);
  float *panel = job->scratch, *decoded = job->scratch + PANEL_ROWS * DECODE_CHUNK;
  for (int64_t row = begin; row < end; row += PANEL_ROWS) {
    int64_t tiles = ((end - row < PANEL_ROWS ? end - row : PANEL_ROWS) + TILE_ROWS - 1) / TILE_ROWS;
    for (int64_t k = 0; k < job->columns; k += DECODE_CHUNK) {
      int64_t count = job->columns - k < DECODE_CHUNK ? job->columns - k : DECODE_CHUNK;
      for (int64_t tile = 0; tile < tiles; tile++) {
        load_tile(job, row + tile * TILE_ROWS, end, k, count, decoded, panel + tile * TILE_ROWS * DECODE_CHUNK);
      }
      for (int64_t token = 0; token < job->tokens; token += TILE_TOKENS) {
        const float *x = job->packed + (token / TILE_TOKENS * job->columns + k) * TILE_TOKENS;
        for (int64_t tile = 0; tile < tiles; tile++) {
          __m256 sums[TILE_TOKENS][2];
          for (int t = 0; t < TILE_TOKENS; t++) sums[t][0] = sums[t][1] = _mm256_setzero_ps();
          multiply_tile(panel + tile * TILE_ROWS * DECODE_CHUNK, x, count, sums);
          store_tile(job, token, row + tile * TILE_ROWS, end, k == 0, sums);
        }
      }
    }
  }
}

float multiply_add_peak_avx2(int64_t rounds, double *operations) {
  __m256 sums[12];
  __m256 factor = _mm256_set1_ps(0.999f), term = _mm256_set1_ps(0.001f);
  for (int k = 0; k < 12; k++) sums[k] = _mm256_set1_ps((float)k);
  for (int64_t i = 0; i < rounds; i++) {
    for (int k = 0; k < 12; k++) sums[k] = _mm256_fmadd_ps(sums[k], factor, term);
  }
  for (int k = 1; k < 12; k++) sums[0] = _mm256_add_ps(sums[0], sums[k]);
  *operations = (double)rounds * 12 * 16;
  return _mm256_cvtss_f32(sums[0]);
}

#pragma clang attribute pop
#endif
