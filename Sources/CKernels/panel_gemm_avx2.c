// SPDX-License-Identifier: Apache-2.0
// Products of many tokens over panels for AVX2.
//
//   for each 64 rows, for each chunk of 256 columns:
//     unpack the chunk of four panels to codes and scales (24 KiB: they stay in the first cache)
//     for each group of six tokens, for each panel:
//       twelve registers hold sums of 6 × 16 products in 16 bits; per four columns 2 loads, 6 broadcasts
// Sums of several chunks wait in the scratch.
#if defined(__x86_64__)
#include <string.h>
#include "panels.h"

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

#include "panel_words_avx2.h"
#include "panel_formats.h"
#include "panel_groups.h"
#include "panel_codebooks.h"
#include "panel_dots_avx2.h"
#include "panel_whole_avx2.h"

enum { PANELS = 4, CHUNK = 256, TOKENS = 6, MOST_SCALES = CHUNK / 16 };

// A chunk of one panel. Whole scales are those of one block, multiples of its unit; what the codes' offset subtracts is a
// minimum then.
typedef struct {
  vec codes[CHUNK / 4];
  union { floats scales[MOST_SCALES]; vec whole[MOST_SCALES]; };
  floats minima[MOST_SCALES];
  floats unit;
} panel_tile;

// Of a group of tokens with one panel.
typedef struct { floats tokens[TOKENS]; } group_sums;

typedef struct {
  panel_tile tiles[PANELS];
  group_sums kept[KEPT_TOKENS / TOKENS][PANELS];
} panel_scratch;

_Static_assert(KEPT_TOKENS % TOKENS == 0 && sizeof(panel_scratch) <= GEMM_SCRATCH_BYTES, "the plan's scratch holds it");

static inline int has_shifts(const panel_format *format) { return format->has_minima || !starts_in_sums(format); }

static inline __attribute__((always_inline)) void unpack_group(
    const panel_format *format, const whole_scales *whole, const uint8_t *block, int group, int64_t at, panel_tile *tile) {
  vec w[8];
  floats scale[2], minimum[2];
  format->codes(block, group, w);
  for (int j = 0; j < 8; j++) tile->codes[at * 8 + j] = prepared(format, w[j]);
  if (!whole || has_shifts(format)) format->scales(block, group, scale, minimum);
  for (int half = 0; half < format->halves; half++) {
    int64_t part = at * format->halves + half;
    if (format->has_minima) tile->minima[part] = minimum[half];
    if (!whole) {
      tile->scales[part] = scale[half];
      continue;
    }
    tile->whole[part] = whole->scale(block, group, half);
    if (!format->has_minima && has_shifts(format)) {
      tile->minima[part] = times(scale[half], all_floats(-(float)offset_of(format)));
    }
  }
}

static inline __attribute__((always_inline)) void unpack(
    const panel_format *format, const uint8_t *block, int64_t groups, panel_tile *tile) {
  int in_block = format->elements / 32;
  const whole_scales *whole = whole_scales_of(format);
  if (whole) tile->unit = whole->unit(block);
  for (int64_t first = 0; first < groups; first += in_block, block += format->bytes * CK_PANEL_ROWS) {
    if (format->looks_up) {
#pragma clang loop unroll(disable)
      for (int g = 0; g < in_block; g++) unpack_group(format, whole, block, g, first + g, tile);
    } else {
#pragma clang loop unroll(full)
      for (int g = 0; g < in_block; g++) unpack_group(format, whole, block, g, first + g, tile);
    }
  }
}

static inline __m256 broadcast_float(const int32_t *word) { return _mm256_broadcast_ss((const float *)word); }
static inline __m256i broadcast(const int32_t *word) { return _mm256_set1_epi32(*word); }

// A half of a group of columns times `tokens` tokens, added to sums of 32 bits: pairs of sums of 16 bits times `factor`.
static inline __attribute__((always_inline)) void add_half(
    const panel_format *format, const vec *codes, const int32_t *values, vec factor, int tokens, vec sums[TOKENS],
    const vec *starts) {
  int quads = 8 / format->halves, run = run_of(format) < quads ? run_of(format) : quads;
#pragma clang loop unroll(full)
  for (int first = 0; first < quads; first += run) {
    vec total[TOKENS];
    for (int t = 0; t < tokens; t++) {
      __m256i q = broadcast(values + first * TOKENS + t);
      total[t] = pair(pairs(format->reach, codes[first].low, q), pairs(format->reach, codes[first].high, q));
      if (starts && first == 0) {
        total[t] = pair(_mm256_add_epi16(total[t].low, starts[t].low), _mm256_add_epi16(total[t].high, starts[t].high));
      }
    }
    // Not unrolled: else so much would be under way at once that sums leave the registers.
#pragma clang loop unroll(disable)
    for (int j = first + 1; j < first + run; j++) {
      for (int t = 0; t < tokens; t++) {
        __m256i q = broadcast(values + j * TOKENS + t);
        total[t].low = _mm256_add_epi16(total[t].low, pairs(format->reach, codes[j].low, q));
        total[t].high = _mm256_add_epi16(total[t].high, pairs(format->reach, codes[j].high, q));
      }
    }
    for (int t = 0; t < tokens; t++) sums[t] = add_scaled_pairs(sums[t], total[t], factor);
  }
}

