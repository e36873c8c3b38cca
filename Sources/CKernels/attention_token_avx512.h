// SPDX-License-Identifier: Apache-2.0
// Attention of one token's heads for AVX-512, which the cache's bytes should bound: a lane is a head and a position.
//
// With four heads and more, a vector has four queries' products by four columns each; four columns of a key reach all
// queries by one broadcast, and the four sums of four positions become one vector. With fewer heads a vector has sixteen
// columns of one query. Values are multiplied as they are decoded, 8 queries × 32 columns or 4 × 64 at a time.
#ifndef ANPROBE_ATTENTION_TOKEN_AVX512_H
#define ANPROBE_ATTENTION_TOKEN_AVX512_H
#include <float.h>
#include "attention_tile_avx512.h"

// Heads of a token that attention_prompt_avx512.h takes instead, which multiplies faster than memory is read then.
enum { MANY_HEADS = 16, FEW_HEADS = 4 };

// A vector has `span` positions of 16 / span queries: lane span · query + position.
typedef struct {
  const ck_attention *job;
  int64_t span, vectors;
  int64_t begin, end;
  float *queries;                    // [vectors][width / span][16]
  float *out;                        // [queries][width]
  float *keys;                       // [width / 16][KEYS][16]
  float *weights;                    // [TILE / span][vectors][16], scores before
  float *largest, *total, *slopes;   // [vectors][16]
} token_state;

// [vectors][width / span][queries][span]
static void load_query(const token_state *t, int64_t query, const float *x) {
  int64_t queries = LANES / t->span;
  float *out = t->queries + query / queries * queries * t->job->width + query % queries * t->span;
  float factor = query_factor(t->job);
  for (int64_t k = 0; k < t->job->width; k += t->span, out += LANES) {
    for (int64_t i = 0; i < t->span; i++) out[i] = x[k + i] * factor;
  }
}

static token_state begin_token(const ck_attention *job) {
  token_state t = {.job = job, .span = job->group < FEW_HEADS ? LANES : 4, .begin = job->first[0], .end = job->last[0]};
  int64_t queries = LANES / t.span;
  t.vectors = (job->count + queries - 1) / queries;
  t.queries = aligned(job->scratch);
  t.out = t.queries + MANY_HEADS * job->width;
  t.keys = t.out + MANY_HEADS * job->width;
  t.weights = t.keys + KEYS * job->width;
  t.largest = t.weights + TILE * MANY_HEADS;
  t.total = t.largest + MANY_HEADS * LANES;
  t.slopes = t.total + MANY_HEADS * LANES;
  for (int64_t i = 0; i < t.vectors * queries; i++) {
    load_query(&t, i, job->queries + query_offset(job, smaller(i, job->count - 1)));
    for (int64_t k = 0; k < job->width; k++) t.out[i * job->width + k] = 0;
    for (int64_t lane = i * t.span; lane < (i + 1) * t.span; lane++) {
      t.largest[lane] = -FLT_MAX; // not −∞, of which differences are no numbers
      t.total[lane] = 0;
      t.slopes[lane] = job->slopes ? LOG2_E * job->slopes[smaller(i, job->count - 1)] : 0;
    }
  }
  return t;
}

