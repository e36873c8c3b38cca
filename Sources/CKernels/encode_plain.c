// SPDX-License-Identifier: Apache-2.0
// The plain and the 32-element formats, and the ternary ones. Without weights they round exactly as the reference
// quantisers of gguf-py do; with weights the scale is searched for.
#include "encode.h"
#include "encode_search.h"
#include "half.h"
#include "include/block_formats.h"
#include <math.h>

#pragma STDC FP_CONTRACT OFF

void encode_f32(const float *x, const float *weights, void *blocks, int64_t elements) {
  (void)weights;
  memcpy(blocks, x, (size_t)elements * 4);
}

void encode_f16(const float *x, const float *weights, void *blocks, int64_t elements) {
  (void)weights;
  uint16_t *out = blocks;
  for (int64_t i = 0; i < elements; i++) out[i] = float_to_half(x[i]);
}

// To nearest, ties to even; a NaN stays one.
void encode_bf16(const float *x, const float *weights, void *blocks, int64_t elements) {
  (void)weights;
  uint16_t *out = blocks;
  for (int64_t i = 0; i < elements; i++) {
    uint32_t bits = bits_of_float(x[i]);
    int is_nan = (bits & 0x7fffffff) > 0x7f800000;
    out[i] = (uint16_t)(is_nan ? bits >> 16 | 64 : (bits + 0x7fff + (bits >> 16 & 1)) >> 16);
  }
}

// The element of the largest magnitude, with its sign; the first of equals.
static float extreme_of(const float *x, int count) {
  float extreme = x[0];
  for (int i = 1; i < count; i++) {
    if (fabsf(x[i]) > fabsf(extreme)) extreme = x[i];
  }
  return extreme;
}

static void range_of(const float *x, int count, float *least, float *most) {
  *least = *most = x[0];
  for (int i = 1; i < count; i++) {
    if (x[i] < *least) *least = x[i];
    if (x[i] > *most) *most = x[i];
  }
}

// x · step + offset in two roundings, cut to a whole number of at most `high`.
static uint8_t cut(float x, float step, float offset, int high) {
  float product = x * step;
  float shifted = product + offset;
  int whole = shifted > 0 ? (int)shifted : 0;
  return (uint8_t)(whole < high ? whole : high);
}

// The integers 0 ... 2·half − 1 of a symmetric group, and its scale.
static float symmetric_32(const float *x, const float *w, int half, uint8_t *q) {
  float scale = w ? search_scale(x, w, 32, (float)-half, (float)(half - 1)) : extreme_of(x, 32) / (float)-half;
  float step = inverse(w ? half_to_float(float_to_half(scale)) : scale);
  for (int i = 0; i < 32; i++) q[i] = cut(x[i], step, (float)half + 0.5f, 2 * half - 1);
  return scale;
}

// The integers 0 ... high of a group above its minimum.
static void offset_32(const float *x, const float *w, int high, uint8_t *q, float *scale, float *minimum) {
  float least, most, step;
  range_of(x, 32, &least, &most);
  *scale = (most - least) / (float)high;
  *minimum = least;
  step = inverse(*scale);
  if (w) {
    // Searched from the middle, so that the minimum may move both ways.
    float middle = least / 2 + most / 2, shifted[32], below;
    for (int i = 0; i < 32; i++) shifted[i] = x[i] - middle;
    search_scale_and_minimum(shifted, w, 32, (float)high, scale, &below);
    *minimum = half_to_float(float_to_half(middle - below));
    step = inverse(half_to_float(float_to_half(*scale)));
  }
  for (int i = 0; i < 32; i++) q[i] = cut(x[i] - *minimum, step, 0.5f, high);
}

static void pack_nibbles(const uint8_t *q, uint8_t *nibbles) {
  for (int i = 0; i < 16; i++) nibbles[i] = (uint8_t)((q[i] & 15) | (q[i + 16] & 15) << 4);
}

static void pack_fifth_bits(const uint8_t *q, uint8_t *high_bits) {
  memset(high_bits, 0, 4);
  for (int i = 0; i < 32; i++) high_bits[i / 8] |= (uint8_t)((q[i] >> 4) << (i % 8));
}

void encode_q4_0(const float *x, const float *weights, void *blocks, int64_t elements) {
  ck_q4_0 *block = blocks;
  for (int64_t i = 0; i < elements; i += 32, block++) {
    uint8_t q[32];
    block->scale = float_to_half(symmetric_32(x + i, weights ? weights + i : 0, 8, q));
    pack_nibbles(q, block->nibbles);
  }
}