// The same of formats whose products of 16 bits fit one at a time.
static inline __attribute__((always_inline)) void add_signed_half(
    const panel_format *format, const vec *codes, const int32_t *values, vec factor, int tokens, vec sums[TOKENS]) {
#pragma clang loop unroll(disable)
  for (int j = 0; j < 8 / format->halves; j++) {
    for (int t = 0; t < tokens; t++) {
      __m256i q = broadcast(values + j * TOKENS + t);
      vec total = pair(pairs(format->reach, codes[j].low, q), pairs(format->reach, codes[j].high, q));
      sums[t] = add_scaled_pairs(sums[t], total, factor);
    }
  }
}

static inline __attribute__((always_inline)) void multiply_half(
    const panel_format *format, const vec *codes, const int32_t *values, vec factor, const vec *starts, vec sums[TOKENS]) {
  if (run_of(format) > 1) return add_half(format, codes, values, factor, TOKENS, sums, starts);
  add_signed_half(format, codes, values, factor, TOKENS / 2, sums);
  add_signed_half(format, codes, values + TOKENS / 2, factor, TOKENS / 2, sums + TOKENS / 2);
}

static inline __attribute__((always_inline)) floats plus_times(floats a, floats b, __m256 c) {
  return (floats){_mm256_fmadd_ps(b.low, c, a.low), _mm256_fmadd_ps(b.high, c, a.high)};
}

// A group of tokens times a panel's chunk.
static inline __attribute__((always_inline)) void multiply(
    const panel_format *format, const panel_tile *tile, const int32_t *record, int64_t groups, floats sums[TOKENS]) {
  int quads = 8 / format->halves;
#pragma clang loop unroll(disable)
  for (int64_t g = 0; g < groups; g++, record += CK_RECORD_WORDS * TOKENS) {
#pragma clang loop unroll(full)
    for (int half = 0; half < format->halves; half++) {
      int64_t part = g * format->halves + half;
      int offset = format->halves == 1 ? 4 : 5 + half, sum_line = format->halves == 1 ? 1 : 2 + half;
      vec dots[TOKENS];
      for (int t = 0; t < TOKENS; t++) dots[t] = start_of_all(format, broadcast(record + offset * TOKENS + t));
      multiply_half(format, tile->codes + part * quads, record + (7 + half * 4) * TOKENS, ones(), 0, dots);
      for (int t = 0; t < TOKENS; t++) {
        sums[t] = plus_times(sums[t], times(tile->scales[part], to_floats(dots[t])), broadcast_float(record + t));
        if (!format->has_minima) continue;
        sums[t] = plus_times(sums[t], tile->minima[part], broadcast_float(record + sum_line * TOKENS + t));
      }
    }
  }
}

// The same of whole scales, of a whole block.
static inline __attribute__((always_inline)) void multiply_whole(
    const panel_format *format, const panel_tile *tile, const int32_t *first_record, floats sums[TOKENS]) {
  int quads = 8 / format->halves;
  const int32_t *record = first_record;
  floats block[TOKENS];
  for (int t = 0; t < TOKENS; t++) block[t] = (floats){_mm256_setzero_ps(), _mm256_setzero_ps()};
#pragma clang loop unroll(disable)
  for (int64_t g = 0; g < CHUNK / 32; g++, record += CK_RECORD_WORDS * TOKENS) {
    vec dots[TOKENS], starts[TOKENS];
    for (int t = 0; t < TOKENS; t++) dots[t] = all_lanes(0);
#pragma clang loop unroll(full)
    for (int half = 0; half < format->halves; half++) {
      int64_t part = g * format->halves + half;
      int has_starts = offset_of(format) > 0 && !has_shifts(format);
      for (int t = 0; t < TOKENS && has_starts; t++) {
        starts[t] = lane_bits(start_of_all(format, broadcast(record + (format->halves == 1 ? 4 : 5 + half) * TOKENS + t)), 0xffff);
      }
      multiply_half(format, tile->codes + part * quads, record + (7 + half * 4) * TOKENS, tile->whole[part],
                    has_starts ? starts : 0, dots);
    }
    for (int t = 0; t < TOKENS; t++) block[t] = plus_times(block[t], to_floats(dots[t]), broadcast_float(record + t));
  }
  for (int t = 0; t < TOKENS; t++) {
    sums[t].low = _mm256_fmadd_ps(block[t].low, tile->unit.low, sums[t].low);
    sums[t].high = _mm256_fmadd_ps(block[t].high, tile->unit.high, sums[t].high);
  }
  if (!has_shifts(format)) return;
  record = first_record + (format->halves == 1 ? 1 : 2) * TOKENS;
#pragma clang loop unroll(disable)
  for (int64_t g = 0; g < CHUNK / 32; g++, record += CK_RECORD_WORDS * TOKENS) {
    for (int half = 0; half < format->halves; half++) {
      floats minimum = tile->minima[g * format->halves + half];
      for (int t = 0; t < TOKENS; t++) {
        sums[t] = plus_times(sums[t], minimum, broadcast_float(record + half * TOKENS + t));
      }
    }
  }
}

