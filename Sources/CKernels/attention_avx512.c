// SPDX-License-Identifier: Apache-2.0
// Softmax attention in one pass for AVX-512: the tiles of the AVX2 twin, with sixteen positions' scores at a time and
// two queries' outputs in registers.
#if defined(__x86_64__)
#include <immintrin.h>
#include <math.h>
#include "rows.h"

enum { TILE = 32, LANES = 16 };

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c"))), apply_to = function)

// exp_avx2.h in sixteen lanes.
static inline __m512 exp_avx512(__m512 x) {
  x = _mm512_min_ps(_mm512_max_ps(x, _mm512_set1_ps(-87.0f)), _mm512_set1_ps(87.0f));
  __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)), _MM_FROUND_TO_NEAREST_INT);
  __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693359375f), x);
  r = _mm512_fnmadd_ps(n, _mm512_set1_ps(-2.12194440e-4f), r);
  __m512 p = _mm512_set1_ps(1.0f / 5040);
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 720));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 120));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 24));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 6));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.5f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f));
  return _mm512_scalef_ps(p, n);
}

static void decode_f16_avx512(const void *blocks, float *out, int64_t elements) {
  const uint16_t *x = blocks;
  for (int64_t i = 0; i < elements; i += LANES) {
    _mm512_storeu_ps(out + i, _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(x + i))));
  }
}

static inline void decode_tile(const void *rows, size_t position_bytes, int64_t begin, int64_t end, int64_t width,
                               ck_decoder decode, float *out) {
  for (int64_t p = begin; p < end; p++) {
    decode((const uint8_t *)rows + (size_t)p * position_bytes, out + (p - begin) * width, width);
  }
}

// Lane i of the result is the sum of the lanes of v[i]: four rounds, each halving the vectors and doubling their lanes.
static inline __m512 sums_of(__m512 v[LANES]) {
  for (int i = 0; i < 8; i++) { // pairs (i, i + 8): the low lanes of one beside those of the other
    __m512 low = _mm512_shuffle_f32x4(v[i], v[i + 8], 0x44), high = _mm512_shuffle_f32x4(v[i], v[i + 8], 0xee);
    v[i] = _mm512_add_ps(low, high);
  }
  for (int i = 0; i < 4; i++) {
    __m512 low = _mm512_shuffle_f32x4(v[i], v[i + 4], 0x88), high = _mm512_shuffle_f32x4(v[i], v[i + 4], 0xdd);
    v[i] = _mm512_add_ps(low, high);
  }
  for (int i = 0; i < 2; i++) {
    __m512 low = _mm512_unpacklo_ps(v[i], v[i + 2]), high = _mm512_unpackhi_ps(v[i], v[i + 2]);
    v[i] = _mm512_add_ps(low, high);
  }
  __m512 low = _mm512_unpacklo_ps(v[0], v[1]), high = _mm512_unpackhi_ps(v[0], v[1]);
  __m512 sums = _mm512_add_ps(low, high);
  // 128-bit lane L holds the rows r, r + 1, r + 2, r + 3 for r of 0, 8, 4, 12.
  return _mm512_shuffle_f32x4(sums, sums, 0xd8);
}

typedef struct { float largest, total, scores[TILE]; } query_state;

// Sixteen positions' products with one query.
static inline __m512 scores_of(const float *query, const float *keys, int64_t width) {
  __m512 sums[LANES];
  for (int p = 0; p < LANES; p++) sums[p] = _mm512_setzero_ps();
  for (int64_t k = 0; k < width; k += LANES) {
    __m512 q = _mm512_loadu_ps(query + k);
#pragma clang loop unroll(full)
    for (int p = 0; p < LANES; p++) sums[p] = _mm512_fmadd_ps(q, _mm512_loadu_ps(keys + p * width + k), sums[p]);
  }
  return sums_of(sums);
}

static __m512 capped(__m512 scores, float cap) {
  float lanes[LANES];
  _mm512_storeu_ps(lanes, scores);
  for (int p = 0; p < LANES; p++) lanes[p] = soft_capped(lanes[p], cap);
  return _mm512_loadu_ps(lanes);
}

static inline __mmask16 lanes_between(int64_t from, int64_t to) {
  int64_t low = from < 0 ? 0 : from > 16 ? 16 : from, high = to < 0 ? 0 : to > 16 ? 16 : to;
  return (__mmask16)(((1u << high) - 1) & ~((1u << low) - 1));
}

static inline void scale_row(float *x, float factor, int64_t n) {
  for (int64_t i = 0; i < n; i += LANES) {
    _mm512_storeu_ps(x + i, _mm512_mul_ps(_mm512_loadu_ps(x + i), _mm512_set1_ps(factor)));
  }
}

// The distance biases of sixteen positions from `first` on.
static inline __m512 distance_biases(const ck_attention *job, int64_t i, int64_t first) {
  __m512 steps = _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  __m512 distances = _mm512_add_ps(steps, _mm512_set1_ps((float)(first - (job->last[i] - 1))));
  return _mm512_mul_ps(distances, _mm512_set1_ps(job->slopes[i]));
}

