// SPDX-License-Identifier: Apache-2.0
// Softmax attention of prompts for AMX: both products by tiles of 16-bit floats, with sums of 32 bits
// (docs/decisions/0041-attention-by-tiles.md).
//
//   up to 192 queries to tiles; for each span of 256 positions:
//     keys and values to tiles (second cache)
//     for each group of 32 queries (first cache):
//       for each 32 positions: four tiles of scores, for each 32 columns twelve products; between them weights of the
//         group before
//       outputs of the group before: for each 32 columns four tiles, for each 32 positions four products
//       new maxima
// An error of a score is one of its weight, so keys and queries are sums of two 16-bit floats, of which all products but
// the one of the low parts are summed. Weights and values are rounded to one.
#if defined(__x86_64__)
#include "rows.h"
#include "tiles.h"

#pragma clang attribute push(__attribute__((target(TILES_TARGET))), apply_to = function)

#include "attention_operands_amx.h"

// Scores of a group whose maxima are known. They become weights a few rows at a time, between products of the next group:
// the processor does both at once, and tiles that rest for 300 ns are slow to begin again.
typedef struct {
  const query_group *group; // null for none
  int64_t span;
  const uint8_t *values;    // of the first 32 positions
  float *scores;            // quads; weights take the place of each one's first two tiles
  int64_t rows, row;        // sixteen a quad, and how many of them are weights
  __m512 largest[2], sums[2];
} waiting_scores;

// 2^x as a 16-bit float in the upper half of lanes whose lower half is zero; zero below 2^-64, as in exp_avx512.h. The
// polynomial of the third degree is off by less than 2^-13 of itself, and half a step more, so that cutting off rounds.
static inline __m512 weight_of(__m512 x) {
  __m512 rest = _mm512_reduce_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
  __m512 p = _mm512_set1_ps(0x1.3f96a4p-4f);
  p = _mm512_fmadd_ps(p, rest, _mm512_set1_ps(0x1.cefc4cp-3f));
  p = _mm512_fmadd_ps(p, rest, _mm512_set1_ps(0x1.64444cp-1f));
  p = _mm512_fmadd_ps(p, rest, _mm512_set1_ps(0x1.fff632p-1f + 0x1p-8f));
  __mmask16 counts = _mm512_cmp_ps_mask(x, _mm512_set1_ps(-64), _CMP_NLT_UQ);
  return upper(_mm512_castps_si512(_mm512_maskz_scalef_ps(counts, p, x)));
}

// Up to `count` rows more: scores of two tiles of positions become one tile of pairs of weights.
static inline void weigh_rows(waiting_scores *w, int64_t count) {
  __m512 sums[2] = {w->sums[0], w->sums[1]};
  for (int64_t end = smaller(w->row + count, w->rows); w->row < end; w->row++) {
    float *scores = w->scores + w->row / TILE_SIDE * QUAD_FLOATS + w->row % TILE_SIDE * LANES;
    for (int64_t part = 0; part < 2; part++, scores += TILE_FLOATS) {
      __m512 first = weight_of(_mm512_sub_ps(_mm512_load_ps(scores), w->largest[part]));
      __m512 second = weight_of(_mm512_sub_ps(_mm512_load_ps(scores + 2 * TILE_FLOATS), w->largest[part]));
      _mm512_store_si512(scores, side_by_side(_mm512_castps_si512(first), _mm512_castps_si512(second)));
      sums[part] = _mm512_add_ps(sums[part], _mm512_add_ps(first, second));
    }
  }
  w->sums[0] = sums[0], w->sums[1] = sums[1];
}

static inline void multiply_four(void) {
  ADD_PRODUCTS(0, 4, 6);
  ADD_PRODUCTS(1, 4, 7);
  ADD_PRODUCTS(2, 5, 6);
  ADD_PRODUCTS(3, 5, 7);
}