static inline void store(const ck_panel_job *job, int64_t token, int64_t row, const group_sums *sums) {
  for (int t = 0; t < TOKENS && token + t < job->tokens; t++) {
    float *y = job->y + (token + t) * job->y_stride + row;
    _mm256_storeu_ps(y, sums->tokens[t].low);
    _mm256_storeu_ps(y + 8, sums->tokens[t].high);
  }
}

static inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

// A chunk of some panels times the tokens first ..< last; after the last chunk sums go to y while others are multiplied.
static inline __attribute__((always_inline)) void multiply_chunk(
    const panel_format *format, const ck_panel_job *job, int64_t first, int64_t last, int64_t row, int64_t panels, int64_t k,
    panel_scratch *scratch) {
  int64_t groups = smaller(job->columns - k, CHUNK) / 32, record_words = job->columns / 32 * CK_RECORD_WORDS;
  const int32_t *records = (const int32_t *)job->input + k / 32 * CK_RECORD_WORDS * TOKENS;
  for (int64_t token = first; token < last; token += TOKENS) {
    const int32_t *record = records + token * record_words;
    for (int64_t panel = 0; panel < panels; panel++) {
      group_sums *sums = &scratch->kept[(token - first) / TOKENS][panel];
      if (k == 0) memset(sums, 0, sizeof *sums);
      if (whole_scales_of(format)) multiply_whole(format, scratch->tiles + panel, record, sums->tokens);
      else multiply(format, scratch->tiles + panel, record, groups, sums->tokens);
      if (k + groups * 32 == job->columns) store(job, token, row + panel * CK_PANEL_ROWS, sums);
    }
  }
}

static inline __attribute__((always_inline)) void multiply_rows(
    const panel_format *format, const ck_panel_job *job, int64_t begin, int64_t end) {
  panel_scratch *scratch = job->scratch;
  int64_t row_blocks = job->columns / format->elements;
  for (int64_t first = 0; first < job->tokens; first += KEPT_TOKENS) {
    int64_t last = smaller(first + KEPT_TOKENS, job->tokens);
    for (int64_t row = begin; row < end; row += PANELS * CK_PANEL_ROWS) {
      int64_t panels = smaller((end - row) / CK_PANEL_ROWS, PANELS);
      for (int64_t k = 0; k < job->columns; k += CHUNK) {
        for (int64_t panel = 0; panel < panels; panel++) {
          int64_t block = (row + panel * CK_PANEL_ROWS) * row_blocks + k / format->elements * CK_PANEL_ROWS;
          const uint8_t *blocks = (const uint8_t *)job->panels + block * format->bytes;
          unpack(format, blocks, smaller(job->columns - k, CHUNK) / 32, scratch->tiles + panel);
        }
        multiply_chunk(format, job, first, last, row, panels, k, scratch);
      }
    }
  }
}

static void multiply_floats(const ck_panel_job *job, int64_t begin, int64_t end) {
  int takes_words = ck_many_input(&kernels_avx2, job->type, 1, job->columns, job->tokens) == CK_INPUT_WORDS;
  ck_gemm gemm = {
    .weights = job->panels, .is_interleaved = 1, .panel_type = job->type, .decode = ck_decoder_of(&kernels_avx2, job->type),
    .packed = takes_words ? 0 : job->input, .words = takes_words ? job->input : 0, .tokens = job->tokens,
    .columns = job->columns, .y = job->y, .y_stride = job->y_stride,
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
