// SPDX-License-Identifier: Apache-2.0
// Products of many tokens over panels for AVX-512 VNNI.
//
//   for each 128 rows, for each chunk of 256 columns:
//     unpack the rows' chunk to bytes of two panels side by side, and its scales to floats (12 KiB for 32 rows)
//     for each group of 6 tokens, for each 32 rows: 12 registers of integer sums of one scale, 12 of float sums
// Formats of 256 columns to a block read wide records: a token's scale waits until the chunk's sums leave the registers.
// A group's records come from the second or third cache while the group before them is multiplied, and serve 128 rows.
// A format is only its unpacking: the products are two loops, by records. Sums of several chunks wait in the scratch.
#if defined(__x86_64__)
#include <string.h>
#include "panels.h"

#pragma clang attribute push(                                                                 \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c"))), apply_to = function)

#include "panel_tile_avx512.h"

static inline vec broadcast(int32_t value) { return _mm512_set1_epi32(value); }
static inline floats broadcast_float(int32_t bits) { return _mm512_castsi512_ps(_mm512_set1_epi32(bits)); }

// The next group's record of the same columns, while this one is used.
static inline void prefetch_record(const int32_t *record) {
  for (int i = 0; i < CK_RECORD_WORDS * TOKENS; i += 16) _mm_prefetch((const char *)(record + i), _MM_HINT_T0);
}

// Integer sums from zero, or from the tokens' offsets.
static inline __attribute__((always_inline)) void begin_dots(const int32_t *offsets, vec dots[TOKENS][2]) {
#pragma clang loop unroll(full)
  for (int t = 0; t < TOKENS; t++) dots[t][0] = dots[t][1] = offsets ? broadcast(offsets[t]) : _mm512_setzero_si512();
}

// Four columns a step.
static inline __attribute__((always_inline)) void add_dots(
    const uint8_t (*codes)[2][64], int steps, const int32_t *values, vec dots[TOKENS][2]) {
  for (int j = 0; j < steps; j++) {
    vec low = _mm512_load_si512(codes[j][0]), high = _mm512_load_si512(codes[j][1]);
#pragma clang loop unroll(full)
    for (int t = 0; t < TOKENS; t++) {
      vec q = broadcast(values[j * TOKENS + t]);
      dots[t][0] = _mm512_dpbusd_epi32(dots[t][0], low, q);
      dots[t][1] = _mm512_dpbusd_epi32(dots[t][1], high, q);
    }
  }
}

// A line of a record's float sums times the rows' minima.
static inline __attribute__((always_inline)) void add_minima(
    const float minima[TILE_ROWS], const int32_t *line, floats sums[TOKENS][2]) {
#pragma clang loop unroll(full)
  for (int side = 0; side < 2; side++) {
    floats minimum = _mm512_load_ps(minima + side * 16);
#pragma clang loop unroll(full)
    for (int t = 0; t < TOKENS; t++) {
      sums[t][side] = _mm512_fmadd_ps(minimum, broadcast_float(line[t]), sums[t][side]);
    }
  }
}

// 32 rows times a group of tokens, one scale's columns at a time. `ahead` is the distance to the next group's record.
static inline __attribute__((always_inline)) void multiply(
    const panel_tile *tile, const int32_t *record, int64_t groups, int64_t ahead, int has_minima,
    floats sums[TOKENS][2]) {
  for (int64_t part = 0; part < groups; part++, record += CK_RECORD_WORDS * TOKENS) {
    vec dots[TOKENS][2];
    prefetch_record(record + ahead);
    begin_dots(has_minima ? 0 : record + 4 * TOKENS, dots);
    add_dots(tile->codes + part * 8, 8, record + 7 * TOKENS, dots);
#pragma clang loop unroll(full)
    for (int side = 0; side < 2; side++) {
      floats scale = _mm512_load_ps(tile->scales[part] + side * 16);
#pragma clang loop unroll(full)
      for (int t = 0; t < TOKENS; t++) {
        floats factor = times(scale, broadcast_float(record[t]));
        sums[t][side] = _mm512_fmadd_ps(factor, to_floats(dots[t][side]), sums[t][side]);
      }
    }
    if (has_minima) add_minima(tile->minima[part], record + TOKENS, sums);
  }
}

