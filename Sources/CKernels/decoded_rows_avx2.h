// SPDX-License-Identifier: Apache-2.0
// A chunk of sixteen rows that are in no tile's order: decoded row by row, then transposed to [column][stride].
#ifndef ANPROBE_DECODED_ROWS_AVX2_H
#define ANPROBE_DECODED_ROWS_AVX2_H
#include <immintrin.h>
#include "kept_rows.h"
#include "panels.h"
#include "transpose_avx2.h"

static inline void transpose_8x8(const float *in, float *out, int64_t stride) {
  __m256 r[8];
  for (int i = 0; i < 8; i++) r[i] = _mm256_loadu_ps(in + i * DECODE_CHUNK);
  transpose_eight(r);
  for (int i = 0; i < 8; i++) _mm256_storeu_ps(out + i * stride, r[i]);
}

// Rows in the file's order, or of a panel of sparse rows; those behind the last one are zero. decoded holds 16 chunks.
static inline void load_decoded_rows(const ck_gemm *job, kept_decoder kept, int64_t row, int64_t end, int64_t k,
                                     int64_t count, float *decoded, float *tile, int64_t stride) {
  for (int r = 0; r < CK_PANEL_ROWS; r++) {
    float *out = decoded + r * DECODE_CHUNK;
    if (row + r >= end) {
      for (int64_t i = 0; i < count; i++) out[i] = 0;
    } else if (job->is_interleaved) {
      ck_decode_panel_row(job, row, r, k, count, out);
    } else {
      decode_chunk(job, kept, row + r, k, count, out);
    }
  }
  int64_t i = 0;
  for (; i + 7 < count; i += 8) {
    transpose_8x8(decoded + i, tile + i * stride, stride);
    transpose_8x8(decoded + 8 * DECODE_CHUNK + i, tile + i * stride + 8, stride);
  }
  for (; i < count; i++) {
    for (int r = 0; r < CK_PANEL_ROWS; r++) tile[i * stride + r] = decoded[r * DECODE_CHUNK + i];
  }
}

#endif
