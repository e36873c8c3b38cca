// SPDX-License-Identifier: Apache-2.0
// Products over interleaved rows: what each instruction set's files define.
#ifndef ANPROBE_PANELS_H
#define ANPROBE_PANELS_H
#include "rows.h"

// Weights are asked for twice ahead of their use: far enough to hide a memory access, into the second cache, and nearer into
// the first. Where a core runs another thread too, each has half the room to wait for the second cache in
// (docs/decisions/0049-asked-for-twice.md).
enum { FAR_AHEAD = 16384, NEAR_AHEAD = 4096 };

// Lines ahead of the one at p and of those behind it.
static inline __attribute__((always_inline)) void ask_for_lines(const uint8_t *p, int count) {
  for (int i = 0; i < count; i++) {
    __builtin_prefetch(p + FAR_AHEAD + i * 64, 0, 2);
    __builtin_prefetch(p + NEAR_AHEAD + i * 64, 0, 3);
  }
}

// The lines that begin in bytes from ..< to behind p.
static inline __attribute__((always_inline)) void ask_ahead(const uint8_t *p, int64_t from, int64_t to) {
  for (int64_t i = (from + 63) / 64 * 64; i < to; i += 64) ask_for_lines(p + i, 1);
}

// Tokens of a group in the portable row, of packed floats as of records.
enum { PORTABLE_GROUP = 4 };

// A chunk of row `r` of the panel that begins at `row`, for formats that are decoded row by row.
void ck_decode_panel_row(const ck_gemm *job, int64_t row, int64_t r, int64_t k, int64_t count, float *out);
void make_records_portable(const float *x, int64_t stride, int64_t tokens, int64_t columns, int64_t group_tokens,
                           int32_t *records, int64_t first_group, int64_t last_group);
void panel_matvec_portable(const ck_panel_job *job, int64_t begin, int64_t end);
void panel_gemm_portable(const ck_panel_job *job, int64_t begin, int64_t end);
#if defined(__x86_64__)
void make_records_avx2(const float *x, int64_t stride, int64_t tokens, int64_t columns, int64_t group_tokens,
                       int32_t *records, int64_t first_group, int64_t last_group);
void panel_matvec_avx2(const ck_panel_job *job, int64_t begin, int64_t end);
void panel_gemm_avx2(const ck_panel_job *job, int64_t begin, int64_t end);
void panel_few_avx2(const ck_panel_job *job, int64_t begin, int64_t end);
void make_words_avx2(const float *x, int64_t stride, int64_t tokens, int64_t columns, int32_t *words);
void gemm_words_avx2(const ck_gemm *job, int64_t begin, int64_t end);
void make_records_avx512(const float *x, int64_t stride, int64_t tokens, int64_t columns, int64_t group_tokens,
                         int32_t *records, int64_t first_group, int64_t last_group);
void make_wide_records_avx512(const float *x, int64_t stride, int64_t tokens, int64_t columns, int64_t group_tokens,
                              int32_t *records, int64_t first_group, int64_t last_group);
void panel_matvec_avx512(const ck_panel_job *job, int64_t begin, int64_t end);
void make_words_avx512(const float *x, int64_t stride, int64_t tokens, int64_t columns, int32_t *words);
void gemm_words_avx512(const ck_gemm *job, int64_t begin, int64_t end);
void gemm_panels_avx512(const ck_panel_job *job, int64_t begin, int64_t end); // formats of floats
void panel_few_avx512(const ck_panel_job *job, int64_t begin, int64_t end);
void panel_gemm_avx512(const ck_panel_job *job, int64_t begin, int64_t end);
void make_tiles_amx(const float *x, int64_t stride, int64_t tokens, int64_t columns, uint16_t *tiles);
void panel_tiles_amx(const ck_panel_job *job, int64_t begin, int64_t end);
float tile_peak_amx(const void *room, int64_t rounds, double *operations);
#endif

#endif