// The sum of the groups' offsets: a scale of all columns takes them at once.
static inline void add_offsets(const int32_t *record, int32_t offsets[8]) {
  __m256i all = _mm256_setzero_si256();
  for (int g = 0; g < CHUNK / 32; g++, record += CK_RECORD_WORDS * TOKENS) {
    all = _mm256_add_epi32(all, _mm256_loadu_si256((const __m256i *)(record + 4 * TOKENS)));
  }
  _mm256_storeu_si256((__m256i *)offsets, all);
}

// A chunk of 32 rows times a group of tokens in wide records, `columns` (16, 32 or 256) to a scale, with `minima` for 32
// columns. The sums lack the tokens' scales.
static inline __attribute__((always_inline)) void multiply_wide(
    const panel_tile *tile, const int32_t *record, int64_t ahead, int columns, int minima, floats sums[TOKENS][2]) {
  int halves = columns == 16 ? 2 : 1, groups = columns == 256 ? 8 : 1;
  int32_t offsets[8];
  if (groups == 8 && minima == 0) add_offsets(record, offsets);
  for (int part = 0; part < CHUNK / columns; part++) {
    int half = part % halves;
    const int32_t *own = record + (halves == 2 ? 5 + half : 4) * TOKENS;
    vec dots[TOKENS][2];
    begin_dots(minima ? 0 : groups == 8 ? offsets : own, dots);
    for (int group = part * groups; group < (part + 1) * groups; group++) {
      if (half == 0) prefetch_record(record + ahead);
      add_dots(tile->codes + group * (8 / halves), 8 / halves, record + (7 + half * 4) * TOKENS, dots);
#pragma clang loop unroll(full)
      for (int m = 0; m < minima; m++) {
        add_minima(tile->minima[group * minima + m], record + (minima == 1 ? 1 : 2 + m) * TOKENS, sums);
      }
      if (half == halves - 1) record += CK_RECORD_WORDS * TOKENS;
    }
#pragma clang loop unroll(full)
    for (int side = 0; side < 2; side++) {
      floats scale = _mm512_load_ps(tile->scales[part] + side * 16);
#pragma clang loop unroll(full)
      for (int t = 0; t < TOKENS; t++) sums[t][side] = _mm512_fmadd_ps(scale, to_floats(dots[t][side]), sums[t][side]);
    }
  }
}

static void multiply_tile(const ck_panel_job *job, const panel_tile *tile, const int32_t *records, int64_t groups,
                          floats sums[TOKENS][2]) {
  int64_t ahead = job->columns / 32 * CK_RECORD_WORDS * TOKENS;
  switch (job->type) {
    case CK_Q4_1: case CK_Q5_1:
    case CK_INT4_G32: case CK_INT4_G64: case CK_INT4_G128: case CK_UINT8_G32: case CK_UINT8_G128:
      return multiply(tile, records, groups, ahead, 1, sums);
    case CK_Q2_K: return multiply_wide(tile, records, ahead, 256, 2, sums);
    case CK_Q3_K: return multiply_wide(tile, records, ahead, 256, 0, sums);
    case CK_Q4_K: case CK_Q5_K: return multiply_wide(tile, records, ahead, 32, 1, sums);
    case CK_Q6_K: case CK_IQ2_XS: case CK_IQ2_S: case CK_IQ1_M:
      return multiply_wide(tile, records, ahead, 16, 0, sums);
    case CK_IQ4_XS: case CK_IQ2_XXS: case CK_IQ3_XXS: case CK_IQ3_S: case CK_IQ1_S: case CK_TQ1_0: case CK_TQ2_0:
      return multiply_wide(tile, records, ahead, 32, 0, sums);
    default: return multiply(tile, records, groups, ahead, 0, sums);
  }
}

// Of a group of tokens with 32 rows, over the chunks so far.
typedef struct { float rows[TOKENS][TILE_ROWS]; } group_sums;

typedef struct {
  panel_tile tiles[TILES];
  group_sums kept[KEPT_TOKENS / TOKENS][TILES];
} panel_scratch;

_Static_assert(KEPT_TOKENS % TOKENS == 0 && sizeof(panel_scratch) <= GEMM_SCRATCH_BYTES, "the plan's scratch holds it");

static inline void prefetch_kept(const group_sums *kept) {
  for (int t = 0; t < TOKENS; t++) {
    _mm_prefetch((const char *)kept->rows[t], _MM_HINT_T0);
    _mm_prefetch((const char *)(kept->rows[t] + 16), _MM_HINT_T0);
  }
}

