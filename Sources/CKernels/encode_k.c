// SPDX-License-Identifier: Apache-2.0
// The k-quants. Each group's scale (and minimum) is searched for, then rounded to its few bits: the block's own scale
// comes from the largest group, every group takes the best of the neighbouring integers, and the block's scale is fitted
// again to all integers as long as that helps.
#include "encode.h"
#include "encode_search.h"
#include "half.h"
#include "include/block_formats.h"
#include <math.h>

#pragma STDC FP_CONTRACT OFF

enum { BLOCK = 256, GROUPS_MAX = 16, ROUNDS = 2 };

static float rounded(float x) { return half_to_float(float_to_half(x)); }

// MARK: Symmetric: x ≈ scale · group_scale · q

typedef struct {
  int count;              // elements of a group
  float low, high;        // of q
  int scale_low, scale_high; // of a group's scale
} symmetric;

typedef struct {
  float scale;
  int groups[GROUPS_MAX];
  float error;
} symmetric_fit;

static symmetric_fit choose_scales(const float *x, const float *w, symmetric shape, const float *wanted, float scale) {
  symmetric_fit fit = {.scale = scale};
  for (int group = 0; group < BLOCK / shape.count; group++) {
    int start = group * shape.count;
    int middle = (int)clamp(nearest(wanted[group] * inverse(scale)), (float)shape.scale_low, (float)shape.scale_high);
    float best = INFINITY;
    for (int choice = middle - 1; choice <= middle + 1; choice++) {
      if (choice < shape.scale_low || choice > shape.scale_high) continue;
      float error = group_error(x + start, w + start, shape.count, scale * (float)choice, 0, shape.low, shape.high);
      if (error >= best) continue;
      best = error;
      fit.groups[group] = choice;
    }
    fit.error += best;
  }
  return fit;
}

// The block scale that fits the integers of a fit best.
static float refit_scale(const float *x, const float *w, symmetric shape, const symmetric_fit *fit) {
  float product = 0, square = 0;
  for (int i = 0; i < BLOCK; i++) {
    float group = (float)fit->groups[i / shape.count];
    float q = clamp(nearest(x[i] * inverse(fit->scale * group)), shape.low, shape.high) * group;
    product += w[i] * q * x[i];
    square += w[i] * q * q;
  }
  return square > 0 ? product / square : 0;
}

static symmetric_fit fit_symmetric(const float *x, const float *w, symmetric shape) {
  float wanted[GROUPS_MAX], extreme = 0;
  for (int group = 0; group < BLOCK / shape.count; group++) {
    int start = group * shape.count;
    wanted[group] = search_scale(x + start, w + start, shape.count, shape.low, shape.high);
    if (fabsf(wanted[group]) > fabsf(extreme)) extreme = wanted[group];
  }
  symmetric_fit best = choose_scales(x, w, shape, wanted, rounded(extreme / (float)shape.scale_low));
  for (int round = 0; round < ROUNDS; round++) {
    symmetric_fit next = choose_scales(x, w, shape, wanted, rounded(refit_scale(x, w, shape, &best)));
    if (!(next.error < best.error)) break;
    best = next;
  }
  return best;
}

// q − low of every element.
static void symmetric_integers(const float *x, symmetric shape, const symmetric_fit *fit, uint8_t *q) {
  for (int i = 0; i < BLOCK; i++) {
    float step = inverse(fit->scale * (float)fit->groups[i / shape.count]);
    q[i] = (uint8_t)(clamp(nearest(x[i] * step), shape.low, shape.high) - shape.low);
  }
}

void encode_q6_k(const float *x, const float *weights, void *blocks, int64_t elements) {
  static const symmetric shape = {16, -32, 31, -128, 127};
  ck_q6_k *block = blocks;
  uint8_t q[BLOCK];
  for (int64_t at = 0; at < elements; at += BLOCK, block++) {
    const float *w = weights_or_ones(weights, at);
    symmetric_fit fit = fit_symmetric(x + at, w, shape);
    symmetric_integers(x + at, shape, &fit, q);
    memset(block, 0, sizeof *block);
    block->scale = float_to_half(fit.scale);
    for (int group = 0; group < 16; group++) block->scales[group] = (int8_t)fit.groups[group];
    for (int i = 0; i < BLOCK; i++) {
      int half = i / 128, within = i % 128;
      block->nibbles[half * 64 + within % 64] |= (uint8_t)((q[i] & 15) << (within / 64 * 4));
      block->high_bits[half * 32 + within % 32] |= (uint8_t)((q[i] >> 4) << (within / 32 * 2));
    }
  }
}

