// SPDX-License-Identifier: Apache-2.0
// Attention of many queries for AVX-512: a lane is a query, so that maxima, weights and sums need nothing across lanes.
//
//   transpose 48 queries; for each tile of 128 positions:
//     for each 16 positions: decode their keys; twice 24 registers hold 8 × 48 products; per column 3 loads, 8 broadcasts
//     new maxima, weights
//     for each 16 columns: decode the values; twice 24 registers hold 8 × 48 outputs; per position 3 loads, 8 broadcasts
//   transpose the outputs
// What is decoded is used at once and the next overwrites it: whole tiles of floats would not stay in the first cache.
#ifndef ANPROBE_ATTENTION_PROMPT_AVX512_H
#define ANPROBE_ATTENTION_PROMPT_AVX512_H
#include <float.h>
#include "attention_tile_avx512.h"

enum { PARTS = 3, BLOCK = PARTS * LANES, STEP = 8 };

// Up to 48 queries of a job from `query` on; lanes beyond them repeat the first one and are not stored.
typedef struct {
  const ck_attention *job;
  int64_t query, count, parts;
  int64_t begin, end;           // positions that one of them sees
  int64_t all_begin, all_end;   // positions that all of them see
  float *queries, *out;         // [width][BLOCK]
  float *keys;                  // [width / 16][KEYS][16]
  float *values;                // [TILE][16]
  float *weights;               // [TILE][BLOCK], scores before
  float *largest, *total, *slopes;   // [BLOCK]
  int32_t *first, *last;
  size_t offsets[BLOCK];        // where queries and outputs begin, in floats
} query_block;

static query_block block_at(const ck_attention *job, int64_t query) {
  query_block b = {.job = job, .query = query, .count = smaller(job->count - query, BLOCK)};
  b.parts = (b.count + LANES - 1) / LANES;
  b.queries = aligned(job->scratch);
  b.out = b.queries + BLOCK * job->width;
  b.keys = b.out + BLOCK * job->width;
  b.values = b.keys + KEYS * job->width;
  b.weights = b.values + TILE * LANES;
  b.largest = b.weights + TILE * BLOCK;
  b.total = b.largest + BLOCK;
  b.slopes = b.total + BLOCK;
  b.first = (int32_t *)(b.slopes + BLOCK);
  b.last = b.first + BLOCK;
  b.begin = b.all_begin = job->first[query];
  b.end = b.all_end = job->last[query];
  for (int64_t i = 0; i < b.parts * LANES; i++) {
    int64_t own = i < b.count ? query + i : query;
    b.begin = smaller(b.begin, job->first[own]), b.all_begin = larger(b.all_begin, job->first[own]);
    b.end = larger(b.end, job->last[own]), b.all_end = smaller(b.all_end, job->last[own]);
    b.offsets[i] = query_offset(job, own);
    b.first[i] = (int32_t)job->first[own];
    b.last[i] = (int32_t)job->last[own];
    b.slopes[i] = job->slopes ? LOG2_E * job->slopes[own] : 0;
    b.largest[i] = -FLT_MAX; // not −∞, of which differences are no numbers
    b.total[i] = 0;
  }
  return b;
}

// Rows to columns, in place: pairs, fours, then 128-bit lanes by fours.
static inline void transpose(__m512 v[LANES]) {
  __m512 t[LANES];
  for (int i = 0; i < LANES; i += 4) {
    __m512 a = _mm512_unpacklo_ps(v[i], v[i + 1]), b = _mm512_unpackhi_ps(v[i], v[i + 1]);
    __m512 c = _mm512_unpacklo_ps(v[i + 2], v[i + 3]), d = _mm512_unpackhi_ps(v[i + 2], v[i + 3]);
    t[i] = _mm512_shuffle_ps(a, c, 0x44), t[i + 1] = _mm512_shuffle_ps(a, c, 0xee);
    t[i + 2] = _mm512_shuffle_ps(b, d, 0x44), t[i + 3] = _mm512_shuffle_ps(b, d, 0xee);
  }
  for (int i = 0; i < 4; i++) {
    __m512 a = _mm512_shuffle_f32x4(t[i], t[i + 4], 0x88), b = _mm512_shuffle_f32x4(t[i], t[i + 4], 0xdd);
    __m512 c = _mm512_shuffle_f32x4(t[i + 8], t[i + 12], 0x88), d = _mm512_shuffle_f32x4(t[i + 8], t[i + 12], 0xdd);
    v[i] = _mm512_shuffle_f32x4(a, c, 0x88), v[i + 8] = _mm512_shuffle_f32x4(a, c, 0xdd);
    v[i + 4] = _mm512_shuffle_f32x4(b, d, 0x88), v[i + 12] = _mm512_shuffle_f32x4(b, d, 0xdd);
  }
}

