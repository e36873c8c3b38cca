// SPDX-License-Identifier: Apache-2.0
// Softmax attention in one pass (Milakov and Gimelshein, arXiv 1805.02867) for AVX2.
//
//   for each tile of 32 positions:
//     decode the keys' rows to floats, once for all queries; scores; new maximum and sum; rescale the output
//     decode the values' rows into the same buffer; out += weight · value
// Liberty against the portable twin: the maximum is updated per tile, not per position.
#if defined(__x86_64__)
#include <math.h>
#include "exp_avx2.h"
#include "rows.h"

enum { TILE = 32 };

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

static inline float sum_lanes(__m256 v) {
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

static inline float dot(const float *a, const float *b, int64_t n) {
  __m256 low = _mm256_setzero_ps(), high = _mm256_setzero_ps();
  int64_t i = 0;
  for (; i + 15 < n; i += 16) {
    low = _mm256_fmadd_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i), low);
    high = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 8), _mm256_loadu_ps(b + i + 8), high);
  }
  for (; i + 7 < n; i += 8) low = _mm256_fmadd_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i), low);
  return sum_lanes(_mm256_add_ps(low, high));
}

static inline void scale_row(float *x, float factor, int64_t n) {
  __m256 f = _mm256_set1_ps(factor);
  for (int64_t i = 0; i < n; i += 8) _mm256_storeu_ps(x + i, _mm256_mul_ps(_mm256_loadu_ps(x + i), f));
}

static inline void add_scaled(const float *x, float factor, float *y, int64_t n) {
  __m256 f = _mm256_set1_ps(factor);
  for (int64_t i = 0; i < n; i += 8) {
    _mm256_storeu_ps(y + i, _mm256_fmadd_ps(_mm256_loadu_ps(x + i), f, _mm256_loadu_ps(y + i)));
  }
}

static void decode_tile(const void *rows, size_t position_bytes, int64_t begin, int64_t end, int64_t width,
                        ck_decoder decode, float *out) {
  for (int64_t p = begin; p < end; p++) {
    decode((const uint8_t *)rows + (size_t)p * position_bytes, out + (p - begin) * width, width);
  }
}

// What one query keeps between tiles; the scores of the tile become its weights in place.
typedef struct { float largest, total, scores[TILE]; } query_state;

static void score_tile(const ck_attention *job, int64_t i, int64_t tile, int64_t from, int64_t to, const float *keys,
                       query_state *state) {
  const float *query = job->queries + (size_t)i * job->query_stride;
  float largest = state->largest;
  for (int k = 0; k < TILE; k++) state->scores[k] = -INFINITY;
  for (int64_t p = from; p < to; p++) {
    float score = soft_capped(dot(query, keys + (p - tile) * job->width, job->width) * job->scale, job->cap);
    state->scores[p - tile] = score;
    largest = score > largest ? score : largest;
  }
  __m256 sums = _mm256_setzero_ps(), shift = _mm256_set1_ps(largest);
  for (int k = 0; k < TILE; k += 8) {
    __m256 score = _mm256_loadu_ps(state->scores + k);
    __m256 seen = _mm256_cmp_ps(score, _mm256_set1_ps(-INFINITY), _CMP_NEQ_OQ);
    __m256 weight = _mm256_and_ps(exp_avx2(_mm256_sub_ps(score, shift)), seen);
    _mm256_storeu_ps(state->scores + k, weight);
    sums = _mm256_add_ps(sums, weight);
  }
  float rescale = state->total > 0 ? expf(state->largest - largest) : 0;
  if (rescale != 1) scale_row(job->out + (size_t)i * job->query_stride, rescale, job->width);
  state->total = state->total * rescale + sum_lanes(sums);
  state->largest = largest;
}

static inline void attend(const ck_attention *job, ck_decoder decode) {
  query_state *states = (query_state *)job->scratch;
  float *rows = job->scratch + job->count * (int64_t)(sizeof(query_state) / sizeof(float));
  int64_t begin = job->first[0], end = job->last[0];
  for (int64_t i = 0; i < job->count; i++) {
    states[i].largest = -INFINITY;
    states[i].total = 0;
    for (int64_t k = 0; k < job->width; k++) job->out[(size_t)i * job->query_stride + (size_t)k] = 0;
    begin = job->first[i] < begin ? job->first[i] : begin;
    end = job->last[i] > end ? job->last[i] : end;
  }
  for (int64_t tile = begin; tile < end; tile += TILE) {
    int64_t tile_end = tile + TILE < end ? tile + TILE : end;
    decode_tile(job->keys, job->position_bytes, tile, tile_end, job->width, decode, rows);
    for (int64_t i = 0; i < job->count; i++) {
      int64_t from = job->first[i] > tile ? job->first[i] : tile, to = job->last[i] < tile_end ? job->last[i] : tile_end;
      if (from < to) score_tile(job, i, tile, from, to, rows, states + i);
    }
    decode_tile(job->values, job->position_bytes, tile, tile_end, job->width, decode, rows);
    for (int64_t i = 0; i < job->count; i++) {
      int64_t from = job->first[i] > tile ? job->first[i] : tile, to = job->last[i] < tile_end ? job->last[i] : tile_end;
      float *out = job->out + (size_t)i * job->query_stride;
      for (int64_t p = from; p < to; p++) {
        add_scaled(rows + (p - tile) * job->width, states[i].scores[p - tile], out, job->width);
      }
    }
  }
  for (int64_t i = 0; i < job->count; i++) {
    if (job->sinks) states[i].total += expf(job->sinks[i] - states[i].largest);
    scale_row(job->out + (size_t)i * job->query_stride, 1 / states[i].total, job->width);
  }
}

void attention_f32_avx2(const ck_attention *job) { attend(job, decode_f32); }
void attention_f16_avx2(const ck_attention *job) { attend(job, decode_f16_avx2); }
void attention_q8_0_avx2(const ck_attention *job) { attend(job, decode_q8_0_avx2); }

#pragma clang attribute pop
#endif
