// SPDX-License-Identifier: Apache-2.0
// Weights of sixteen rows on their way to products of many tokens as floats, for AVX2.
#ifndef ANPROBE_GEMM_TILE_AVX2_H
#define ANPROBE_GEMM_TILE_AVX2_H
#include "panel_words_avx2.h"
#include "panel_fp8.h"
#include "decoded_rows_avx2.h"

enum { PANEL_ROWS = 64, TILE_ROWS = 16, TILE_TOKENS = 6 };

// A panel of 8-bit floats, whose blocks have scales, is in the tile's order otherwise.
static inline void load_fp8_tile(const ck_gemm *job, int64_t row, int64_t k, int64_t count, float *tile) {
  for (int64_t i = 0; i < count; i++) {
    const uint8_t *block = fp8_block(job->weights, job->columns, row, k + i);
    floats w = times(fp8_at(block, (k + i) % FP8_COLUMNS), halves_at(block));
    _mm256_storeu_ps(tile + i * TILE_ROWS, w.low);
    _mm256_storeu_ps(tile + i * TILE_ROWS + 8, w.high);
  }
}

// Sixteen rows' chunk, decoded and transposed to [column][16]; missing rows are zero.
static inline void load_tile(const ck_gemm *job, int64_t row, int64_t end, int64_t k, int64_t count, float *decoded,
                      float *tile) {
  if (job->is_interleaved && job->panel_type == CK_FP8) return load_fp8_tile(job, row, k, count, tile);
  int is_sparse = job->is_interleaved && ck_block_elements(job->panel_type) == 32;
  if (job->is_interleaved && !is_sparse) { // a panel of floats is in the tile's order already
    const uint8_t *panel = (const uint8_t *)job->weights + (row * job->columns + k * TILE_ROWS) * job->block_bytes;
    return job->decode(panel, tile, count * TILE_ROWS);
  }
  load_decoded_rows(job, decode_kept_avx2, row, end, k, count, decoded, tile, TILE_ROWS);
}

#endif
