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
#include "attention_lanes_avx512.h"

enum { PARTS = 3, BLOCK = PARTS * LANES, STEP = 8 };

// Up to 48 queries of a job.
typedef struct {
  query_lanes lanes;
  float *queries, *out;         // [width][BLOCK]
  float *keys;                  // [width / 16][KEYS][16]
  float *values;                // [TILE][16]
  float *weights;               // [TILE][BLOCK], scores before
} query_block;

static query_block block_at(const ck_attention *job, int64_t query) {
  query_block b = {.queries = aligned(job->scratch)};
  b.out = b.queries + BLOCK * job->width;
  b.keys = b.out + BLOCK * job->width;
  b.values = b.keys + KEYS * job->width;
  b.weights = b.values + TILE * LANES;
  b.lanes = lanes_at(job, query, BLOCK, b.weights + TILE * BLOCK);
  return b;
}

static void load_queries(const query_block *b) {
  __m512 v[LANES];
  for (int64_t part = 0; part < b->lanes.parts; part++) {
    for (int64_t k = 0; k < b->lanes.job->width; k += LANES) {
      load_columns(&b->lanes, part, k, v);
      for (int64_t i = 0; i < LANES; i++) {
        _mm512_store_ps(b->queries + (k + i) * BLOCK + part * LANES, v[i]);
        _mm512_store_ps(b->out + (k + i) * BLOCK + part * LANES, _mm512_setzero_ps());
      }
    }
  }
}

static void store_outputs(const query_block *b) {
  for (int64_t part = 0; part < b->lanes.parts; part++) {
    for (int64_t k = 0; k < b->lanes.job->width; k += LANES) {
      store_columns(&b->lanes, part, k, b->out + k * BLOCK + part * LANES, BLOCK);
    }
  }
}

// The products of eight of the decoded keys, those of the tile's positions from p on.
static inline __attribute__((always_inline)) void multiply_keys(const query_block *b, int64_t p, int parts) {
  __m512 sums[STEP][PARTS];
  for (int i = 0; i < STEP; i++) for (int c = 0; c < parts; c++) sums[i][c] = _mm512_setzero_ps();
  const float *query = b->queries;
  for (int64_t k = 0; k < b->lanes.job->width; k += LANES) {
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
  for (int c = 0; c < parts; c++) largest[c] = _mm512_load_ps(b->lanes.largest + c * LANES), sums[c] = _mm512_setzero_ps();
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
    __m512 before = _mm512_load_ps(b->lanes.largest + c * LANES), total = _mm512_load_ps(b->lanes.total + c * LANES);
    if (_mm512_cmpneq_ps_mask(before, largest[c])) {
      __m512 factor = exp2_avx512(_mm512_sub_ps(before, largest[c]));
      total = _mm512_mul_ps(total, factor);
      for (int64_t k = 0; k < b->lanes.job->width; k++) {
        float *out = b->out + k * BLOCK + c * LANES;
        _mm512_store_ps(out, _mm512_mul_ps(_mm512_load_ps(out), factor));
      }
      _mm512_store_ps(b->lanes.largest + c * LANES, largest[c]);
    }
    _mm512_store_ps(b->lanes.total + c * LANES, _mm512_add_ps(total, sums[c]));
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
  const uint8_t *row = cache_row(b->lanes.job, b->lanes.job->values, tile);
  for (int64_t p = 0; p < count; p++, row += b->lanes.job->position_bytes) {
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
  for (int64_t p = 0; p < count; p += STEP) {
    if (p % KEYS == 0) load_keys(b->lanes.job, tile + p, smaller(KEYS, count - p), type, b->keys);
    multiply_keys(b, p, parts);
    if (!has_limits(&b->lanes, tile + p, STEP)) continue;
    for (int c = 0; c < parts; c++) {
      limit_scores(&b->lanes, c, tile + p, STEP, b->weights + p * BLOCK + c * LANES, BLOCK);
    }
  }
  weigh_block(b, count, parts);
  for (int64_t k = 0; k < b->lanes.job->width; k += STEP) {
    if (k % LANES == 0) load_values(b, tile, count, k, type);
    add_values(b, k, count, parts);
  }
}

static void attend_block(const query_block *b, int type) {
  load_queries(b);
  for (int64_t tile = b->lanes.begin; tile < b->lanes.end; tile += TILE) {
    int64_t count = smaller(TILE, b->lanes.end - tile);
    switch (b->lanes.parts) {
      case 1: attend_tile(b, tile, count, type, 1); break;
      case 2: attend_tile(b, tile, count, type, 2); break;
      default: attend_tile(b, tile, count, type, 3);
    }
  }
  add_sinks(&b->lanes);
  store_outputs(b);
}

static void attend_prompt(const ck_attention *job, int type) {
  for (int64_t query = 0; query < job->count; query += BLOCK) {
    query_block block = block_at(job, query);
    attend_block(&block, type);
  }
}

#endif
