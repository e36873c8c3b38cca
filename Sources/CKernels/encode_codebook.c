// SPDX-License-Identifier: Apache-2.0
// The codebook formats below four bits (iq1 to iq3). A block of 256 elements has groups of 16 or 32; a group's scale is
// the block's times an odd number of few bits; its elements are signed entries of a codebook, or ternary ones with a
// shift. Scales are searched as for the k-quants: a row of tries per group, each refined by least squares, then rounded
// to their bits, and the block's own scale fitted again to all choices as long as that helps.
#include "encode_nearest.h"
#include "encode.h"
#include "encode_search.h"
#include "half.h"
#include "include/block_formats.h"
#include <math.h>

#pragma STDC FP_CONTRACT OFF

enum { BLOCK = 256, GROUPS_MAX = 16, OCTETS_MAX = 4, TRIES = 12, REFINEMENTS = 2, ROUNDS = 2 };

typedef struct {
  codebook_name book;
  int group;      // elements that share a scale
  float unit;     // a group's scale = the block's · unit · (2 · steps + 1)
  int most;       // of steps, from 0
  int even_signs; // whether the minus signs of eight elements must be even in number
  float shift;    // of ternary entries, to either side; 0 for entries with signs
  int span;       // octets that share the side of the shift
  float low, high; // the group's extreme element over the largest level: the range of tries
} shape;

typedef struct {
  uint16_t codes[2 * OCTETS_MAX];
  uint8_t signs[OCTETS_MAX]; // of an octet's elements; for ternary entries 1 where the shift is down
  float error, xp, pp;       // Σ w·(x − scale·p)², Σ w·x·p, Σ w·p²
} group_fit;

typedef struct {
  float scale, error;
  int steps[GROUPS_MAX];
  group_fit groups[GROUPS_MAX];
} block_fit;

// MARK: Eight elements at a scale

static int is_odd(unsigned bits) { return __builtin_popcount(bits) & 1; }

// The minus signs; where their number must be even and is not, the sign that costs least is turned.
static uint8_t signs_of(const float *x, const float *w, int even) {
  unsigned signs = 0;
  int cheapest = 0;
  for (int i = 0; i < 8; i++) {
    signs |= (unsigned)(x[i] < 0) << i;
    if (w[i] * fabsf(x[i]) < w[cheapest] * fabsf(x[cheapest])) cheapest = i;
  }
  return (uint8_t)(even && is_odd(signs) ? signs ^ 1u << cheapest : signs);
}

static void add_octet(const codebook *book, shape s, const float *x, const float *w, float scale, float shift, int octet,
                      group_fit *fit) {
  float y[8];
  uint8_t signs = shift == 0 ? signs_of(x, w, s.even_signs) : 0;
  for (int i = 0; i < 8; i++) y[i] = signs >> i & 1 ? -x[i] : x[i];
  fit->signs[octet] = shift < 0 ? 1 : signs;
  for (int start = 0; start < 8; start += book->length) {
    int code = nearest_entry(book, y + start, w + start, scale, shift, &fit->error);
    fit->codes[(octet * 8 + start) / book->length] = (uint16_t)code;
    const float *point = book->points + code * book->length;
    for (int i = 0; i < book->length; i++) {
      float weighted = w[start + i] * (point[i] + shift);
      fit->xp += weighted * y[start + i];
      fit->pp += weighted * (point[i] + shift);
    }
  }
}

// MARK: A group

static group_fit fit_group(const codebook *book, shape s, const float *x, const float *w, float scale) {
  group_fit fit = {.error = 0};
  for (int start = 0; start < s.group / 8; start += s.span) {
    group_fit up = fit, down = fit;
    for (int octet = start; octet < start + s.span; octet++) {
      add_octet(book, s, x + octet * 8, w + octet * 8, scale, s.shift, octet, &up);
      if (s.shift != 0) add_octet(book, s, x + octet * 8, w + octet * 8, scale, -s.shift, octet, &down);
    }
    fit = s.shift != 0 && down.error < up.error ? down : up;
  }
  return fit;
}

static float search_group_scale(const codebook *book, shape s, const float *x, const float *w) {
  float extreme = 0, best_gain = -1, best = 0;
  for (int i = 0; i < s.group; i++) extreme = fmaxf(extreme, fabsf(x[i]));
  float top = extreme / (book->values[book->levels - 1] + s.shift);
  if (inverse(top) == 0) return 0;
  for (int try = 0; try < TRIES; try++) {
    float scale = top / (s.low + (s.high - s.low) * (float)try / (TRIES - 1));
    for (int round = 0; round < REFINEMENTS; round++) {
      group_fit fit = fit_group(book, s, x, w, scale);
      if (!(fit.pp > 0 && fit.xp > 0) || !(fit.xp * fit.xp / fit.pp > best_gain)) break;
      best_gain = fit.xp * fit.xp / fit.pp;
      scale = best = fit.xp / fit.pp;
    }
  }
  return best;
}

// MARK: A block