void encode_q5_0(const float *x, const float *weights, void *blocks, int64_t elements) {
  ck_q5_0 *block = blocks;
  for (int64_t i = 0; i < elements; i += 32, block++) {
    uint8_t q[32];
    block->scale = float_to_half(symmetric_32(x + i, weights ? weights + i : 0, 16, q));
    pack_nibbles(q, block->nibbles);
    pack_fifth_bits(q, block->high_bits);
  }
}

void encode_q4_1(const float *x, const float *weights, void *blocks, int64_t elements) {
  ck_q4_1 *block = blocks;
  for (int64_t i = 0; i < elements; i += 32, block++) {
    uint8_t q[32];
    float scale, minimum;
    offset_32(x + i, weights ? weights + i : 0, 15, q, &scale, &minimum);
    block->scale = float_to_half(scale);
    block->minimum = float_to_half(minimum);
    pack_nibbles(q, block->nibbles);
  }
}

void encode_q5_1(const float *x, const float *weights, void *blocks, int64_t elements) {
  ck_q5_1 *block = blocks;
  for (int64_t i = 0; i < elements; i += 32, block++) {
    uint8_t q[32];
    float scale, minimum;
    offset_32(x + i, weights ? weights + i : 0, 31, q, &scale, &minimum);
    block->scale = float_to_half(scale);
    block->minimum = float_to_half(minimum);
    pack_nibbles(q, block->nibbles);
    pack_fifth_bits(q, block->high_bits);
  }
}

void encode_q8_0(const float *x, const float *weights, void *blocks, int64_t elements) {
  ck_q8_0 *block = blocks;
  for (int64_t i = 0; i < elements; i += 32, block++) {
    float scale = fabsf(extreme_of(x + i, 32)) / 127;
    if (weights) scale = search_scale(x + i, weights + i, 32, -127, 127);
    block->scale = float_to_half(scale);
    float step = inverse(weights ? half_to_float(block->scale) : scale);
    for (int k = 0; k < 32; k++) block->values[k] = (int8_t)clamp(roundf(x[i + k] * step), -127, 127);
  }
}

// Ternary digits 0, 1, 2 of a block, and its scale.
static float ternary_256(const float *x, const float *w, uint8_t *digits) {
  float scale = fabsf(extreme_of(x, 256));
  if (w) {
    scale = search_scale(x, w, 32, -1, 1);
    float best = -1, choice = scale;
    // One scale for eight groups: the candidate of each group is tried on all.
    for (int group = 0; group < 8; group++) {
      float candidate = search_scale(x + group * 32, w + group * 32, 32, -1, 1), error = 0;
      for (int k = 0; k < 8; k++) error += group_error(x + k * 32, w + k * 32, 32, candidate, 0, -1, 1);
      if (best >= 0 && error >= best) continue;
      best = error;
      choice = candidate;
    }
    scale = choice;
  }
  float step = inverse(scale);
  for (int i = 0; i < 256; i++) digits[i] = (uint8_t)(clamp(roundf(x[i] * step), -1, 1) + 1);
  return scale;
}

// Five digits as a byte: ⌈digits · 256 / 243⌉, the first the most significant.
static uint8_t five_digits(const uint8_t *digits, int stride, int count) {
  int value = 0;
  for (int k = 0; k < 5; k++) value = value * 3 + (k < count ? digits[k * stride] : 0);
  return (uint8_t)((value * 256 + 242) / 243);
}

void encode_tq1_0(const float *x, const float *weights, void *blocks, int64_t elements) {
  ck_tq1_0 *block = blocks;
  for (int64_t i = 0; i < elements; i += 256, block++) {
    uint8_t digits[256];
    block->scale = float_to_half(ternary_256(x + i, weights ? weights + i : 0, digits));
    for (int k = 0; k < 32; k++) block->low[k] = five_digits(digits + k, 32, 5);
    for (int k = 0; k < 16; k++) block->low[32 + k] = five_digits(digits + 160 + k, 16, 5);
    for (int k = 0; k < 4; k++) block->high[k] = five_digits(digits + 240 + k, 4, 4);
  }
}

void encode_tq2_0(const float *x, const float *weights, void *blocks, int64_t elements) {
  ck_tq2_0 *block = blocks;
  for (int64_t i = 0; i < elements; i += 256, block++) {
    uint8_t digits[256];
    block->scale = float_to_half(ternary_256(x + i, weights ? weights + i : 0, digits));
    for (int k = 0; k < 64; k++) {
      const uint8_t *d = digits + k / 32 * 128 + k % 32;
      block->values[k] = (uint8_t)(d[0] | d[32] << 2 | d[64] << 4 | d[96] << 6);
    }
  }
}