static void load_queries(const query_block *b) {
  __m512 v[LANES], factor = _mm512_set1_ps(query_factor(b->job));
  for (int64_t part = 0; part < b->parts; part++) {
    for (int64_t k = 0; k < b->job->width; k += LANES) {
      for (int64_t i = 0; i < LANES; i++) {
        v[i] = _mm512_mul_ps(_mm512_loadu_ps(b->job->queries + b->offsets[part * LANES + i] + k), factor);
      }
      transpose(v);
      for (int64_t i = 0; i < LANES; i++) {
        _mm512_store_ps(b->queries + (k + i) * BLOCK + part * LANES, v[i]);
        _mm512_store_ps(b->out + (k + i) * BLOCK + part * LANES, _mm512_setzero_ps());
      }
    }
  }
}

static void store_outputs(const query_block *b) {
  __m512 v[LANES];
  for (int64_t part = 0; part < b->parts; part++) {
    __m512 shares = _mm512_div_ps(_mm512_set1_ps(1), _mm512_load_ps(b->total + part * LANES));
    for (int64_t k = 0; k < b->job->width; k += LANES) {
      for (int64_t i = 0; i < LANES; i++) {
        v[i] = _mm512_mul_ps(_mm512_load_ps(b->out + (k + i) * BLOCK + part * LANES), shares);
      }
      transpose(v);
      for (int64_t i = 0; i < LANES && part * LANES + i < b->count; i++) {
        _mm512_storeu_ps(b->job->out + b->offsets[part * LANES + i] + k, v[i]);
      }
    }
  }
}

// Caps, biases and −∞ for the queries that do not see a position, in the scores of a tile's positions from p on.
static void limit_block(const query_block *b, int64_t tile, int64_t p) {
  for (int64_t part = 0; part < b->parts; part++) {
    __m512i first = _mm512_load_si512(b->first + part * LANES), last = _mm512_load_si512(b->last + part * LANES);
    __m512i own = _mm512_sub_epi32(last, _mm512_set1_epi32(1));
    __m512 slopes = _mm512_load_ps(b->slopes + part * LANES);
    for (int64_t i = p; i < p + STEP; i++) {
      __m512i at = _mm512_set1_epi32((int32_t)(tile + i));
      __mmask16 seen = _mm512_mask_cmplt_epi32_mask(_mm512_cmpge_epi32_mask(at, first), at, last);
      float *scores = b->weights + i * BLOCK + part * LANES;
      __m512 distances = _mm512_cvtepi32_ps(_mm512_sub_epi32(at, own));
      __m512 limits = limited(b->job, _mm512_load_ps(scores), slopes, distances);
      _mm512_store_ps(scores, _mm512_mask_mov_ps(_mm512_set1_ps(-INFINITY), seen, limits));
    }
  }
}

// The products of eight of the decoded keys, those of the tile's positions from p on.
static inline __attribute__((always_inline)) void multiply_keys(const query_block *b, int64_t p, int parts) {
  __m512 sums[STEP][PARTS];
  for (int i = 0; i < STEP; i++) for (int c = 0; c < parts; c++) sums[i][c] = _mm512_setzero_ps();
  const float *query = b->queries;
  for (int64_t k = 0; k < b->job->width; k += LANES) {
    const float *key = b->keys + k * KEYS + p % KEYS * LANES;
    for (int j = 0; j < LANES; j++, key++, query += BLOCK) {
      __m512 q[PARTS];
      for (int c = 0; c < parts; c++) q[c] = _mm512_load_ps(query + c * LANES);
#pragma clang loop unroll(full)
      for (int i = 0; i < STEP; i++) {
        __m512 x = _mm512_set1_ps(key[i * LANES]);
        for (int c = 0; c < parts; c++) sums[i][c] = _mm512_fmadd_ps(q[c], x, sums[i][c]);
      }
    }
  }
#pragma clang loop unroll(full)
  for (int i = 0; i < STEP; i++) {
    for (int c = 0; c < parts; c++) _mm512_store_ps(b->weights + (p + i) * BLOCK + c * LANES, sums[i][c]);
  }
}