static float storable(float scale) { return half_to_float(float_to_half(clamp(scale, 0, 65504))); }

static float group_scale(shape s, float scale, int steps) { return scale * s.unit * (float)(2 * steps + 1); }

static block_fit choose(const codebook *book, shape s, const float *x, const float *w, const float *wanted, float scale) {
  block_fit fit = {.scale = scale};
  for (int group = 0; group < BLOCK / s.group; group++) {
    float middle = nearest((clamp(wanted[group] * inverse(scale * s.unit), 0, 1e6f) - 1) / 2);
    float best = INFINITY;
    for (int step = -1; step <= 1; step++) {
      int steps = (int)clamp(middle + (float)step, 0, (float)s.most);
      group_fit candidate =
        fit_group(book, s, x + group * s.group, w + group * s.group, group_scale(s, scale, steps));
      if (!(candidate.error < best) && step > -1) continue;
      best = candidate.error;
      fit.steps[group] = steps;
      fit.groups[group] = candidate;
    }
    fit.error += best;
  }
  return fit;
}

// The block's scale that fits all choices best.
static float refit(shape s, const block_fit *fit) {
  float xp = 0, pp = 0;
  for (int group = 0; group < BLOCK / s.group; group++) {
    float factor = group_scale(s, 1, fit->steps[group]);
    xp += factor * fit->groups[group].xp;
    pp += factor * factor * fit->groups[group].pp;
  }
  return pp > 0 && xp > 0 ? xp / pp : fit->scale;
}

static block_fit fit_block(const codebook *book, shape s, const float *x, const float *w) {
  float wanted[GROUPS_MAX], most = 0;
  for (int group = 0; group < BLOCK / s.group; group++) {
    wanted[group] = search_group_scale(book, s, x + group * s.group, w + group * s.group);
    most = fmaxf(most, wanted[group]);
  }
  block_fit best = choose(book, s, x, w, wanted, storable(most * inverse(group_scale(s, 1, s.most))));
  for (int round = 0; round < ROUNDS; round++) {
    block_fit next = choose(book, s, x, w, wanted, storable(refit(s, &best)));
    if (!(next.error < best.error)) break;
    best = next;
  }
  return best;
}

// MARK: The formats

static uint32_t even_sign_word(const uint8_t *signs, int steps) {
  uint32_t word = (uint32_t)steps << 28;
  for (int octet = 0; octet < 4; octet++) word |= (uint32_t)(signs[octet] & 127) << (7 * octet);
  return word;
}

static void put_word(uint16_t *halves, uint32_t word) {
  halves[0] = (uint16_t)word;
  halves[1] = (uint16_t)(word >> 16);
}

static void put_nibble(uint8_t *bytes, int index, int nibble) { bytes[index / 2] |= (uint8_t)(nibble << (index % 2 * 4)); }

// Writes a block of zeros full.
typedef void (*packer)(const block_fit *fit, void *block);

static void encode_blocks(shape s, packer pack, size_t bytes, const float *x, const float *weights, void *blocks,
                          int64_t elements) {
  const codebook *book = codebook_of(s.book);
  uint8_t *block = blocks;
  for (int64_t at = 0; at < elements; at += BLOCK, block += bytes) {
    block_fit fit = fit_block(book, s, x + at, weights_or_ones(weights, at));
    memset(block, 0, bytes);
    pack(&fit, block);
  }
}

static void pack_iq2_xxs(const block_fit *fit, void *out) {
  ck_iq2_xxs *block = out;
  block->scale = float_to_half(fit->scale);
  for (int group = 0; group < 8; group++) {
    const group_fit *of = &fit->groups[group];
    uint32_t codes = 0;
    for (int k = 0; k < 4; k++) codes |= (uint32_t)of->codes[k] << (8 * k);
    put_word(block->codes + 4 * group, codes);
    put_word(block->codes + 4 * group + 2, even_sign_word(of->signs, fit->steps[group]));
  }
}

void encode_iq2_xxs(const float *x, const float *weights, void *blocks, int64_t elements) {
  static const shape s = {BOOK_IQ2_XXS, 32, 0.125f, 15, 1, 0, 4, 0.6f, 1.7f};
  encode_blocks(s, pack_iq2_xxs, sizeof(ck_iq2_xxs), x, weights, blocks, elements);
}

static void pack_iq2_xs(const block_fit *fit, void *out) {
  ck_iq2_xs *block = out;
  block->scale = float_to_half(fit->scale);
  for (int k = 0; k < 32; k++) {
    const group_fit *of = &fit->groups[k / 2];
    block->codes[k] = (uint16_t)(of->codes[k % 2] | (of->signs[k % 2] & 127) << 9);
  }
  for (int group = 0; group < 16; group++) put_nibble(block->scales, group, fit->steps[group]);
}

void encode_iq2_xs(const float *x, const float *weights, void *blocks, int64_t elements) {
  static const shape s = {BOOK_IQ2_XS, 16, 0.125f, 15, 1, 0, 2, 0.6f, 1.7f};
  encode_blocks(s, pack_iq2_xs, sizeof(ck_iq2_xs), x, weights, blocks, elements);
}