void encode_q3_k(const float *x, const float *weights, void *blocks, int64_t elements) {
  static const symmetric shape = {16, -4, 3, -32, 31};
  ck_q3_k *block = blocks;
  uint8_t q[BLOCK];
  for (int64_t at = 0; at < elements; at += BLOCK, block++) {
    const float *w = weights_or_ones(weights, at);
    symmetric_fit fit = fit_symmetric(x + at, w, shape);
    symmetric_integers(x + at, shape, &fit, q);
    memset(block, 0, sizeof *block);
    block->scale = float_to_half(fit.scale);
    for (int group = 0; group < 16; group++) {
      int bits = fit.groups[group] + 32;
      block->scales[group % 8] |= (uint8_t)((bits & 15) << (group / 8 * 4));
      block->scales[8 + group % 4] |= (uint8_t)((bits >> 4) << (group / 4 * 2));
    }
    for (int i = 0; i < BLOCK; i++) {
      block->values[i / 128 * 32 + i % 32] |= (uint8_t)((q[i] & 3) << (i % 128 / 32 * 2));
      block->high_bits[i % 32] |= (uint8_t)((q[i] >> 2) << (i / 32));
    }
  }
}

// MARK: With a minimum: x ≈ scale · group_scale · q − minimum · group_minimum

typedef struct {
  int count;
  float high;        // of q, from 0
  int most;          // of a group's scale and minimum, from 0
} offset;

typedef struct {
  float scale, minimum;
  int scales[GROUPS_MAX], minima[GROUPS_MAX];
  float error;
} offset_fit;

static void choose_group(const float *x, const float *w, offset shape, float scale, float minimum, offset_fit *fit,
                         int group) {
  float best = INFINITY;
  int middle_scale = (int)clamp(nearest(scale * inverse(fit->scale)), 0, (float)shape.most);
  int middle_minimum = (int)clamp(nearest(minimum * inverse(fit->minimum)), 0, (float)shape.most);
  for (int s = middle_scale - 1; s <= middle_scale + 1; s++) {
    for (int m = middle_minimum - 1; m <= middle_minimum + 1; m++) {
      if (s < 0 || s > shape.most || m < 0 || m > shape.most) continue;
      float error = group_error(x, w, shape.count, fit->scale * (float)s, fit->minimum * (float)m, 0, shape.high);
      if (error >= best) continue;
      best = error;
      fit->scales[group] = s;
      fit->minima[group] = m;
    }
  }
  fit->error += best;
}

static offset_fit choose_groups(const float *x, const float *w, offset shape, const float *scales, const float *minima,
                                float scale, float minimum) {
  offset_fit fit = {.scale = scale, .minimum = minimum};
  for (int group = 0; group < BLOCK / shape.count; group++) {
    int start = group * shape.count;
    choose_group(x + start, w + start, shape, scales[group], minima[group], &fit, group);
  }
  return fit;
}

static float integer_of(float x, offset shape, const offset_fit *fit, int group) {
  float shifted = x + fit->minimum * (float)fit->minima[group];
  return clamp(nearest(shifted * inverse(fit->scale * (float)fit->scales[group])), 0, shape.high);
}

// The block's scale and minimum that fit the integers best; 0 when they do not determine both.
static int refit(const float *x, const float *w, offset shape, const offset_fit *fit, float *scale, float *minimum) {
  float aa = 0, ab = 0, bb = 0, xa = 0, xb = 0;
  for (int i = 0; i < BLOCK; i++) {
    int group = i / shape.count;
    float a = integer_of(x[i], shape, fit, group) * (float)fit->scales[group], b = (float)fit->minima[group];
    aa += w[i] * a * a;
    ab += w[i] * a * b;
    bb += w[i] * b * b;
    xa += w[i] * a * x[i];
    xb += w[i] * b * x[i];
  }
  float determinant = aa * bb - ab * ab;
  if (!(determinant > 0)) return 0;
  *scale = rounded((xa * bb - xb * ab) / determinant);
  *minimum = rounded((xa * ab - xb * aa) / determinant);
  return *scale > 0 && *minimum >= 0;
}