// Sums times the tokens' factors.
static inline void keep(const int32_t *factors, int is_first, floats sums[TOKENS][2], group_sums *kept) {
#pragma clang loop unroll(full)
  for (int t = 0; t < TOKENS; t++) {
    floats factor = broadcast_float(factors[t]);
#pragma clang loop unroll(full)
    for (int side = 0; side < 2; side++) {
      float *spot = kept->rows[t] + side * 16;
      floats before = is_first ? _mm512_setzero_ps() : _mm512_load_ps(spot);
      _mm512_store_ps(spot, _mm512_fmadd_ps(factor, sums[t][side], before));
    }
  }
}

// To the rows that the job has: the last tile may hold one panel.
static void store_kept(const ck_panel_job *job, int64_t token, int64_t row, int64_t end, const group_sums *kept) {
  for (int t = 0; t < TOKENS && token + t < job->tokens; t++) {
    float *y = job->y + (token + t) * job->y_stride + row;
    for (int side = 0; side < 2 && row + side * 16 < end; side++) {
      _mm512_storeu_ps(y + side * 16, _mm512_load_ps(kept->rows[t] + side * 16));
    }
  }
}

static inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

// A chunk of the rows times the tokens first ..< last; after the last chunk sums go to y while others are multiplied.
static void multiply_chunk(const ck_panel_job *job, int64_t first, int64_t last, int64_t row, int64_t end, int64_t k,
                           panel_scratch *scratch) {
  enum { ONE = 0x3f800000 }; // as a float
  static const int32_t ones[TOKENS] = {ONE, ONE, ONE, ONE, ONE, ONE};
  int is_wide = ck_block_elements(job->type) == CHUNK;
  int64_t records = job->columns / 32 * CK_RECORD_WORDS, groups = smaller(job->columns - k, CHUNK) / 32;
  for (int64_t token = first; token < last; token += TOKENS) {
    const int32_t *record = (const int32_t *)job->input + token * records + k / 32 * CK_RECORD_WORDS * TOKENS;
    group_sums *kept = scratch->kept[(token - first) / TOKENS];
    for (int64_t tile = 0; tile < TILES && row + tile * TILE_ROWS < end; tile++) {
      floats sums[TOKENS][2];
      prefetch_kept(kept + tile);
      for (int t = 0; t < TOKENS; t++) sums[t][0] = sums[t][1] = _mm512_setzero_ps();
      multiply_tile(job, scratch->tiles + tile, record, groups, sums);
      keep(is_wide ? record : ones, k == 0, sums, kept + tile);
      if (k + groups * 32 == job->columns) store_kept(job, token, row + tile * TILE_ROWS, end, kept + tile);
    }
  }
}

static void unpack_rows(const ck_panel_job *job, int64_t row, int64_t end, int64_t k, int64_t groups, panel_tile *tiles) {
  int64_t elements = ck_block_elements(job->type), bytes = ck_block_bytes(job->type);
  int64_t panel_bytes = job->columns / elements * bytes * CK_PANEL_ROWS;
  for (int64_t panel = 0; panel < TILES * 2 && row + panel * CK_PANEL_ROWS < end; panel++) {
    const uint8_t *start = (const uint8_t *)job->panels + (row / CK_PANEL_ROWS + panel) * panel_bytes;
    unpack_panel(job->type, start + k / elements * bytes * CK_PANEL_ROWS, groups, (int)(panel & 1), tiles + panel / 2);
  }
}

void panel_gemm_avx512(const ck_panel_job *job, int64_t begin, int64_t end) {
  if (ck_panel_input(job->type) == CK_INPUT_F32) return gemm_panels_avx512(job, begin, end);
  panel_scratch *scratch = job->scratch;
  for (int64_t first = 0; first < job->tokens; first += KEPT_TOKENS) {
    int64_t last = smaller(first + KEPT_TOKENS, job->tokens);
    for (int64_t row = begin; row < end; row += TILES * TILE_ROWS) {
      for (int64_t k = 0; k < job->columns; k += CHUNK) {
        unpack_rows(job, row, end, k, smaller(job->columns - k, CHUNK) / 32, scratch->tiles);
        multiply_chunk(job, first, last, row, end, k, scratch);
      }
    }
  }
}

#pragma clang attribute pop
#endif