static inline void store_quad(float *quad) {
  STORE_TILE(0, quad, TILE_STRIDE);
  STORE_TILE(1, quad + TILE_FLOATS, TILE_STRIDE);
  STORE_TILE(2, quad + 2 * TILE_FLOATS, TILE_STRIDE);
  STORE_TILE(3, quad + 3 * TILE_FLOATS, TILE_STRIDE);
}

// Scores of 32 positions: low keys times high queries, high times high, high times low; behind each `rows` waiting rows.
static inline void multiply_keys(const uint8_t *key, const uint8_t *query, int64_t steps, float *scores,
                                 waiting_scores *waiting, int64_t rows) {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (int64_t step = 0; step < steps; step++, key += SPLIT_BYTES, query += SPLIT_BYTES) {
    LOAD_TILE(4, key + 2 * TILE_BYTES);
    LOAD_TILE(6, query);
    LOAD_TILE(7, query + TILE_BYTES);
    LOAD_TILE(5, key + 3 * TILE_BYTES);
    multiply_four();
    weigh_rows(waiting, rows);
    LOAD_TILE(4, key);
    LOAD_TILE(5, key + TILE_BYTES);
    multiply_four();
    weigh_rows(waiting, rows);
    LOAD_TILE(6, query + 2 * TILE_BYTES);
    LOAD_TILE(7, query + 3 * TILE_BYTES);
    multiply_four();
    weigh_rows(waiting, rows);
  }
  store_quad(scores);
}

// Outputs of 32 columns; `stride` is between the values of one quad's positions and the next one's.
static inline void add_values(const uint8_t *value, int64_t stride, const float *weights, int64_t quads, float *out) {
  LOAD_TILE(0, out);
  LOAD_TILE(1, out + TILE_FLOATS);
  LOAD_TILE(2, out + 2 * TILE_FLOATS);
  LOAD_TILE(3, out + 3 * TILE_FLOATS);
  for (int64_t i = 0; i < quads; i++, value += stride, weights += QUAD_FLOATS) {
    LOAD_TILE(4, value);
    LOAD_TILE(6, weights);
    LOAD_TILE(7, weights + TILE_FLOATS);
    LOAD_TILE(5, value + TILE_BYTES);
    multiply_four();
  }
  store_quad(out);
}

// The rest of the weights, and the outputs that they add.
static void finish(const prompt_block *b, waiting_scores *w) {
  if (!w->group) return;
  weigh_rows(w, w->rows);
  for (int64_t part = 0; part < 2; part++) {
    float *total = w->group->lanes.total + part * LANES;
    _mm512_store_ps(total, _mm512_add_ps(_mm512_load_ps(total), w->sums[part]));
  }
  for (int64_t step = 0; step < b->steps; step++) {
    add_values(w->values + step * VALUE_BYTES, b->steps * VALUE_BYTES, w->scores, w->rows / TILE_SIDE,
               w->group->out + step * QUAD_FLOATS);
  }
  w->group = 0;
}

static inline void raise(const float *quad, __m512 largest[4]) {
#pragma clang loop unroll_count(4)
  for (int64_t i = 0; i < TILE_FLOATS; i += LANES) {
    for (int64_t tile = 0; tile < 4; tile++) {
      largest[tile] = _mm512_max_ps(largest[tile], _mm512_load_ps(quad + tile * TILE_FLOATS + i));
    }
  }
}

// What came before is brought to the new maxima of a part's lanes.
static inline void rescale(const query_group *g, int64_t steps, int64_t part, __m512 largest) {
  __m512 before = _mm512_load_ps(g->lanes.largest + part * LANES);
  if (!_mm512_cmpneq_ps_mask(before, largest)) return;
  __m512 factor = exp2_avx512(_mm512_sub_ps(before, largest));
  float *total = g->lanes.total + part * LANES;
  _mm512_store_ps(g->lanes.largest + part * LANES, largest);
  _mm512_store_ps(total, _mm512_mul_ps(_mm512_load_ps(total), factor));
  float *out = g->out + part * TILE_FLOATS;
  for (int64_t tile = 0; tile < 2 * steps; tile++, out += 2 * TILE_FLOATS) {
#pragma clang loop unroll_count(4)
    for (int64_t i = 0; i < TILE_FLOATS; i += LANES) {
      _mm512_store_ps(out + i, _mm512_mul_ps(_mm512_load_ps(out + i), factor));
    }
  }
}

