// SPDX-License-Identifier: Apache-2.0
// Products of a few tokens over panels for AVX2: a panel's group is unpacked once for all of them, then each token's sums are
// those of one token alone, in the same order.
#if defined(__x86_64__)
#include <string.h>
#include "panels.h"

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

#include "panel_words_avx2.h"
#include "panel_formats.h"
#include "panel_groups.h"
#include "panel_codebooks.h"
#include "panel_group_avx2.h"

enum { MOST_TOKENS = 8, MOST_FLOAT_TOKENS = 6 };

// One block of a panel times the records of T tokens.
static inline __attribute__((always_inline)) void add_block(
    const panel_format *format, const uint8_t *block, const int32_t *record, int T, floats sums[MOST_TOKENS]) {
  int groups = format->elements / 32;
  int64_t bytes = format->bytes * CK_PANEL_ROWS / groups;
  block_sums parts[MOST_TOKENS];
  for (int t = 0; t < T; t++) parts[t] = (block_sums){zero(), zero()};
#pragma clang loop unroll(disable)
  for (int group = 0; group < groups; group++, record += CK_RECORD_WORDS * T) {
    unpacked_group unpacked;
    ask_ahead(block, group * bytes, (group + 1) * bytes);
    unpack(format, block, group, &unpacked);
#pragma clang loop unroll(disable)
    for (int t = 0; t < T; t++) {
      if (whole_scales_of(format)) add_whole_group(format, &unpacked, record + t, T, parts + t);
      else sums[t] = add_group(format, &unpacked, record + t, T, sums[t]);
    }
  }
  for (int t = 0; t < T && whole_scales_of(format); t++) sums[t] = add_whole_block(format, block, parts[t], sums[t]);
}

static inline __attribute__((always_inline)) void multiply(
    const panel_format *format, const ck_panel_job *job, int64_t begin, int64_t end) {
  int T = (int)ck_few_group(job->tokens);
  int64_t blocks = job->columns / format->elements, block_bytes = format->bytes * CK_PANEL_ROWS;
  int64_t block_words = format->elements / 32 * CK_RECORD_WORDS * T;
  for (int64_t row = begin; row < end; row += CK_PANEL_ROWS) {
    const uint8_t *panel = (const uint8_t *)job->panels + row / CK_PANEL_ROWS * blocks * block_bytes;
    for (int64_t token = 0; token < job->tokens; token += T) {
      const int32_t *records = (const int32_t *)job->input + token / T * blocks * block_words;
      floats sums[MOST_TOKENS];
      for (int t = 0; t < T; t++) sums[t] = zero();
      for (int64_t b = 0; b < blocks; b++) add_block(format, panel + b * block_bytes, records + b * block_words, T, sums);
      for (int t = 0; t < T && token + t < job->tokens; t++) store(job->y + (token + t) * job->y_stride + row, sums[t]);
    }
  }
}

// One of the four sums that a token alone has, of T tokens: the columns from `first` on, every fourth. Four passes over a panel
// that lies in the second cache keep them in registers, which all four at once would not.
static inline __attribute__((always_inline)) void add_columns(
    int type, const ck_panel_job *job, const uint8_t *w, int64_t first, const float *x, int T, floats out[MOST_FLOAT_TOKENS]) {
  int64_t step = type == CK_F32 ? 64 : 32;
  floats sums[MOST_FLOAT_TOKENS];
  for (int t = 0; t < T; t++) sums[t] = zero();
  for (int64_t k = first; k < job->columns / 4 * 4; k += 4) {
    floats weight = floats_at(w + k * step, type);
    if (first % 2 == 0) ask_ahead(w, k * step, (k + 2) * step);
#pragma clang loop unroll(full)
    for (int t = 0; t < T; t++) sums[t] = fused(weight, _mm256_broadcast_ss(x + t * job->columns + k), sums[t]);
  }
  for (int64_t k = job->columns / 4 * 4; first == 0 && k < job->columns; k++) {
    floats weight = floats_at(w + k * step, type);
    for (int t = 0; t < T; t++) sums[t] = fused(weight, _mm256_broadcast_ss(x + t * job->columns + k), sums[t]);
  }
  for (int t = 0; t < T; t++) out[t] = sums[t];
}

static inline __attribute__((always_inline)) void multiply_float_panel(
    int type, const ck_panel_job *job, const uint8_t *w, int64_t token, int64_t row, int T) {
  floats sums[4][MOST_FLOAT_TOKENS];
  __m256 one = _mm256_set1_ps(1);
  for (int i = 0; i < 4; i++) {
    add_columns(type, job, w, i, (const float *)job->input + token * job->columns, T, sums[i]);
  }
  for (int t = 0; t < T; t++) {
    floats sum = fused(fused(sums[0][t], one, sums[1][t]), one, fused(sums[2][t], one, sums[3][t]));
    store(job->y + (token + t) * job->y_stride + row, sum);
  }
}

static inline __attribute__((always_inline)) void multiply_floats(
    int type, const ck_panel_job *job, int64_t begin, int64_t end) {
  int64_t panel_bytes = job->columns * (type == CK_F32 ? 64 : 32);
  for (int64_t row = begin; row < end; row += CK_PANEL_ROWS) {
    const uint8_t *panel = (const uint8_t *)job->panels + row / CK_PANEL_ROWS * panel_bytes;
    int64_t token = 0;
    for (; token + 5 < job->tokens; token += 6) multiply_float_panel(type, job, panel, token, row, 6);
    for (; token + 1 < job->tokens; token += 2) multiply_float_panel(type, job, panel, token, row, 2);
    if (token < job->tokens) multiply_float_panel(type, job, panel, token, row, 1);
  }
}

#define FEW(type, format) case type: return multiply(&format, job, begin, end);
void panel_few_avx2(const ck_panel_job *job, int64_t begin, int64_t end) {
  switch (job->type) {
    case CK_F32: return multiply_floats(CK_F32, job, begin, end);
    case CK_F16: return multiply_floats(CK_F16, job, begin, end);
    case CK_BF16: return multiply_floats(CK_BF16, job, begin, end);
    EACH_PANEL_FORMAT(FEW)
  }
}

#pragma clang attribute pop
#endif
