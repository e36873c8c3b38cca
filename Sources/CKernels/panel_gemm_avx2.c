// SPDX-License-Identifier: Apache-2.0
// Products of many tokens over panels for AVX2: the structure of the AVX-512 twin, one panel and three tokens at a time.
#if defined(__x86_64__)
#include <string.h>
#include "panels.h"

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

#include "panel_words_avx2.h"
#include "panel_formats.h"
#include "panel_groups.h"
#include "panel_codebooks.h"
#include "panel_dots_avx2.h"

enum { PANELS = 4, CHUNK = 256, TOKENS = 6, AT_ONCE = 3, MOST_SCALES = CHUNK / 16 };

// A chunk of one panel.
typedef struct {
  vec codes[CHUNK / 4];
  floats scales[MOST_SCALES];
  floats minima[MOST_SCALES];
} panel_tile;

_Static_assert(PANELS * sizeof(panel_tile) <= GEMM_SCRATCH_BYTES, "the plan's scratch holds the tiles");

static inline __attribute__((always_inline)) void unpack(
    const panel_format *format, const uint8_t *block, int64_t groups, panel_tile *tile) {
  int in_block = format->elements / 32;
  for (int64_t first = 0; first < groups; first += in_block, block += format->bytes * CK_PANEL_ROWS) {
#pragma clang loop unroll(full)
    for (int g = 0; g < in_block; g++) {
      vec w[8];
      floats scale[2], minimum[2];
      format->codes(block, g, w);
      format->scales(block, g, scale, minimum);
      for (int j = 0; j < 8; j++) tile->codes[(first + g) * 8 + j] = prepared(format, w[j]);
      for (int half = 0; half < format->halves; half++) {
        int64_t at = (first + g) * format->halves + half;
        tile->scales[at] = scale[half];
        if (format->has_minima) tile->minima[at] = minimum[half];
      }
    }
  }
}

static inline __m256 broadcast_float(const int32_t *word) { return _mm256_broadcast_ss((const float *)word); }
static inline __m256i broadcast(const int32_t *word) { return _mm256_set1_epi32(*word); }

// Three tokens of a group times a panel's chunk.
static inline __attribute__((always_inline)) void multiply(
    const panel_format *format, const panel_tile *tile, const int32_t *record, int64_t groups, floats sums[AT_ONCE]) {
  int quads = 8 / format->halves, run = run_of(format) < quads ? run_of(format) : quads;
  for (int64_t part = 0; part < groups * format->halves; part++) {
    int half = format->halves == 2 ? (int)(part & 1) : 0;
    int offset = format->halves == 1 ? 4 : 5 + half, sum_line = format->halves == 1 ? 1 : 2 + half;
    const int32_t *values = record + (7 + half * 4) * TOKENS;
    vec dots[AT_ONCE];
    for (int t = 0; t < AT_ONCE; t++) dots[t] = all_lanes(start_of(format, record[offset * TOKENS + t]));
    for (int first = 0; first < quads; first += run) {
      vec total[AT_ONCE];
      for (int t = 0; t < AT_ONCE; t++) total[t] = all_lanes(0);
#pragma clang loop unroll(full)
      for (int j = first; j < first + run; j++) {
        vec w = tile->codes[part * quads + j];
        for (int t = 0; t < AT_ONCE; t++) {
          __m256i q = broadcast(values + j * TOKENS + t);
          total[t].low = _mm256_add_epi16(total[t].low, pairs(format->reach, w.low, q));
          total[t].high = _mm256_add_epi16(total[t].high, pairs(format->reach, w.high, q));
        }
      }
      for (int t = 0; t < AT_ONCE; t++) {
        dots[t] = pair(add_pairs(dots[t].low, total[t].low), add_pairs(dots[t].high, total[t].high));
      }
    }
    for (int t = 0; t < AT_ONCE; t++) {
      floats scaled = times(tile->scales[part], to_floats(dots[t]));
      __m256 d = broadcast_float(record + t), s = broadcast_float(record + sum_line * TOKENS + t);
      sums[t].low = _mm256_fmadd_ps(scaled.low, d, sums[t].low);
      sums[t].high = _mm256_fmadd_ps(scaled.high, d, sums[t].high);
      if (!format->has_minima) continue;
      sums[t].low = _mm256_fmadd_ps(tile->minima[part].low, s, sums[t].low);
      sums[t].high = _mm256_fmadd_ps(tile->minima[part].high, s, sums[t].high);
    }
    if (half == format->halves - 1) record += CK_RECORD_WORDS * TOKENS;
  }
}

