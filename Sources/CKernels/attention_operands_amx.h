// SPDX-License-Identifier: Apache-2.0
// What attention by tiles multiplies: queries, keys and values as tiles of 16-bit floats (bf16).
//
// Which columns, or positions, make a pair is free as long as both sides agree: here those that are sixteen apart, so that
// pairing needs no shuffling. What a width lacks of whole 32 columns is zero.
#ifndef ANPROBE_ATTENTION_OPERANDS_AMX_H
#define ANPROBE_ATTENTION_OPERANDS_AMX_H
#include "attention_lanes_avx512.h"
#include "tiles.h"

enum {
  PAIR = 2 * TILE_SIDE,             // lanes, positions or columns of two tiles
  GROUPS = ATTENTION_LANES / PAIR,
  SPAN_PAIRS = ATTENTION_SPAN / PAIR,
  TILE_FLOATS = TILE_SIDE * TILE_SIDE,
  QUAD_FLOATS = 4 * TILE_FLOATS,    // of 32 positions or columns and 32 lanes
  SPLIT_BYTES = 4 * TILE_BYTES,     // of 32 columns and 32 lanes or positions, high and low
  VALUE_BYTES = 2 * TILE_BYTES,     // of 32 columns and 32 positions
};

// 32 queries. Scores of positions and sums of columns lie in quads: [two tiles of rows][two tiles of lanes][16][16].
typedef struct {
  query_lanes lanes;
  uint8_t *queries;   // [width / 32][high, low][two tiles of lanes]
  float *out;         // [width / 32][QUAD_FLOATS]
} query_group;

// Queries that share what is made of keys and values.
typedef struct {
  const ck_attention *job;
  int64_t steps;      // of 32 columns
  int64_t groups;
  int64_t begin, end; // positions that one of them sees
  query_group group[GROUPS];
  uint8_t *keys;      // [SPAN_PAIRS][width / 32][high, low][two tiles of positions]
  uint8_t *values;    // [spans of either parity][SPAN_PAIRS][width / 32][two tiles of columns]
  float *scores;      // [two groups][SPAN_PAIRS][QUAD_FLOATS]
} prompt_block;

static inline uint8_t *keys_at(const prompt_block *b, int64_t pair) { return b->keys + pair * b->steps * SPLIT_BYTES; }
static inline uint8_t *values_at(const prompt_block *b, int64_t span, int64_t pair) {
  int64_t parity = (span - b->begin) / ATTENTION_SPAN % 2;
  return b->values + (parity * SPAN_PAIRS + pair) * b->steps * VALUE_BYTES;
}

// The upper halves of lanes, as floats.
static inline __m512 upper(__m512i v) { return _mm512_castsi512_ps(_mm512_and_si512(v, _mm512_set1_epi32(~0xffff))); }

// A row of a tile of high and, two tiles behind, one of low parts: the sum of both is a number to 2^-16 of it.
static inline void store_split(__m512 first, __m512 second, uint8_t *row) {
  __m512i high = rounded(first), next_high = rounded(second);
  _mm512_store_si512(row, side_by_side(high, next_high));
  __m512 low = _mm512_sub_ps(first, upper(high)), next_low = _mm512_sub_ps(second, upper(next_high));
  _mm512_store_si512(row + 2 * TILE_BYTES, side_by_side(rounded(low), rounded(next_low)));
}

// Queries as right operands: a row is two columns of sixteen lanes. Outputs begin at zero.
static void load_queries(const query_group *g, int64_t steps) {
  __m512 v[PAIR];
  for (int64_t step = 0; step < steps; step++) {
    int64_t columns = g->lanes.job->width - step * PAIR;
    for (int64_t part = 0; part < 2; part++) {
      load_columns(&g->lanes, part, step * PAIR, v);
      if (columns > LANES) load_columns(&g->lanes, part, step * PAIR + LANES, v + LANES);
      else for (int i = LANES; i < PAIR; i++) v[i] = _mm512_setzero_ps();
      uint8_t *tile = g->queries + step * SPLIT_BYTES + part * TILE_BYTES;
      for (int i = 0; i < LANES; i++) store_split(v[i], v[LANES + i], tile + i * TILE_STRIDE);
    }
  }
  for (int64_t i = 0; i < steps * QUAD_FLOATS; i += LANES) _mm512_store_ps(g->out + i, _mm512_setzero_ps());
}