static offset_fit fit_offset(const float *x, const float *w, offset shape) {
  float scales[GROUPS_MAX], minima[GROUPS_MAX], scale = 0, minimum = 0;
  for (int group = 0; group < BLOCK / shape.count; group++) {
    int start = group * shape.count;
    search_scale_and_minimum(x + start, w + start, shape.count, shape.high, &scales[group], &minima[group]);
    scale = fmaxf(scale, scales[group]);
    minimum = fmaxf(minimum, minima[group]);
  }
  offset_fit best = choose_groups(
    x, w, shape, scales, minima, rounded(scale / (float)shape.most), rounded(minimum / (float)shape.most));
  for (int round = 0; round < ROUNDS && refit(x, w, shape, &best, &scale, &minimum); round++) {
    offset_fit next = choose_groups(x, w, shape, scales, minima, scale, minimum);
    if (!(next.error < best.error)) break;
    best = next;
  }
  return best;
}

static void offset_integers(const float *x, offset shape, const offset_fit *fit, uint8_t *q) {
  for (int i = 0; i < BLOCK; i++) q[i] = (uint8_t)integer_of(x[i], shape, fit, i / shape.count);
}

void encode_q2_k(const float *x, const float *weights, void *blocks, int64_t elements) {
  static const offset shape = {16, 3, 15};
  ck_q2_k *block = blocks;
  uint8_t q[BLOCK];
  for (int64_t at = 0; at < elements; at += BLOCK, block++) {
    offset_fit fit = fit_offset(x + at, weights_or_ones(weights, at), shape);
    offset_integers(x + at, shape, &fit, q);
    memset(block, 0, sizeof *block);
    block->scale = float_to_half(fit.scale);
    block->minimum = float_to_half(fit.minimum);
    for (int group = 0; group < 16; group++) block->scales[group] = (uint8_t)(fit.scales[group] | fit.minima[group] << 4);
    for (int i = 0; i < BLOCK; i++) block->values[i / 128 * 32 + i % 32] |= (uint8_t)(q[i] << (i % 128 / 32 * 2));
  }
}

// The first four of each keep six bits in bytes 0-3 and 4-7; the last four have their low nibbles in bytes 8-11 and their
// high bits on top of the first eight bytes.
static void pack_six_bits(const int *scales, const int *minima, uint8_t *packed) {
  for (int i = 0; i < 4; i++) {
    packed[i] = (uint8_t)(scales[i] | (scales[i + 4] >> 4) << 6);
    packed[i + 4] = (uint8_t)(minima[i] | (minima[i + 4] >> 4) << 6);
    packed[i + 8] = (uint8_t)((scales[i + 4] & 15) | (minima[i + 4] & 15) << 4);
  }
}

static void pack_group_nibbles(const uint8_t *q, uint8_t *nibbles) {
  for (int i = 0; i < 128; i++) {
    const uint8_t *pair = q + i / 32 * 64 + i % 32;
    nibbles[i] = (uint8_t)((pair[0] & 15) | (pair[32] & 15) << 4);
  }
}

void encode_q4_k(const float *x, const float *weights, void *blocks, int64_t elements) {
  static const offset shape = {32, 15, 63};
  ck_q4_k *block = blocks;
  uint8_t q[BLOCK];
  for (int64_t at = 0; at < elements; at += BLOCK, block++) {
    offset_fit fit = fit_offset(x + at, weights_or_ones(weights, at), shape);
    offset_integers(x + at, shape, &fit, q);
    block->scale = float_to_half(fit.scale);
    block->minimum = float_to_half(fit.minimum);
    pack_six_bits(fit.scales, fit.minima, block->scales);
    pack_group_nibbles(q, block->nibbles);
  }
}

void encode_q5_k(const float *x, const float *weights, void *blocks, int64_t elements) {
  static const offset shape = {32, 31, 63};
  ck_q5_k *block = blocks;
  uint8_t q[BLOCK];
  for (int64_t at = 0; at < elements; at += BLOCK, block++) {
    offset_fit fit = fit_offset(x + at, weights_or_ones(weights, at), shape);
    offset_integers(x + at, shape, &fit, q);
    memset(block, 0, sizeof *block);
    block->scale = float_to_half(fit.scale);
    block->minimum = float_to_half(fit.minimum);
    pack_six_bits(fit.scales, fit.minima, block->scales);
    pack_group_nibbles(q, block->nibbles);
    for (int i = 0; i < BLOCK; i++) block->high_bits[i % 32] |= (uint8_t)((q[i] >> 4) << (i / 32));
  }
}