static inline void store(const ck_panel_job *job, int64_t token, int64_t row, int is_first, floats sums[AT_ONCE]) {
  for (int t = 0; t < AT_ONCE && token + t < job->tokens; t++) {
    float *y = job->y + (token + t) * job->y_stride + row;
    __m256 low = is_first ? sums[t].low : _mm256_add_ps(_mm256_loadu_ps(y), sums[t].low);
    __m256 high = is_first ? sums[t].high : _mm256_add_ps(_mm256_loadu_ps(y + 8), sums[t].high);
    _mm256_storeu_ps(y, low);
    _mm256_storeu_ps(y + 8, high);
  }
}

// What the chunks before left there is read when this one is multiplied.
static inline void prefetch_sums(const ck_panel_job *job, int64_t token, int64_t row) {
  for (int t = 0; t < AT_ONCE && token + t < job->tokens; t++) {
    _mm_prefetch((const char *)(job->y + (token + t) * job->y_stride + row), _MM_HINT_T0);
  }
}

static inline __attribute__((always_inline)) void multiply_rows(
    const panel_format *format, const ck_panel_job *job, int64_t begin, int64_t end) {
  panel_tile *tiles = job->scratch;
  int64_t record_words = job->columns / 32 * CK_RECORD_WORDS, row_blocks = job->columns / format->elements;
  for (int64_t row = begin; row < end; row += PANELS * CK_PANEL_ROWS) {
    int64_t panels = (end - row) / CK_PANEL_ROWS < PANELS ? (end - row) / CK_PANEL_ROWS : PANELS;
    for (int64_t k = 0; k < job->columns; k += CHUNK) {
      int64_t groups = (job->columns - k < CHUNK ? job->columns - k : CHUNK) / 32;
      for (int64_t panel = 0; panel < panels; panel++) {
        int64_t block = (row + panel * CK_PANEL_ROWS) * row_blocks + k / format->elements * CK_PANEL_ROWS;
        unpack(format, (const uint8_t *)job->panels + block * format->bytes, groups, tiles + panel);
      }
      for (int64_t token = 0; token < job->tokens; token += AT_ONCE) {
        const int32_t *record = (const int32_t *)job->input + token / TOKENS * TOKENS * record_words
          + k / 32 * CK_RECORD_WORDS * TOKENS + token % TOKENS;
        for (int64_t panel = 0; panel < panels; panel++) {
          floats sums[AT_ONCE];
          for (int t = 0; t < AT_ONCE; t++) sums[t] = (floats){_mm256_setzero_ps(), _mm256_setzero_ps()};
          if (k > 0) prefetch_sums(job, token, row + panel * CK_PANEL_ROWS);
          multiply(format, tiles + panel, record, groups, sums);
          store(job, token, row + panel * CK_PANEL_ROWS, k == 0, sums);
        }
      }
    }
  }
}

static void multiply_floats(const ck_panel_job *job, int64_t begin, int64_t end) {
  ck_gemm gemm = {
    .weights = job->panels, .is_interleaved = 1, .panel_type = job->type, .decode = ck_decoder_of(&kernels_avx2, job->type),
    .packed = job->input, .tokens = job->tokens, .columns = job->columns, .y = job->y, .y_stride = job->y_stride,
    .scratch = job->scratch, .block_elements = 1, .block_bytes = ck_block_bytes(job->type),
  };
  gemm_avx2(&gemm, begin, end);
}

#define PRODUCT(type, format) case type: return multiply_rows(&format, job, begin, end);
void panel_gemm_avx2(const ck_panel_job *job, int64_t begin, int64_t end) {
  switch (job->type) {
    EACH_PANEL_FORMAT(PRODUCT)
    default: return multiply_floats(job, begin, end);
  }
}

#pragma clang attribute pop
#endif
