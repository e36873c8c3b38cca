// SPDX-License-Identifier: Apache-2.0
// Softmax attention in one pass for AVX2 (Milakov and Gimelshein, arXiv 1805.02867), of prompts and of one token:
//
//   for each tile of 32 positions:
//     decode the keys, transposed; for each three queries 12 registers hold 3 × 32 products: per column 4 loads, 3 broadcasts
//     new maxima, weights and sums; rescale the outputs
//     decode the values; for each three queries, 32 columns: 12 registers hold 3 × 32 outputs: per position the same
// Liberties against the portable twin: the maximum is updated per tile, not per position, and what a tile adds to an
// output is summed from what was there before.
#if defined(__x86_64__)
#include <math.h>
#include <string.h>
#include "exp_avx2.h"
#include "rows.h"
#include "transpose_avx2.h"

enum { LANES = 8, TILE = 32, PARTS = TILE / LANES, QUERIES = 3 };

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

// What one query keeps between tiles; the scores of the tile become its weights in place.
typedef struct { float largest, total, scores[TILE]; } query_state;

// A tile of a job's positions, and room for its rows as floats: keys [width][TILE], then values [TILE][width].
typedef struct {
  const ck_attention *job;
  query_state *states;
  float *rows;
  int64_t begin, end;
} tile;

static inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

// Eight values of a cached row, from k on.
static inline __attribute__((always_inline)) __m256 cached(const uint8_t *row, int64_t k, int type) {
  if (type == CK_F32) return _mm256_loadu_ps((const float *)row + k);
  if (type == CK_F16) return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(row + 2 * k)));
  const uint8_t *block = row + k / 32 * 34;
  uint16_t scale;
  memcpy(&scale, block, sizeof scale);
  __m256i codes = _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(block + 2 + k % 32)));
  return _mm256_mul_ps(_mm256_cvtepi32_ps(codes), _mm256_set1_ps(_cvtsh_ss(scale)));
}

static inline size_t row_bytes(const ck_attention *job, int type) {
  return (size_t)job->width * (type == CK_F32 ? 4 : 2); // of q8_0 a little more than is there
}
// Rows that are loaded while others are multiplied.
static inline void ask_for(const tile *t, const void *cache, int64_t begin, int64_t end, int type) {
  for (int64_t p = begin; p < end; p++) {
    const uint8_t *row = (const uint8_t *)cache + (size_t)p * t->job->position_bytes;
    for (size_t i = 0; i < row_bytes(t->job, type); i += 64) _mm_prefetch((const char *)row + i, _MM_HINT_T0);
  }
}

// Columns of the tile's keys, zero beyond its end.
static inline __attribute__((always_inline)) void load_keys(const tile *t, int type) {
  for (int64_t p = 0; p < TILE; p += LANES) {
    const uint8_t *row = (const uint8_t *)t->job->keys + (size_t)(t->begin + p) * t->job->position_bytes;
    for (int64_t k = 0; k < t->job->width; k += LANES) {
      __m256 v[LANES];
      for (int64_t i = 0; i < LANES; i++) {
        int is_there = t->begin + p + i < t->end;
        v[i] = is_there ? cached(row + (size_t)i * t->job->position_bytes, k, type) : _mm256_setzero_ps();
      }
      transpose_eight(v);
      for (int64_t i = 0; i < LANES; i++) _mm256_storeu_ps(t->rows + (k + i) * TILE + p, v[i]);
    }
  }
}

static inline __attribute__((always_inline)) void load_values(const tile *t, int type) {
  const uint8_t *row = (const uint8_t *)t->job->values + (size_t)t->begin * t->job->position_bytes;
  float *out = t->rows;
  for (int64_t p = t->begin; p < t->end; p++, row += t->job->position_bytes, out += t->job->width) {
    for (int64_t k = 0; k < t->job->width; k += LANES) _mm256_storeu_ps(out + k, cached(row, k, type));
  }
}

