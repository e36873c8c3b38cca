// SPDX-License-Identifier: Apache-2.0
#include "encode_search.h"

#define ONES_16 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1
#define ONES_64 ONES_16, ONES_16, ONES_16, ONES_16
const float search_ones[256] = {ONES_64, ONES_64, ONES_64, ONES_64};

// Steps are tried from TRIES tenths below to TRIES tenths above the one that spans the range.
enum { TRIES = 10, REFINEMENTS = 3 };

// Σ w·x·q and Σ w·q² for the nearest integers at a step: the error is least at their ratio, smaller by xq² / qq.
static void symmetric_sums(const float *x, const float *w, int count, float step, float low, float high, float *xq,
                           float *qq) {
  lanes product = {0}, square = {0};
  for (int i = 0; i < count; i += LANES) {
    lanes q = clamp_lanes(nearest_lanes(load(x + i) * step), low, high);
    lanes weighted = load(w + i) * q;
    product += weighted * load(x + i);
    square += weighted * q;
  }
  *xq = sum_of(product);
  *qq = sum_of(square);
}

float search_scale(const float *x, const float *w, int count, float low, float high) {
  float extreme = 0;
  for (int i = 0; i < count; i++) {
    float magnitude = x[i] < 0 ? -x[i] : x[i];
    if (magnitude > (extreme < 0 ? -extreme : extreme)) extreme = x[i];
  }
  if (inverse(extreme) == 0) return 0;
  float best_gain = -1, best = extreme / low;
  for (int try = -TRIES; try <= TRIES; try++) {
    float step = (low + 0.1f * (float)try) / extreme, xq, qq;
    for (int round = 0; round < REFINEMENTS; round++) {
      symmetric_sums(x, w, count, step, low, high, &xq, &qq);
      if (!(qq > 0)) break;
      float gain = xq * xq / qq;
      if (gain <= best_gain) break;
      best_gain = gain;
      best = xq / qq;
      step = inverse(best);
    }
  }
  return best;
}

typedef struct { float w, x, q, qq, xq; } sums;

static sums offset_sums(const float *x, const float *w, int count, float step, float minimum, float high) {
  lanes sw = {0}, sx = {0}, sq = {0}, sqq = {0}, sxq = {0};
  for (int i = 0; i < count; i += LANES) {
    lanes value = load(x + i), weight = load(w + i);
    lanes q = clamp_lanes(nearest_lanes((value + minimum) * step), 0, high);
    lanes weighted = weight * q;
    sw += weight;
    sx += weight * value;
    sq += weighted;
    sqq += weighted * q;
    sxq += weighted * value;
  }
  return (sums){sum_of(sw), sum_of(sx), sum_of(sq), sum_of(sqq), sum_of(sxq)};
}

// The least-squares scale and minimum for the integers behind the sums; 0 when they say nothing.
static int solve(sums s, float *scale, float *minimum) {
  float determinant = s.w * s.qq - s.q * s.q;
  if (determinant > 0) {
    *scale = (s.w * s.xq - s.x * s.q) / determinant;
    *minimum = (s.xq * s.q - s.x * s.qq) / determinant;
    if (*scale > 0 && *minimum >= 0) return 1;
  }
  *minimum = 0;
  *scale = s.qq > 0 ? s.xq / s.qq : 0;
  return *scale > 0;
}

void search_scale_and_minimum(const float *x, const float *w, int count, float high, float *scale, float *minimum) {
  float least = 0, most = x[0];
  for (int i = 0; i < count; i++) {
    if (x[i] < least) least = x[i];
    if (x[i] > most) most = x[i];
  }
  *minimum = -least;
  *scale = 0;
  if (inverse(most - least) == 0) return;
  *scale = (most - least) / high;
  float best = group_error(x, w, count, *scale, *minimum, 0, high);
  for (int try = -TRIES; try <= TRIES; try++) {
    float s = (most - least) / (high + 0.1f * (float)try), m = -least;
    for (int round = 0; round < REFINEMENTS; round++) {
      if (!solve(offset_sums(x, w, count, inverse(s), m, high), &s, &m)) break;
      float error = group_error(x, w, count, s, m, 0, high);
      if (error >= best) break;
      best = error;
      *scale = s;
      *minimum = m;
    }
  }
}