// Sixteen columns of a cached row; zeros behind the last column, and behind the last position where it may be met.
static inline __attribute__((always_inline)) __m512 cached_or_zero(
    const prompt_block *b, const void *cache, int64_t position, int64_t k, int type, int is_whole) {
  if ((!is_whole && position >= b->end) || k >= b->job->width) return _mm512_setzero_ps();
  return cached(cache_row(b->job, cache, position), k, type);
}

// Keys of 32 positions as left operands: a row is a position's 32 columns.
static inline __attribute__((always_inline)) void load_keys_pair(
    const prompt_block *b, int64_t position, uint8_t *row, int type, int is_whole) {
  for (int64_t k = 0; k < b->job->width; k += PAIR, row += SPLIT_BYTES) {
    for (int64_t i = 0; i < PAIR; i++) { // the second tile's rows lie behind the first one's
      __m512 first = cached_or_zero(b, b->job->keys, position + i, k, type, is_whole);
      store_split(first, cached_or_zero(b, b->job->keys, position + i, k + LANES, type, is_whole), row + i * TILE_STRIDE);
    }
  }
}

// Values of 32 positions as left operands: a row is a column of all of them.
static inline __attribute__((always_inline)) void load_values_pair(
    const prompt_block *b, int64_t position, uint8_t *tile, int type, int is_whole) {
  __m512 v[LANES];
  for (int64_t k = 0; k < b->steps * PAIR; k += LANES, tile += TILE_BYTES) {
    for (int64_t i = 0; i < LANES; i++) {
      __m512 first = cached_or_zero(b, b->job->values, position + i, k, type, is_whole);
      __m512 second = cached_or_zero(b, b->job->values, position + i + LANES, k, type, is_whole);
      v[i] = _mm512_castsi512_ps(side_by_side(rounded(first), rounded(second)));
    }
    transpose(v);
    for (int64_t i = 0; i < LANES; i++) _mm512_store_ps(tile + i * TILE_STRIDE, v[i]);
  }
}

static inline __attribute__((always_inline)) void load_span_as(
    const prompt_block *b, int64_t span, int64_t count, int type) {
  int64_t pair = 0;
  for (; (pair + 1) * PAIR <= count; pair++) {
    load_keys_pair(b, span + pair * PAIR, keys_at(b, pair), type, 1);
    load_values_pair(b, span + pair * PAIR, values_at(b, span, pair), type, 1);
  }
  if (pair * PAIR < count) {
    load_keys_pair(b, span + pair * PAIR, keys_at(b, pair), type, 0);
    load_values_pair(b, span + pair * PAIR, values_at(b, span, pair), type, 0);
  }
}

static void load_span(const prompt_block *b, int64_t span, int64_t count, int type) {
  if (type == CK_F32) load_span_as(b, span, count, CK_F32);
  if (type == CK_F16) load_span_as(b, span, count, CK_F16);
  if (type == CK_Q8_0) load_span_as(b, span, count, CK_Q8_0);
}

static prompt_block block_at(const ck_attention *job, int64_t query) {
  prompt_block b = {.job = job, .steps = (job->width + PAIR - 1) / PAIR};
  float *scratch = aligned(job->scratch);
  b.begin = job->first[query], b.end = job->last[query];
  for (int64_t at = query; at < job->count && b.groups < GROUPS; at += PAIR) {
    query_group *g = b.group + b.groups++;
    g->queries = (uint8_t *)scratch;
    g->out = scratch + b.steps * SPLIT_BYTES / 4;
    g->lanes = lanes_at(job, at, PAIR, g->out + b.steps * QUAD_FLOATS);
    scratch = g->out + b.steps * QUAD_FLOATS + PAIR * LANE_FLOATS;
    load_queries(g, b.steps);
    b.begin = smaller(b.begin, g->lanes.begin), b.end = larger(b.end, g->lanes.end);
  }
  b.keys = (uint8_t *)scratch;
  b.values = b.keys + SPAN_PAIRS * b.steps * SPLIT_BYTES;
  b.scores = (float *)(b.values + 2 * SPAN_PAIRS * b.steps * VALUE_BYTES);
  return b;
}

#endif