static void pack_iq2_s(const block_fit *fit, void *out) {
  ck_iq2_s *block = out;
  block->scale = float_to_half(fit->scale);
  for (int k = 0; k < 32; k++) {
    const group_fit *of = &fit->groups[k / 2];
    block->codes[k] = (uint8_t)of->codes[k % 2];
    block->high_bits[k / 4] |= (uint8_t)(of->codes[k % 2] >> 8 << (k % 4 * 2));
    block->signs[k] = of->signs[k % 2];
  }
  for (int group = 0; group < 16; group++) put_nibble(block->scales, group, fit->steps[group]);
}

void encode_iq2_s(const float *x, const float *weights, void *blocks, int64_t elements) {
  static const shape s = {BOOK_IQ2_S, 16, 0.125f, 15, 0, 0, 2, 0.6f, 1.7f};
  encode_blocks(s, pack_iq2_s, sizeof(ck_iq2_s), x, weights, blocks, elements);
}

static void pack_iq3_xxs(const block_fit *fit, void *out) {
  ck_iq3_xxs *block = out;
  block->scale = float_to_half(fit->scale);
  for (int group = 0; group < 8; group++) {
    const group_fit *of = &fit->groups[group];
    for (int k = 0; k < 8; k++) block->codes[group * 8 + k] = (uint8_t)of->codes[k];
    put_word(block->signs_and_scales + 2 * group, even_sign_word(of->signs, fit->steps[group]));
  }
}

void encode_iq3_xxs(const float *x, const float *weights, void *blocks, int64_t elements) {
  static const shape s = {BOOK_IQ3_XXS, 32, 0.25f, 15, 1, 0, 4, 0.7f, 1.5f};
  encode_blocks(s, pack_iq3_xxs, sizeof(ck_iq3_xxs), x, weights, blocks, elements);
}

static void pack_iq3_s(const block_fit *fit, void *out) {
  ck_iq3_s *block = out;
  block->scale = float_to_half(fit->scale);
  for (int group = 0; group < 8; group++) {
    const group_fit *of = &fit->groups[group];
    for (int k = 0; k < 8; k++) {
      block->codes[group * 8 + k] = (uint8_t)of->codes[k];
      block->high_bits[group] |= (uint8_t)(of->codes[k] >> 8 << k);
    }
    memcpy(block->signs + group * 4, of->signs, 4);
    put_nibble(block->scales, group, fit->steps[group]);
  }
}

void encode_iq3_s(const float *x, const float *weights, void *blocks, int64_t elements) {
  static const shape s = {BOOK_IQ3_S, 32, 1, 15, 0, 0, 4, 0.7f, 1.5f};
  encode_blocks(s, pack_iq3_s, sizeof(ck_iq3_s), x, weights, blocks, elements);
}

static void pack_iq1_s(const block_fit *fit, void *out) {
  ck_iq1_s *block = out;
  block->scale = float_to_half(fit->scale);
  for (int group = 0; group < 8; group++) {
    const group_fit *of = &fit->groups[group];
    int high = fit->steps[group] << 12 | of->signs[0] << 15;
    for (int k = 0; k < 4; k++) {
      block->codes[group * 4 + k] = (uint8_t)of->codes[k];
      high |= of->codes[k] >> 8 << (3 * k);
    }
    block->high_bits[group] = (uint16_t)high;
  }
}

void encode_iq1_s(const float *x, const float *weights, void *blocks, int64_t elements) {
  static const shape s = {BOOK_IQ1_S, 32, 1, 7, 0, 0.125f, 4, 0.9f, 3.0f};
  encode_blocks(s, pack_iq1_s, sizeof(ck_iq1_s), x, weights, blocks, elements);
}

static void pack_iq1_m(const block_fit *fit, void *out) {
  ck_iq1_m *block = out;
  uint16_t scale = float_to_half(fit->scale);
  for (int word = 0; word < 4; word++) block->scales[word] = (uint16_t)((scale >> (4 * word) & 15) << 12);
  for (int group = 0; group < 16; group++) {
    block->scales[group / 4] |= (uint16_t)(fit->steps[group] << (group % 4 * 3));
    for (int octet = 0; octet < 2; octet++) {
      const group_fit *of = &fit->groups[group];
      block->codes[group * 2 + octet] = (uint8_t)of->codes[octet];
      put_nibble(block->high_bits, group * 2 + octet, of->codes[octet] >> 8 | of->signs[octet] << 3);
    }
  }
}

void encode_iq1_m(const float *x, const float *weights, void *blocks, int64_t elements) {
  static const shape s = {BOOK_IQ1_S, 16, 1, 7, 0, 0.125f, 1, 0.9f, 3.0f};
  encode_blocks(s, pack_iq1_m, sizeof(ck_iq1_m), x, weights, blocks, elements);
}
