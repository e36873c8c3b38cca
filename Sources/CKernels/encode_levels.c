// SPDX-License-Identifier: Apache-2.0
// The formats whose four bits name one of sixteen uneven levels: iq4_nl, iq4_xs, mxfp4.
#include "decode.h"
#include "encode.h"
#include "encode_search.h"
#include "half.h"
#include "include/block_formats.h"
#include <math.h>

#pragma STDC FP_CONTRACT OFF

typedef int32_t masks __attribute__((vector_size(16), aligned(4)));

// The place of the level nearest to a value; of two as near the upper one.
static int nearest_level(float value) {
  int place = 0;
  for (int k = 0; k < 15; k++) place += 2 * value >= (float)(nonlinear_levels[k] + nonlinear_levels[k + 1]);
  return place;
}

// The same for four values, as the level itself: the gaps below the value added up.
static lanes nearest_levels(lanes value) {
  lanes level = (lanes){0} + (float)nonlinear_levels[0];
  for (int k = 0; k < 15; k++) {
    lanes gap = (lanes){0} + (float)(nonlinear_levels[k + 1] - nonlinear_levels[k]);
    masks is_above = (masks)(value + value >= (float)(nonlinear_levels[k] + nonlinear_levels[k + 1]));
    level += (lanes)((masks)gap & is_above);
  }
  return level;
}

static void level_sums(const float *x, const float *w, float step, float *xl, float *ll) {
  lanes product = {0}, square = {0};
  for (int i = 0; i < 32; i += LANES) {
    lanes level = nearest_levels(load(x + i) * step), weighted = load(w + i) * level;
    product += weighted * load(x + i);
    square += weighted * level;
  }
  *xl = sum_of(product);
  *ll = sum_of(square);
}

static float level_error(const float *x, const float *w, float scale) {
  float step = inverse(scale);
  lanes sum = {0};
  for (int i = 0; i < 32; i += LANES) {
    lanes miss = load(x + i) - scale * nearest_levels(load(x + i) * step);
    sum += load(w + i) * miss * miss;
  }
  return sum_of(sum);
}

// The scale of either sign with the least weighted error: steps around those that put the extreme element at one of the
// outermost levels.
static float search_level_scale(const float *x, const float *w) {
  float extreme = 0;
  for (int i = 0; i < 32; i++) {
    if (fabsf(x[i]) > fabsf(extreme)) extreme = x[i];
  }
  if (inverse(extreme) == 0) return 0;
  float best_gain = -1, best = 0;
  for (int try = -8; try <= 8; try++) {
    for (int end = 0; end < 2; end++) {
      float step = ((float)nonlinear_levels[end * 15] * (1 + 0.02f * (float)try)) / extreme, xl, ll;
      for (int round = 0; round < 3; round++) {
        level_sums(x, w, step, &xl, &ll);
        if (!(ll > 0) || xl * xl / ll <= best_gain) break;
        best_gain = xl * xl / ll;
        best = xl / ll;
        step = inverse(best);
      }
    }
  }
  return best;
}

static void pack_levels(const float *x, float scale, uint8_t *nibbles) {
  float step = inverse(scale);
  for (int i = 0; i < 16; i++) nibbles[i] = (uint8_t)(nearest_level(x[i] * step) | nearest_level(x[i + 16] * step) << 4);
}

void encode_iq4_nl(const float *x, const float *weights, void *blocks, int64_t elements) {
  ck_iq4_nl *block = blocks;
  for (int64_t i = 0; i < elements; i += 32, block++) {
    const float *w = weights_or_ones(weights, i);
    block->scale = float_to_half(search_level_scale(x + i, w));
    pack_levels(x + i, half_to_float(block->scale), block->nibbles);
  }
}

void encode_iq4_xs(const float *x, const float *weights, void *blocks, int64_t elements) {
  ck_iq4_xs *block = blocks;
  float scales[8];
  for (int64_t i = 0; i < elements; i += 256, block++) {
    const float *w = weights_or_ones(weights, i);
    float extreme = 0;
    for (int group = 0; group < 8; group++) {
      scales[group] = search_level_scale(x + i + group * 32, w + group * 32);
      if (fabsf(scales[group]) > fabsf(extreme)) extreme = scales[group];
    }
    block->scale = float_to_half(extreme / -32);
    float scale = half_to_float(block->scale);
    block->scales_high = 0;
    memset(block->scales_low, 0, sizeof block->scales_low);
    for (int group = 0; group < 8; group++) {
      const float *values = x + i + group * 32;
      int middle = (int)clamp(nearest(scales[group] * inverse(scale)), -32, 31), choice = middle;
      float best = level_error(values, w + group * 32, scale * (float)middle);
      for (int other = middle - 1; other <= middle + 1; other += 2) {
        if (other < -32 || other > 31) continue;
        float error = level_error(values, w + group * 32, scale * (float)other);
        if (error >= best) continue;
        best = error;
        choice = other;
      }
      block->scales_low[group / 2] |= (uint8_t)(((choice + 32) & 15) << (group % 2 * 4));
      block->scales_high |= (uint16_t)((choice + 32) >> 4 << (2 * group));
      pack_levels(values, scale * (float)choice, block->nibbles + group * 16);
    }
  }
}

// 2^(exponent − 128).
static float half_of_power(int exponent) {
  return float_from_bits(exponent < 2 ? 0x00200000u << exponent : (uint32_t)(exponent - 1) << 23);
}

// The nearest codes at an exponent, the first of equals, and the weighted squared error.
static float e2m1_codes(const float *x, const float *w, int exponent, uint8_t *codes) {
  float scale = half_of_power(exponent), sum = 0;
  for (int i = 0; i < 32; i++) {
    float least = INFINITY;
    for (int code = 0; code < 16; code++) {
      float error = fabsf(scale * (float)e2m1_doubled[code] - x[i]);
      if (error >= least) continue;
      least = error;
      codes[i] = (uint8_t)code;
    }
    sum += (w ? w[i] : 1) * least * least;
  }
  return sum;
}

void encode_mxfp4(const float *x, const float *weights, void *blocks, int64_t elements) {
  ck_mxfp4 *block = blocks;
  for (int64_t i = 0; i < elements; i += 32, block++) {
    float most = 0;
    for (int k = 0; k < 32; k++) most = fmaxf(most, fabsf(x[i + k]));
    // The exponent of the largest element less that of the largest code, 4 to 6.
    int exponent = most > 0 ? (int)clamp(floorf(log2f(most)) - 2 + 127, 0, 254) : 0;
    uint8_t codes[32], others[32];
    const float *w = weights ? weights + i : 0;
    float best = e2m1_codes(x + i, w, exponent, codes);
    block->exponent = (uint8_t)exponent;
    for (int other = exponent - 1; w && other <= exponent + 1; other += 2) {
      if (other < 0 || other > 254) continue;
      float error = e2m1_codes(x + i, w, other, others);
      if (error >= best) continue;
      best = error;
      block->exponent = (uint8_t)other;
      memcpy(codes, others, sizeof codes);
    }
    for (int k = 0; k < 16; k++) block->nibbles[k] = (uint8_t)(codes[k] | codes[k + 16] << 4);
  }
}
