// SPDX-License-Identifier: Apache-2.0
// Weighted least squares over a few integers: the search that the block quantisers share.
//
// A group of 16 or 32 elements is approximated by scale · q (symmetric) or scale · q − minimum. For given integers q the
// best scale (and minimum) is a linear least-squares problem; for given scales the best integers are the nearest ones.
// Both searches try a row of steps around the one that spans the range, and keep the least error.
#ifndef ANPROBE_ENCODE_SEARCH_H
#define ANPROBE_ENCODE_SEARCH_H
#include <stdint.h>
#include <string.h>

// Four floats: what every architecture has registers for.
typedef float lanes __attribute__((vector_size(16), aligned(4)));
enum { LANES = 4 };

// A product and a sum in one expression must round twice, or machines with fused multiply-add would write other files.
#pragma STDC FP_CONTRACT OFF

static inline lanes load(const float *x) {
  lanes value;
  memcpy(&value, x, sizeof value);
  return value;
}

// Without weights all elements of a block count alike: measured against weights that grow with the element, it gives the
// smaller divergence from the original.
extern const float search_ones[256];
static inline const float *weights_or_ones(const float *weights, int64_t at) {
  return weights ? weights + at : search_ones;
}

static inline float sum_of(lanes v) { return (v[0] + v[2]) + (v[1] + v[3]); }

// The nearest whole number for magnitudes below 2^22, ties to even: adding 1.5 · 2^23 leaves no room for a fraction.
static inline float nearest(float x) { return (x + 12582912.0f) - 12582912.0f; }
static inline lanes nearest_lanes(lanes x) { return (x + 12582912.0f) - 12582912.0f; }

static inline lanes clamp_lanes(lanes x, float low, float high) {
  lanes lows = (lanes){0} + low, highs = (lanes){0} + high;
  return __builtin_elementwise_min(__builtin_elementwise_max(x, lows), highs);
}

static inline float clamp(float x, float low, float high) { return x < low ? low : x > high ? high : x; }

// 1 / x, and 0 where that has no finite value.
static inline float inverse(float x) {
  float value = x != 0 ? 1 / x : 0;
  return value - value == 0 ? value : 0;
}

// The integers of a group at a step, and its weighted squared error.
static inline float group_error(const float *x, const float *w, int count, float scale, float minimum, float low,
                                float high) {
  float step = inverse(scale);
  lanes sum = {0};
  for (int i = 0; i < count; i += LANES) {
    lanes value = load(x + i);
    lanes q = clamp_lanes(nearest_lanes((value + minimum) * step), low, high);
    lanes miss = value + minimum - scale * q;
    sum += load(w + i) * miss * miss;
  }
  return sum_of(sum);
}

// The scale (of either sign) that approximates x by scale · q, q in low ... high, with the least weighted error.
// -low ≥ high: the element of the largest magnitude is put at the end that reaches further.
float search_scale(const float *x, const float *w, int count, float low, float high);

// The same for scale · q − minimum with q in 0 ... high and both ≥ 0.
void search_scale_and_minimum(const float *x, const float *w, int count, float high, float *scale, float *minimum);

#endif