// from and to count from the tile's first position; the scores become weights, zero outside of them.
static void score_tile(const ck_attention *job, int64_t i, int64_t tile, int64_t from, int64_t to, const float *keys,
                       query_state *state) {
  const float *query = job->queries + (size_t)i * job->query_stride;
  __m512 lowest = _mm512_set1_ps(-INFINITY), scores[TILE / LANES], sum = _mm512_setzero_ps();
  float largest = state->largest;
  for (int part = 0; part < TILE / LANES; part++) {
    __mmask16 seen = lanes_between(from - part * LANES, to - part * LANES);
    scores[part] = lowest;
    if (!seen) continue;
    __m512 products = scores_of(query, keys + part * LANES * job->width, job->width);
    scores[part] = _mm512_mask_mul_ps(lowest, seen, products, _mm512_set1_ps(job->scale));
    if (job->cap != 0) scores[part] = _mm512_mask_mov_ps(lowest, seen, capped(scores[part], job->cap));
    if (job->slopes) scores[part] = _mm512_add_ps(scores[part], distance_biases(job, i, tile + part * LANES));
    float here = _mm512_reduce_max_ps(scores[part]);
    largest = here > largest ? here : largest;
  }
  for (int part = 0; part < TILE / LANES; part++) {
    __mmask16 seen = lanes_between(from - part * LANES, to - part * LANES);
    __m512 weights = _mm512_maskz_mov_ps(seen, exp_avx512(_mm512_sub_ps(scores[part], _mm512_set1_ps(largest))));
    _mm512_storeu_ps(state->scores + part * LANES, weights);
    sum = _mm512_add_ps(sum, weights);
  }
  float rescale = state->total > 0 ? expf(state->largest - largest) : 0;
  if (rescale != 1) scale_row(job->out + (size_t)i * job->query_stride, rescale, job->width);
  state->total = state->total * rescale + _mm512_reduce_add_ps(sum);
  state->largest = largest;
}

// out += weights · values for `queries` queries, 16 · parts columns.
static inline __attribute__((always_inline)) void add_values(
    const ck_attention *job, const float *values, int64_t from, int64_t to, const query_state *states, int64_t first,
    int queries, int64_t k, int parts) {
  __m512 sums[2][4];
  for (int q = 0; q < queries; q++) {
    const float *out = job->out + (size_t)(first + q) * job->query_stride + k;
    for (int c = 0; c < parts; c++) sums[q][c] = _mm512_loadu_ps(out + c * LANES);
  }
  for (int64_t p = from; p < to; p++) {
    __m512 weight[2];
    for (int q = 0; q < queries; q++) weight[q] = _mm512_set1_ps(states[first + q].scores[p]);
    for (int c = 0; c < parts; c++) {
      __m512 value = _mm512_loadu_ps(values + p * job->width + k + c * LANES);
      for (int q = 0; q < queries; q++) sums[q][c] = _mm512_fmadd_ps(weight[q], value, sums[q][c]);
    }
  }
  for (int q = 0; q < queries; q++) {
    float *out = job->out + (size_t)(first + q) * job->query_stride + k;
    for (int c = 0; c < parts; c++) _mm512_storeu_ps(out + c * LANES, sums[q][c]);
  }
}

static void add_tile(const ck_attention *job, const float *values, int64_t count, const query_state *states) {
  for (int64_t i = 0; i < job->count; i += 2) {
    int is_pair = i + 1 < job->count;
    int64_t k = 0;
    for (; k + 63 < job->width; k += 64) {
      if (is_pair) add_values(job, values, 0, count, states, i, 2, k, 4);
      else add_values(job, values, 0, count, states, i, 1, k, 4);
    }
    for (; k < job->width; k += LANES) {
      if (is_pair) add_values(job, values, 0, count, states, i, 2, k, 1);
      else add_values(job, values, 0, count, states, i, 1, k, 1);
    }
  }
}

static inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

static void attend(const ck_attention *job, ck_decoder decode) {
  query_state *states = (query_state *)job->scratch;
  float *rows = job->scratch + job->count * (int64_t)(sizeof(query_state) / sizeof(float));
  int64_t begin = job->first[0], end = job->last[0];
  for (int64_t i = 0; i < job->count; i++) {
    states[i].largest = -INFINITY;
    states[i].total = 0;
    for (int64_t k = 0; k < job->width; k++) job->out[(size_t)i * job->query_stride + (size_t)k] = 0;
    begin = smaller(begin, job->first[i]);
    end = larger(end, job->last[i]);
  }
  for (int64_t tile = begin; tile < end; tile += TILE) {
    int64_t tile_end = smaller(tile + TILE, end);
    decode_tile(job->keys, job->position_bytes, tile, tile_end, job->width, decode, rows);
    for (int64_t i = 0; i < job->count; i++) {
      int64_t from = larger(job->first[i], tile), to = smaller(job->last[i], tile_end);
      if (from < to) {
        score_tile(job, i, tile, from - tile, to - tile, rows, states + i);
      } else {
        for (int p = 0; p < TILE; p++) states[i].scores[p] = 0;
      }
    }
    decode_tile(job->values, job->position_bytes, tile, tile_end, job->width, decode, rows);
    add_tile(job, rows, tile_end - tile, states);
  }
  for (int64_t i = 0; i < job->count; i++) {
    if (job->sinks) states[i].total += expf(job->sinks[i] - states[i].largest);
    scale_row(job->out + (size_t)i * job->query_stride, 1 / states[i].total, job->width);
  }
}

// Widths that are no multiple of sixteen are rare: the AVX2 twin takes eight.
void attention_f32_avx512(const ck_attention *job) {
  if (job->width % LANES) return attention_f32_avx2(job);
  attend(job, decode_f32);
}
void attention_f16_avx512(const ck_attention *job) {
  if (job->width % LANES) return attention_f16_avx2(job);
  attend(job, decode_f16_avx512);
}
void attention_q8_0_avx512(const ck_attention *job) { attend(job, decode_q8_0_avx2); }

#pragma clang attribute pop
#endif