// Lane 4 q + i of the result is the sum of lanes 4 q … 4 q + 3 of v[i].
static inline __m512 sums_of_four(__m512 a, __m512 b, __m512 c, __m512 d) {
  __m512 ab = _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
  __m512 cd = _mm512_add_ps(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
  return _mm512_add_ps(_mm512_shuffle_ps(ab, cd, 0x44), _mm512_shuffle_ps(ab, cd, 0xee));
}

// Lane i of the result is the sum of the lanes of v[i].
static inline __m512 sums_of_sixteen(__m512 v[LANES]) {
  __m512 t[4];
  for (int i = 0; i < 4; i++) t[i] = sums_of_four(v[4 * i], v[4 * i + 1], v[4 * i + 2], v[4 * i + 3]);
  __m512 ab = _mm512_add_ps(_mm512_shuffle_f32x4(t[0], t[1], 0x88), _mm512_shuffle_f32x4(t[0], t[1], 0xdd));
  __m512 cd = _mm512_add_ps(_mm512_shuffle_f32x4(t[2], t[3], 0x88), _mm512_shuffle_f32x4(t[2], t[3], 0xdd));
  return _mm512_add_ps(_mm512_shuffle_f32x4(ab, cd, 0x88), _mm512_shuffle_f32x4(ab, cd, 0xdd));
}

// Rows of the next tile, behind the last one those of the next head, or, for want of it, rows that are near already.
static inline const uint8_t *ahead_of(const token_state *t, const void *cache, int64_t position) {
  int64_t beyond = position + TILE - t->end;
  if (beyond < 0) return cache_row(t->job, cache, position + TILE);
  return t->job->next_bytes ? cache_row(t->job, cache, t->begin + beyond) + t->job->next_bytes
                            : cache_row(t->job, cache, position);
}

// Products of `positions` keys with `vectors` times four queries, 16 sums in all. The lines from `ahead` on are asked for one
// by one and in their order, so that neither a burst of them waits nor the hardware's own fetching loses their track.
static inline __attribute__((always_inline)) void multiply_four(
    const token_state *t, const float *keys, const uint8_t *ahead, int64_t vector, int positions, int vectors,
    float *scores) {
  __m512 sums[LANES][2];
  size_t step = t->job->position_bytes * (size_t)positions * 4 / (size_t)t->job->width;
  for (int i = 0; i < positions; i++) {
    for (int v = 0; v < vectors; v++) sums[i][v] = _mm512_setzero_ps();
  }
  const float *query = t->queries + vector * t->job->width * 4;
  for (int64_t k = 0; k < t->job->width; k += LANES, keys += LANES * KEYS) {
    for (int64_t j = 0; j < LANES; j += 4, query += LANES, ahead += step) {
      __m512 q[2];
      for (int line = 0; line < positions / 8; line++) _mm_prefetch((const char *)ahead + line * 64, _MM_HINT_T1);
      for (int v = 0; v < vectors; v++) q[v] = _mm512_load_ps(query + v * t->job->width * 4);
#pragma clang loop unroll(full)
      for (int i = 0; i < positions; i++) {
        __m512 key = _mm512_broadcast_f32x4(_mm_load_ps(keys + i * LANES + j));
        for (int v = 0; v < vectors; v++) sums[i][v] = _mm512_fmadd_ps(q[v], key, sums[i][v]);
      }
    }
  }
  for (int i = 0; i < positions; i += 4) {
    for (int v = 0; v < vectors; v++) {
      __m512 four = sums_of_four(sums[i][v], sums[i + 1][v], sums[i + 2][v], sums[i + 3][v]);
      _mm512_store_ps(scores + (i / 4 * t->vectors + vector + v) * LANES, four);
    }
  }
}

static void multiply_one(const token_state *t, const float *keys, const uint8_t *ahead, int64_t query, float *scores) {
  __m512 sums[LANES];
  for (int i = 0; i < LANES; i++) sums[i] = _mm512_setzero_ps();
  size_t step = t->job->position_bytes * LANES / (size_t)t->job->width;
  for (int64_t k = 0; k < t->job->width; k += LANES) {
    __m512 q = _mm512_load_ps(t->queries + query * t->job->width + k);
#pragma clang loop unroll(full)
    for (int i = 0; i < LANES; i++, ahead += step) {
      _mm_prefetch((const char *)ahead, _MM_HINT_T1);
      sums[i] = _mm512_fmadd_ps(q, _mm512_load_ps(keys + k * KEYS + i * LANES), sums[i]);
    }
  }
  _mm512_store_ps(scores + query * LANES, sums_of_sixteen(sums));
}

// Products of sixteen positions of a tile with all queries.
static void multiply_sixteen(const token_state *t, int64_t tile, int64_t p, int64_t count, int type) {
  float *scores = t->weights + p / t->span * t->vectors * LANES;
  load_keys(t->job, tile + p, smaller(KEYS, count - p), type, t->keys);
  const uint8_t *ahead = ahead_of(t, t->job->keys, tile + p);
  int64_t v = 0;
  if (t->span == LANES) {
    for (; v < t->vectors; v++) multiply_one(t, t->keys, ahead, v, scores);
  }
  for (; v + 2 <= t->vectors; v += 2) {
    multiply_four(t, t->keys, ahead, v, 8, 2, scores);
    multiply_four(t, t->keys + 8 * LANES, ahead + 8 * t->job->position_bytes, v, 8, 2, scores + 2 * t->vectors * LANES);
  }
  if (v < t->vectors) multiply_four(t, t->keys, ahead, v, 16, 1, scores);
}

// Caps, biases and the end of a partial tile.
static void limit_token(const token_state *t, int64_t tile, int64_t count, int64_t rows) {
  __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  lanes = _mm512_and_si512(lanes, _mm512_set1_epi32((int32_t)t->span - 1));
  for (int64_t row = 0; row < rows; row++) {
    __m512i positions = _mm512_add_epi32(lanes, _mm512_set1_epi32((int32_t)(row * t->span)));
    __m512 distances = _mm512_cvtepi32_ps(_mm512_add_epi32(positions, _mm512_set1_epi32((int32_t)(tile - t->end + 1))));
    __mmask16 seen = _mm512_cmplt_epi32_mask(positions, _mm512_set1_epi32((int32_t)count));
    for (int64_t v = 0; v < t->vectors; v++) {
      float *scores = t->weights + (row * t->vectors + v) * LANES;
      __m512 score = limited(t->job, _mm512_load_ps(scores), _mm512_load_ps(t->slopes + v * LANES), distances);
      _mm512_store_ps(scores, _mm512_mask_mov_ps(_mm512_set1_ps(-INFINITY), seen, score));
    }
  }
}

// In each lane the highest of its query's lanes.
static inline __m512 highest_of(__m512 v, int64_t span) {
  v = _mm512_max_ps(v, _mm512_permute_ps(v, 0xb1));
  v = _mm512_max_ps(v, _mm512_permute_ps(v, 0x4e));
  if (span < LANES) return v;
  v = _mm512_max_ps(v, _mm512_shuffle_f32x4(v, v, 0xb1));
  return _mm512_max_ps(v, _mm512_shuffle_f32x4(v, v, 0x4e));
}

static void rescale(const token_state *t, int64_t vector, __m512 factors) {
  float lanes[LANES];
  _mm512_storeu_ps(lanes, factors);
  float *total = t->total + vector * LANES, *out = t->out + vector * LANES / t->span * t->job->width;
  _mm512_store_ps(total, _mm512_mul_ps(_mm512_load_ps(total), factors));
  for (int64_t lane = 0; lane < LANES; lane += t->span) {
    __m512 factor = _mm512_set1_ps(lanes[lane]);
    for (int64_t k = 0; k < t->job->width; k += LANES, out += LANES) {
      _mm512_store_ps(out, _mm512_mul_ps(_mm512_load_ps(out), factor));
    }
  }
}

// Scores of a tile become weights; what came before is brought to the new maxima.
static void weigh_token(const token_state *t, int64_t rows) {
  for (int64_t v = 0; v < t->vectors; v++) {
    __m512 before = _mm512_load_ps(t->largest + v * LANES), largest = before, sum = _mm512_setzero_ps();
    float *scores = t->weights + v * LANES;
    int64_t step = t->vectors * LANES;
    for (int64_t row = 0; row < rows; row++) largest = _mm512_max_ps(largest, _mm512_load_ps(scores + row * step));
    largest = highest_of(largest, t->span);
    for (int64_t row = 0; row < rows; row++) {
      __m512 weights = exp2_avx512(_mm512_sub_ps(_mm512_load_ps(scores + row * step), largest));
      _mm512_store_ps(scores + row * step, weights);
      sum = _mm512_add_ps(sum, weights);
    }
    if (_mm512_cmpneq_ps_mask(before, largest)) {
      rescale(t, v, exp2_avx512(_mm512_sub_ps(before, largest)));
      _mm512_store_ps(t->largest + v * LANES, largest);
    }
    float *total = t->total + v * LANES;
    _mm512_store_ps(total, _mm512_add_ps(_mm512_load_ps(total), sum));
  }
}

// out += weights · values for `queries` queries from `query` on and 16 · parts columns from k on.
static inline __attribute__((always_inline)) void add_columns(
    const token_state *t, int64_t tile, int64_t count, int64_t query, int64_t k, int queries, int parts, int type) {
  __m512 sums[8][4];
  float *out = t->out + query * t->job->width + k;
  const uint8_t *row = cache_row(t->job, t->job->values, tile);
  // Each pass over the tile's rows asks for its share of the next tile's, in their order.
  size_t step = t->job->position_bytes * (size_t)(parts * LANES) / (size_t)t->job->width;
  const uint8_t *ahead = ahead_of(t, t->job->values, tile + k * TILE / t->job->width);
  for (int q = 0; q < queries; q++) {
    for (int c = 0; c < parts; c++) sums[q][c] = _mm512_load_ps(out + q * t->job->width + c * LANES);
  }
  const float *weights = t->weights + query * t->span;
  for (int64_t p = 0; p < count; p += t->span, weights += t->vectors * LANES) {
    int64_t lanes = smaller(t->span, count - p);
    for (int64_t i = 0; i < lanes; i++, row += t->job->position_bytes, ahead += step) {
      __m512 value[4];
      for (int line = 0; line < parts; line += 2) _mm_prefetch((const char *)ahead + line * 32, _MM_HINT_T1);
      for (int c = 0; c < parts; c++) value[c] = cached(row, k + c * LANES, type);
#pragma clang loop unroll(full)
      for (int q = 0; q < queries; q++) {
        __m512 x = _mm512_set1_ps(weights[q * t->span + i]);
        for (int c = 0; c < parts; c++) sums[q][c] = _mm512_fmadd_ps(x, value[c], sums[q][c]);
      }
    }
  }
  for (int q = 0; q < queries; q++) {
    for (int c = 0; c < parts; c++) _mm512_store_ps(out + q * t->job->width + c * LANES, sums[q][c]);
  }
}

static inline __attribute__((always_inline)) void add_rows(
    const token_state *t, int64_t tile, int64_t count, int64_t query, int queries, int parts, int type) {
  int64_t k = 0;
  for (; k + parts * LANES <= t->job->width; k += parts * LANES) {
    add_columns(t, tile, count, query, k, queries, parts, type);
  }
  for (; k < t->job->width; k += LANES) add_columns(t, tile, count, query, k, queries, 1, type);
}

static inline __attribute__((always_inline)) void add_rows_as(const token_state *t, int64_t tile, int64_t count, int type) {
  int64_t query = 0, queries = t->vectors * (LANES / t->span);
  for (; query + 8 <= queries; query += 8) add_rows(t, tile, count, query, 8, 2, type);
  for (; query + 4 <= queries; query += 4) add_rows(t, tile, count, query, 4, 4, type);
  for (; query < queries; query++) add_rows(t, tile, count, query, 1, 4, type);
}

static void end_token(const token_state *t) {
  for (int64_t i = 0; i < t->job->count; i++) {
    float total = 0, *out = t->job->out + query_offset(t->job, i);
    for (int64_t lane = 0; lane < t->span; lane++) total += t->total[i * t->span + lane];
    if (t->job->sinks) total += exp2f(LOG2_E * t->job->sinks[i] - t->largest[i * t->span]);
    for (int64_t k = 0; k < t->job->width; k++) out[k] = t->out[i * t->job->width + k] / total;
  }
}

// Rows of the first tile, for which the job before may not have asked.
static void fetch(const ck_attention *job, const void *cache, int64_t position, int64_t count) {
  const char *rows = (const char *)cache_row(job, cache, position);
  for (size_t byte = 0; byte < (size_t)count * job->position_bytes; byte += 64) _mm_prefetch(rows + byte, _MM_HINT_T1);
}

static void attend_token(const ck_attention *job, int type) {
  fetch(job, job->keys, job->first[0], smaller(2 * KEYS, job->last[0] - job->first[0]));
  token_state t = begin_token(job);
  for (int64_t tile = t.begin; tile < t.end; tile += TILE) {
    int64_t count = smaller(TILE, t.end - tile), rows = (count + t.span - 1) / t.span;
    for (int64_t p = 0; p < count; p += KEYS) {
      if (tile == t.begin) fetch(job, job->values, tile + p, smaller(KEYS, count - p));
      multiply_sixteen(&t, tile, p, count, type);
    }
    if (job->cap > 0 || job->slopes || count < TILE) limit_token(&t, tile, count, rows);
    weigh_token(&t, rows);
    if (type == CK_F32) add_rows_as(&t, tile, count, CK_F32);
    if (type == CK_F16) add_rows_as(&t, tile, count, CK_F16);
    if (type == CK_Q8_0) add_rows_as(&t, tile, count, CK_Q8_0);
  }
  end_token(&t);
}

#endif