// Products of some queries from i on with the tile's keys.
static inline __attribute__((always_inline)) void score(const tile *t, int64_t i, int queries) {
  __m256 sums[QUERIES][PARTS];
  const float *query[QUERIES];
  for (int q = 0; q < queries; q++) {
    query[q] = t->job->queries + query_offset(t->job, i + q);
    for (int c = 0; c < PARTS; c++) sums[q][c] = _mm256_setzero_ps();
  }
  for (int64_t k = 0; k < t->job->width; k++) {
    // Three broadcasts and one vector at a time: with four vectors at hand sums would leave the sixteen registers.
    __m256 x[QUERIES];
    for (int q = 0; q < queries; q++) x[q] = _mm256_broadcast_ss(query[q] + k);
#pragma clang loop unroll(full)
    for (int c = 0; c < PARTS; c++) {
      __m256 key = _mm256_loadu_ps(t->rows + k * TILE + c * LANES);
      for (int q = 0; q < queries; q++) sums[q][c] = _mm256_fmadd_ps(key, x[q], sums[q][c]);
    }
  }
  __m256 scale = _mm256_set1_ps(t->job->scale);
  for (int q = 0; q < queries; q++) {
    for (int c = 0; c < PARTS; c++) _mm256_storeu_ps(t->states[i + q].scores + c * LANES, _mm256_mul_ps(sums[q][c], scale));
  }
}

// The cap and the bias of distances, and −∞ for positions that the query does not see.
static inline void limit(const tile *t, int64_t i) {
  const ck_attention *job = t->job;
  float *scores = t->states[i].scores;
  int64_t from = larger(job->first[i], t->begin) - t->begin, to = smaller(job->last[i], t->end) - t->begin;
  for (int64_t p = from; p < to && (job->cap > 0 || job->slopes); p++) {
    scores[p] = soft_capped(scores[p], job->cap) + distance_bias(job, i, t->begin + p);
  }
  for (int64_t p = 0; p < smaller(from, TILE); p++) scores[p] = -INFINITY;
  for (int64_t p = larger(to, 0); p < TILE; p++) scores[p] = -INFINITY;
}