// Scores of `count` positions become weights; what came before is brought to the new maxima.
static inline __attribute__((always_inline)) void weigh_block(const query_block *b, int64_t count, int parts) {
  __m512 largest[PARTS], sums[PARTS];
  for (int c = 0; c < parts; c++) largest[c] = _mm512_load_ps(b->largest + c * LANES), sums[c] = _mm512_setzero_ps();
  for (int64_t p = 0; p < count; p++) {
    const float *scores = b->weights + p * BLOCK;
    for (int c = 0; c < parts; c++) largest[c] = _mm512_max_ps(largest[c], _mm512_load_ps(scores + c * LANES));
  }
  for (int64_t p = 0; p < count; p++) {
    for (int c = 0; c < parts; c++) {
      float *weights = b->weights + p * BLOCK + c * LANES;
      __m512 weight = exp2_avx512(_mm512_sub_ps(_mm512_load_ps(weights), largest[c]));
      _mm512_store_ps(weights, weight);
      sums[c] = _mm512_add_ps(sums[c], weight);
    }
  }
  for (int c = 0; c < parts; c++) {
    __m512 before = _mm512_load_ps(b->largest + c * LANES), total = _mm512_load_ps(b->total + c * LANES);
    if (_mm512_cmpneq_ps_mask(before, largest[c])) {
      __m512 factor = exp2_avx512(_mm512_sub_ps(before, largest[c]));
      total = _mm512_mul_ps(total, factor);
      for (int64_t k = 0; k < b->job->width; k++) {
        float *out = b->out + k * BLOCK + c * LANES;
        _mm512_store_ps(out, _mm512_mul_ps(_mm512_load_ps(out), factor));
      }
      _mm512_store_ps(b->largest + c * LANES, largest[c]);
    }
    _mm512_store_ps(b->total + c * LANES, _mm512_add_ps(total, sums[c]));
  }
}

// Eight columns of the outputs from k on.
static inline __attribute__((always_inline)) void add_values(const query_block *b, int64_t k, int64_t count, int parts) {
  __m512 sums[STEP][PARTS];
  float *out = b->out + k * BLOCK;
  const float *value = b->values + k % LANES;
#pragma clang loop unroll(full)
  for (int i = 0; i < STEP; i++) {
    for (int c = 0; c < parts; c++) sums[i][c] = _mm512_load_ps(out + i * BLOCK + c * LANES);
  }
  for (int64_t p = 0; p < count; p++) {
    __m512 weights[PARTS];
    for (int c = 0; c < parts; c++) weights[c] = _mm512_load_ps(b->weights + p * BLOCK + c * LANES);
#pragma clang loop unroll(full)
    for (int i = 0; i < STEP; i++) {
      __m512 x = _mm512_set1_ps(value[p * LANES + i]);
      for (int c = 0; c < parts; c++) sums[i][c] = _mm512_fmadd_ps(weights[c], x, sums[i][c]);
    }
  }
#pragma clang loop unroll(full)
  for (int i = 0; i < STEP; i++) {
    for (int c = 0; c < parts; c++) _mm512_store_ps(out + i * BLOCK + c * LANES, sums[i][c]);
  }
}

static inline __attribute__((always_inline)) void load_values_as(
    const query_block *b, int64_t tile, int64_t count, int64_t k, int type) {
  const uint8_t *row = cache_row(b->job, b->job->values, tile);
  for (int64_t p = 0; p < count; p++, row += b->job->position_bytes) {
    _mm512_store_ps(b->values + p * LANES, cached(row, k, type));
  }
}

// Sixteen columns of a tile's values as floats.
static void load_values(const query_block *b, int64_t tile, int64_t count, int64_t k, int type) {
  if (type == CK_F32) load_values_as(b, tile, count, k, CK_F32);
  if (type == CK_F16) load_values_as(b, tile, count, k, CK_F16);
  if (type == CK_Q8_0) load_values_as(b, tile, count, k, CK_Q8_0);
}

static inline __attribute__((always_inline)) void attend_tile(
    const query_block *b, int64_t tile, int64_t count, int type, int parts) {
  int is_limited = b->job->cap > 0 || b->job->slopes;
  for (int64_t p = 0; p < count; p += STEP) {
    if (p % KEYS == 0) load_keys(b->job, tile + p, smaller(KEYS, count - p), type, b->keys);
    multiply_keys(b, p, parts);
    if (is_limited || tile + p < b->all_begin || tile + p + STEP > b->all_end) limit_block(b, tile, p);
  }
  weigh_block(b, count, parts);
  for (int64_t k = 0; k < b->job->width; k += STEP) {
    if (k % LANES == 0) load_values(b, tile, count, k, type);
    add_values(b, k, count, parts);
  }
}

static void attend_block(const query_block *b, int type) {
  load_queries(b);
  for (int64_t tile = b->begin; tile < b->end; tile += TILE) {
    int64_t count = smaller(TILE, b->end - tile);
    switch (b->parts) {
      case 1: attend_tile(b, tile, count, type, 1); break;
      case 2: attend_tile(b, tile, count, type, 2); break;
      default: attend_tile(b, tile, count, type, 3);
    }
  }
  for (int64_t i = 0; b->job->sinks && i < b->count; i++) {
    b->total[i] += exp2f(LOG2_E * b->job->sinks[b->query + i] - b->largest[i]);
  }
  store_outputs(b);
}

static void attend_prompt(const ck_attention *job, int type) {
  for (int64_t query = 0; query < job->count; query += BLOCK) {
    query_block block = block_at(job, query);
    attend_block(&block, type);
  }
}

#endif