static void limit_quad(const query_group *g, int64_t position, float *quad) {
  if (!has_limits(&g->lanes, position, PAIR)) return;
  for (int64_t tile = 0; tile < 4; tile++, quad += TILE_FLOATS) {
    limit_scores(&g->lanes, tile % 2, position + tile / 2 * LANES, LANES, quad, LANES);
  }
}

// Those of a span's positions that a group sees, by whole quads: their scores wait in place of those before.
static void attend_group(
    const prompt_block *b, const query_group *g, int64_t span, int64_t count, waiting_scores *waiting) {
  int64_t from = larger(g->lanes.begin - span, 0) / PAIR;
  int64_t quads = (smaller(g->lanes.end - span, count) + PAIR - 1) / PAIR - from;
  if (quads <= 0) return;
  int64_t products = 3 * b->steps * quads;
  waiting_scores next = {
    .group = g, .span = span, .rows = quads * TILE_SIDE, .values = values_at(b, span, from),
    .scores = b->scores + (waiting->scores == b->scores ? SPAN_PAIRS * QUAD_FLOATS : 0),
  };
  __m512 largest[4];
  for (int i = 0; i < 4; i++) largest[i] = _mm512_load_ps(g->lanes.largest + i % 2 * LANES);
  for (int64_t i = 0; i < quads; i++) {
    float *quad = next.scores + i * QUAD_FLOATS;
    multiply_keys(keys_at(b, from + i), g->queries, b->steps, quad, waiting, (waiting->rows + products - 1) / products);
    limit_quad(g, span + (from + i) * PAIR, quad);
    raise(quad, largest);
  }
  finish(b, waiting);
  for (int part = 0; part < 2; part++) {
    next.largest[part] = _mm512_max_ps(largest[part], largest[part + 2]);
    rescale(g, b->steps, part, next.largest[part]);
  }
  *waiting = next;
}

static void store_outputs(const query_group *g) {
  add_sinks(&g->lanes);
  for (int64_t part = 0; part < g->lanes.parts; part++) {
    for (int64_t k = 0; k < g->lanes.job->width; k += LANES) {
      store_columns(&g->lanes, part, k, g->out + (k / LANES * 2 + part) * TILE_FLOATS, LANES);
    }
  }
}

static void attend(const ck_attention *job, int type) {
  begin_tiles();
  for (int64_t query = 0; query < job->count; query += ATTENTION_LANES) {
    prompt_block b = block_at(job, query);
    waiting_scores waiting = {0};
    for (int64_t span = b.begin; span < b.end; span += ATTENTION_SPAN) {
      int64_t count = smaller(ATTENTION_SPAN, b.end - span);
      if (waiting.span < span - ATTENTION_SPAN) finish(&b, &waiting); // its values are overwritten
      load_span(&b, span, count, type);
      for (int64_t i = 0; i < b.groups; i++) attend_group(&b, b.group + i, span, count, &waiting);
    }
    finish(&b, &waiting);
    for (int64_t i = 0; i < b.groups; i++) store_outputs(b.group + i);
  }
  end_tiles();
}

// The heads of one token, and widths that are no multiple of sixteen, go as without tiles.
static int takes_tiles(const ck_attention *job) { return job->count > job->group && job->width % LANES == 0; }

void attention_f32_amx(const ck_attention *job) {
  if (takes_tiles(job)) attend(job, CK_F32); else attention_f32_avx512(job);
}
void attention_f16_amx(const ck_attention *job) {
  if (takes_tiles(job)) attend(job, CK_F16); else attention_f16_avx512(job);
}
void attention_q8_0_amx(const ck_attention *job) {
  if (takes_tiles(job)) attend(job, CK_Q8_0); else attention_q8_0_avx512(job);
}

#pragma clang attribute pop
#endif