static inline float sum_lanes(__m256 v) {
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
static inline float largest_lane(__m256 v) {
  __m128 m = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  m = _mm_max_ps(m, _mm_movehl_ps(m, m));
  return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
}

static inline void scale_row(float *x, float factor, int64_t n) {
  __m256 f = _mm256_set1_ps(factor);
  for (int64_t i = 0; i < n; i += LANES) _mm256_storeu_ps(x + i, _mm256_mul_ps(_mm256_loadu_ps(x + i), f));
}

// A query's scores become weights e^(score − largest), those of positions unseen (−∞) zero.
static inline void weigh(const tile *t, int64_t i) {
  query_state *state = t->states + i;
  __m256 scores[PARTS], sums = _mm256_setzero_ps();
  for (int c = 0; c < PARTS; c++) scores[c] = _mm256_loadu_ps(state->scores + c * LANES);
  float own = largest_lane(_mm256_max_ps(_mm256_max_ps(scores[0], scores[1]), _mm256_max_ps(scores[2], scores[3])));
  float largest = own > state->largest ? own : state->largest;
  for (int c = 0; c < PARTS; c++) {
    __m256 seen = _mm256_cmp_ps(scores[c], _mm256_set1_ps(-INFINITY), _CMP_NEQ_OQ);
    __m256 weight = _mm256_and_ps(exp_avx2(_mm256_sub_ps(scores[c], _mm256_set1_ps(largest))), seen);
    _mm256_storeu_ps(state->scores + c * LANES, weight);
    sums = _mm256_add_ps(sums, weight);
  }
  float rescale = state->total > 0 ? expf(state->largest - largest) : 0;
  if (rescale != 1) scale_row(t->job->out + query_offset(t->job, i), rescale, t->job->width);
  state->total = state->total * rescale + sum_lanes(sums);
  state->largest = largest;
}

// So many vectors of columns from k on of some queries' outputs.
static inline __attribute__((always_inline)) void add_columns(const tile *t, int64_t i, int queries, int64_t k, int vectors) {
  __m256 sums[QUERIES][PARTS];
  float *out[QUERIES];
  for (int q = 0; q < queries; q++) {
    out[q] = t->job->out + query_offset(t->job, i + q) + k;
    for (int c = 0; c < vectors; c++) sums[q][c] = _mm256_loadu_ps(out[q] + c * LANES);
  }
  const float *row = t->rows + k;
  for (int64_t p = 0; p < t->end - t->begin; p++, row += t->job->width) {
    __m256 weight[QUERIES];
    for (int q = 0; q < queries; q++) weight[q] = _mm256_broadcast_ss(t->states[i + q].scores + p);
#pragma clang loop unroll(full)
    for (int c = 0; c < vectors; c++) {
      __m256 value = _mm256_loadu_ps(row + c * LANES);
      for (int q = 0; q < queries; q++) sums[q][c] = _mm256_fmadd_ps(value, weight[q], sums[q][c]);
    }
  }
  for (int q = 0; q < queries; q++) {
    for (int c = 0; c < vectors; c++) _mm256_storeu_ps(out[q] + c * LANES, sums[q][c]);
  }
}

static inline __attribute__((always_inline)) void add_values(const tile *t, int64_t i, int queries) {
  int64_t k = 0;
  for (; k + PARTS * LANES <= t->job->width; k += PARTS * LANES) add_columns(t, i, queries, k, PARTS);
  for (; k < t->job->width; k += LANES) add_columns(t, i, queries, k, 1);
}

static void score_some(const tile *t, int64_t i, int64_t queries) {
  if (queries == 1) score(t, i, 1);
  else if (queries == 2) score(t, i, 2);
  else score(t, i, 3);
}
static void add_some(const tile *t, int64_t i, int64_t queries) {
  if (queries == 1) add_values(t, i, 1);
  else if (queries == 2) add_values(t, i, 2);
  else add_values(t, i, 3);
}

// The next query from i on that sees a position of the tile.
static inline int64_t next_seeing(const tile *t, int64_t i) {
  while (i < t->job->count && larger(t->job->first[i], t->begin) >= smaller(t->job->last[i], t->end)) i++;
  return i;
}
// How many queries from i on, up to three, see a position of the tile.
static inline int64_t seeing(const tile *t, int64_t i) {
  int64_t n = 1;
  while (n < QUERIES && i + n < t->job->count && next_seeing(t, i + n) == i + n) n++;
  return n;
}

static inline __attribute__((always_inline)) void attend_tile(const tile *t, int type) {
  load_keys(t, type);
  ask_for(t, t->job->values, t->begin, t->end, type);
  for (int64_t i = next_seeing(t, 0), n; i < t->job->count; i = next_seeing(t, i + n)) {
    n = seeing(t, i);
    score_some(t, i, n);
    for (int64_t q = i; q < i + n; q++) {
      limit(t, q);
      weigh(t, q);
    }
  }
  load_values(t, type);
  ask_for(t, t->job->keys, t->end, t->end + TILE, type);
  for (int64_t i = next_seeing(t, 0), n; i < t->job->count; i = next_seeing(t, i + n)) {
    n = seeing(t, i);
    add_some(t, i, n);
  }
}

static inline __attribute__((always_inline)) void attend(const ck_attention *job, int type) {
  tile t = {.job = job, .states = (query_state *)job->scratch, .begin = job->first[0]};
  t.rows = job->scratch + job->count * (int64_t)(sizeof(query_state) / sizeof(float));
  int64_t end = job->last[0];
  for (int64_t i = 0; i < job->count; i++) {
    t.states[i].largest = -INFINITY;
    t.states[i].total = 0;
    memset(job->out + query_offset(job, i), 0, (size_t)job->width * sizeof(float));
    t.begin = smaller(t.begin, job->first[i]);
    end = larger(end, job->last[i]);
  }
  for (; t.begin < end; t.begin += TILE) {
    t.end = smaller(t.begin + TILE, end);
    attend_tile(&t, type);
  }
  for (int64_t i = 0; i < job->count; i++) {
    if (job->sinks) t.states[i].total += expf(job->sinks[i] - t.states[i].largest);
    scale_row(job->out + query_offset(job, i), 1 / t.states[i].total, job->width);
  }
}

void attention_f32_avx2(const ck_attention *job) { attend(job, CK_F32); }
void attention_f16_avx2(const ck_attention *job) { attend(job, CK_F16); }
void attention_q8_0_avx2(const ck_attention *job) { attend(job, CK_Q8_0); }

#pragma clang attribute pop
#endif
