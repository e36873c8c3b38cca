// SPDX-License-Identifier: Apache-2.0
// From products to softmax weights for AVX-512, a tile at a time, with the highest score so far.
#ifndef ANPROBE_ATTENTION_WEIGHTS_AVX512_H
#define ANPROBE_ATTENTION_WEIGHTS_AVX512_H
#include <math.h>
#include "attention_tile_avx512.h"
#include "exp_avx512.h"

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

// from and to count from the tile's first position; the products become weights, zero outside of them.
static void weigh(const ck_attention *job, int64_t i, int64_t tile, int64_t from, int64_t to, query_state *state) {
  __m512 scores[TILE / LANES], highest = _mm512_set1_ps(state->largest), sum = _mm512_setzero_ps();
  for (int part = 0; part < TILE / LANES; part++) {
    __mmask16 seen = lanes_between(from - part * LANES, to - part * LANES);
    __m512 score = _mm512_mul_ps(_mm512_loadu_ps(state->scores + part * LANES), _mm512_set1_ps(job->scale));
    if (job->cap != 0) score = capped(score, job->cap);
    if (job->slopes) score = _mm512_add_ps(score, distance_biases(job, i, tile + part * LANES));
    scores[part] = _mm512_mask_mov_ps(_mm512_set1_ps(-INFINITY), seen, score);
    highest = _mm512_max_ps(highest, scores[part]);
  }
  float largest = _mm512_reduce_max_ps(highest);
  for (int part = 0; part < TILE / LANES; part++) {
    __mmask16 seen = lanes_between(from - part * LANES, to - part * LANES);
    __m512 weights = _mm512_maskz_mov_ps(seen, exp_avx512(_mm512_sub_ps(scores[part], _mm512_set1_ps(largest))));
    _mm512_storeu_ps(state->scores + part * LANES, weights);
    sum = _mm512_add_ps(sum, weights);
  }
  if (largest != state->largest) {
    float rescale = state->total > 0 ? expf(state->largest - largest) : 0;
    scale_row(job->out + state->offset, rescale, job->width);
    state->total *= rescale;
    state->largest = largest;
  }
  state->total += _mm512_reduce_add_ps(sum);
}

#endif
