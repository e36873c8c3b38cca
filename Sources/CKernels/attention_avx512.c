// SPDX-License-Identifier: Apache-2.0
// Softmax attention in one pass for AVX-512: the tiles of the AVX2 twin. A tile's keys are transposed, so that a lane is a
// position: eight queries' scores of 32 positions grow in registers, then four queries' outputs.
#if defined(__x86_64__)
#include <immintrin.h>
#include <math.h>
#include "exp_avx512.h"
#include "rows.h"

// From so many heads or queries on, transposing a tile of keys costs less than adding up lanes.
enum { MANY_HEADS = 4, MANY_QUERIES = 16 };

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c"))), apply_to = function)

#include "attention_tile_avx512.h"
#include "attention_scores_avx512.h"
#include "attention_weights_avx512.h"

// out += weights · values for `queries` queries, 16 · parts columns.
static inline __attribute__((always_inline)) void add_values(
    const ck_attention *job, const float *values, int64_t count, const query_state *states, int64_t first, int queries,
    int64_t k, int parts) {
  __m512 sums[4][4];
  for (int q = 0; q < queries; q++) {
    const float *out = job->out + states[first + q].offset + k;
    for (int c = 0; c < parts; c++) sums[q][c] = _mm512_loadu_ps(out + c * LANES);
  }
  for (int64_t p = 0; p < count; p++) {
    __m512 weight[4];
    for (int q = 0; q < queries; q++) weight[q] = _mm512_set1_ps(states[first + q].scores[p]);
    for (int c = 0; c < parts; c++) {
      __m512 value = _mm512_loadu_ps(values + p * job->width + k + c * LANES);
      for (int q = 0; q < queries; q++) sums[q][c] = _mm512_fmadd_ps(weight[q], value, sums[q][c]);
    }
  }
  for (int q = 0; q < queries; q++) {
    float *out = job->out + states[first + q].offset + k;
    for (int c = 0; c < parts; c++) _mm512_storeu_ps(out + c * LANES, sums[q][c]);
  }
}

static inline __attribute__((always_inline)) void add_row(
    const ck_attention *job, const float *values, int64_t count, const query_state *states, int64_t i, int queries) {
  int64_t k = 0;
  for (; k + 63 < job->width; k += 64) add_values(job, values, count, states, i, queries, k, 4);
  for (; k < job->width; k += LANES) add_values(job, values, count, states, i, queries, k, 1);
}

static void add_tile(const ck_attention *job, const float *values, int64_t count, const query_state *states) {
  int64_t i = 0;
  for (; i + 4 <= job->count; i += 4) add_row(job, values, count, states, i, 4);
  for (; i < job->count; i++) add_row(job, values, count, states, i, 1);
}

static inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

static void begin_queries(const ck_attention *job, query_state *states, int64_t *begin, int64_t *end) {
  *begin = job->first[0], *end = job->last[0];
  for (int64_t i = 0; i < job->count; i++) {
    states[i].largest = -INFINITY;
    states[i].total = 0;
    states[i].offset = query_offset(job, i);
    for (int64_t k = 0; k < job->width; k++) job->out[states[i].offset + (size_t)k] = 0;
    *begin = smaller(*begin, job->first[i]);
    *end = larger(*end, job->last[i]);
  }
}

static void attend(const ck_attention *job, const row_format *format) {
  query_state *states = (query_state *)job->scratch;
  float *rows = job->scratch + job->count * (int64_t)(sizeof(query_state) / sizeof(float));
  float *columns = rows + TILE * job->width;
  // By the heads of a token, not by how many of them one thread got: the sums are the same with any count of threads.
  int is_many = job->group >= MANY_HEADS || job->count >= MANY_QUERIES;
  int64_t begin, end;
  begin_queries(job, states, &begin, &end);
  for (int64_t tile = begin; tile < end; tile += TILE) {
    int64_t tile_end = smaller(tile + TILE, end);
    decode_tile(job->keys, job, tile, tile_end, end, format, rows);
    if (is_many) {
      transpose_tile(rows, job->width, columns);
      score_many(job, columns, states);
    } else {
      score_few(job, rows, states);
    }
    for (int64_t i = 0; i < job->count; i++) {
      int64_t from = larger(job->first[i], tile), to = smaller(job->last[i], tile_end);
      if (from < to) {
        weigh(job, i, tile, from - tile, to - tile, states + i);
      } else {
        for (int p = 0; p < TILE; p++) states[i].scores[p] = 0;
      }
    }
    decode_tile(job->values, job, tile, tile_end, end, format, rows);
    add_tile(job, rows, tile_end - tile, states);
  }
  for (int64_t i = 0; i < job->count; i++) {
    if (job->sinks) states[i].total += expf(job->sinks[i] - states[i].largest);
    scale_row(job->out + states[i].offset, 1 / states[i].total, job->width);
  }
}

static const row_format format_f32 = {decode_f32, 1, 4};
static const row_format format_f16 = {decode_f16_avx512, 1, 2};
static const row_format format_q8_0 = {decode_q8_0_avx2, 32, 34};

// Widths that are no multiple of sixteen are rare: the AVX2 twin takes eight.
void attention_f32_avx512(const ck_attention *job) {
  if (job->width % LANES) return attention_f32_avx2(job);
  attend(job, &format_f32);
}
void attention_f16_avx512(const ck_attention *job) {
  if (job->width % LANES) return attention_f16_avx2(job);
  attend(job, &format_f16);
}
void attention_q8_0_avx512(const ck_attention *job) { attend(job, &format_q8_0); }

#pragma clang attribute pop
#endif
