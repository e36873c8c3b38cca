// SPDX-License-Identifier: Apache-2.0
// Weights of 32 rows on their way to products of many tokens as floats, for AVX-512, and where the sums go.
#ifndef ANPROBE_GEMM_TILE_AVX512_H
#define ANPROBE_GEMM_TILE_AVX512_H
#include <immintrin.h>
#include "kept_rows.h"
#include "panels.h"
#include "panel_words_avx512.h"
#include "panel_fp8.h"
#include "decoded_rows_avx2.h"

enum { PANEL_ROWS = 64, TILE_ROWS = 32, HALF_TILE = 16, TILE_TOKENS = 12 };

static inline __m512 floats_at(const void *p, int type) {
  if (type == CK_F32) return _mm512_loadu_ps(p);
  if (type == CK_F16) return _mm512_cvtph_ps(_mm256_loadu_si256(p));
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256(p)), 16));
}

// Panels of 8-bit floats, whose blocks have scales.
static void load_fp8_panel(const ck_gemm *job, int64_t row, int64_t k, int64_t count, float *tile) {
  for (int64_t i = 0; i < count; i++) {
    const uint8_t *block = fp8_block(job->weights, job->columns, row, k + i);
    _mm512_storeu_ps(tile + i * TILE_ROWS, _mm512_mul_ps(fp8_at(block, (k + i) % FP8_COLUMNS), halves_at(block)));
  }
}

// A panel of floats is in the tile's order already.
static void load_panel(const ck_gemm *job, int64_t row, int64_t k, int64_t count, float *tile) {
  if (job->panel_type == CK_FP8) return load_fp8_panel(job, row, k, count, tile);
  int64_t step = job->block_bytes * HALF_TILE;
  const uint8_t *w = (const uint8_t *)job->weights + row * job->columns * job->block_bytes + k * step;
  for (int64_t i = 0; i < count; i++) {
    _mm512_storeu_ps(tile + i * TILE_ROWS, floats_at(w + i * step, job->panel_type));
  }
}

// Sixteen rows' chunk, decoded and transposed into half of a [column][32] tile; missing rows are zero.
static void load_half_tile(const ck_gemm *job, int64_t row, int64_t end, int64_t k, int64_t count, float *decoded,
                      float *tile) {
  int is_sparse = job->is_interleaved && ck_block_elements(job->panel_type) == 32;
  if (job->is_interleaved && row < end && !is_sparse) return load_panel(job, row, k, count, tile);
  load_decoded_rows(job, decode_kept_avx512, row, end, k, count, decoded, tile, TILE_ROWS);
}

// What the chunks before left there is read when this one is multiplied.
static inline void prefetch_sums(const ck_gemm *job, int64_t token, int64_t row) {
  for (int t = 0; t < TILE_TOKENS && token + t < job->tokens; t++) {
    const float *y = job->y + (token + t) * job->y_stride + row;
    _mm_prefetch((const char *)y, _MM_HINT_T0);
    _mm_prefetch((const char *)(y + HALF_TILE), _MM_HINT_T0);
  }
}

static inline __mmask16 lanes_left(int64_t count) {
  return count >= 16 ? 0xffff : count <= 0 ? 0 : (__mmask16)((1u << count) - 1);
}

#endif
