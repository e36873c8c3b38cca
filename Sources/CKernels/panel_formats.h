// SPDX-License-Identifier: Apache-2.0
// What each format's panels hold, in the words of the vector vocabulary of the file that includes this one:
//   vec        bytes or 32-bit lanes of LANES rows       floats     one float for each of these rows
// A block's units of four bytes are `word(block, i)`: four neighbouring bytes of each row. Codes of 32 columns are eight
// vecs, vec j the columns 4j ... 4j+3. Formats with minima give the codes as they are (unsigned), x = scale · code +
// minimum; the others give the value + 128, so that one offset serves them all.
#ifndef ANPROBE_PANEL_FORMATS_H
#define ANPROBE_PANEL_FORMATS_H

typedef struct {
  int elements;    // of a block
  int bytes;       // of a block of one row
  int halves;      // scales for 32 columns: one, or one for either half
  int has_minima;  // 0 or 1; 2 where one scale goes with a minimum for either half
  int reach;       // the largest code, or a power of two that no value's magnitude exceeds
  void (*codes)(const uint8_t *block, int group, vec w[8]);
  // The scale of each half of the group, and its minimum where the format has minima.
  void (*scales)(const uint8_t *block, int group, floats scale[2], floats minimum[2]);
  int looks_up;    // whether its codes are looked up row by row: too much code to have once for each group
} panel_format;

// AVX2 takes a group's codes one vec at a time, all others unused: that must not become a call.
#ifdef ANPROBE_PANEL_WORDS_AVX2_H
#define PLACED static inline __attribute__((always_inline))
#else
#define PLACED static inline
#endif

// Nibbles of 32 columns in four words: the low halves are columns 0-15, the high ones 16-31.
PLACED void split_nibbles(const uint8_t *words, vec w[8]) {
  for (int j = 0; j < 4; j++) {
    vec v = word(words, j);
    w[j] = low_bits(v, 15);
    w[j + 4] = low_bits(shifted(v, 4), 15);
  }
}

PLACED void split_levels(const uint8_t *words, const int8_t levels[16], vec w[8]) {
  split_nibbles(words, w);
  for (int j = 0; j < 8; j++) w[j] = level_of(levels, w[j]);
}

// The fifth bits of 32 columns are one word per row.
static inline void split_fives(const uint8_t *words, int bit, vec w[8]) {
  vec high = word(words, 0);
  split_nibbles(words + WORD_BYTES, w);
  for (int j = 0; j < 8; j++) w[j] = with_bits_of(w[j], high, j, bit);
}

static inline void codes_q8_0(const uint8_t *block, int group, vec w[8]) {
  (void)group;
  for (int j = 0; j < 8; j++) w[j] = flipped_signs(word(block + HALF_BYTES, j));
}
static inline void scale_at_start(const uint8_t *block, int group, floats scale[2], floats minimum[2]) {
  (void)group;
  (void)minimum;
  scale[0] = halves_at(block);
}

static inline void codes_q4_0(const uint8_t *block, int group, vec w[8]) {
  (void)group;
  split_nibbles(block + HALF_BYTES, w);
  for (int j = 0; j < 8; j++) w[j] = plus(w[j], 128 - 8);
}
static inline void codes_iq4_nl(const uint8_t *block, int group, vec w[8]) {
  (void)group;
  split_levels(block + HALF_BYTES, nonlinear_levels, w);
}
static inline void codes_mxfp4(const uint8_t *block, int group, vec w[8]) {
  (void)group;
  split_levels(block + BYTE_BYTES, e2m1_doubled, w);
}
// 2^(e - 128) as a float has the exponent field e - 1; the two smallest powers are subnormal.
static inline void scales_mxfp4(const uint8_t *block, int group, floats scale[2], floats minimum[2]) {
  (void)group;
  (void)minimum;
  scale[0] = power_of_two_halved(bytes_at(block));
}
static inline void codes_q5_0(const uint8_t *block, int group, vec w[8]) {
  (void)group;
  split_fives(block + HALF_BYTES, 16, w);
  for (int j = 0; j < 8; j++) w[j] = plus(w[j], 128 - 16);
}

static inline void codes_q4_1(const uint8_t *block, int group, vec w[8]) {
  (void)group;
  split_nibbles(block + WORD_BYTES, w);
}
static inline void codes_q5_1(const uint8_t *block, int group, vec w[8]) {
  (void)group;
  split_fives(block + WORD_BYTES, 16, w);
}
// A word of two halves: scale and minimum.
static inline void scale_and_minimum(const uint8_t *block, int group, floats scale[2], floats minimum[2]) {
  (void)group;
  vec v = word(block, 0);
  scale[0] = low_half(v);
  minimum[0] = high_half(v);
}

// Scales and minima of q4_k and q5_k: three words of six-bit numbers after the word of halves (unpack_q4_k_scales).
static inline void scales_q4_k(const uint8_t *block, int group, floats scale[2], floats minimum[2]) {
  vec halves = word(block, 0), a = word(block, 1), b = word(block, 2), c = word(block, 3);
  int at = group % 4 * 8;
  vec s, m;
  if (group < 4) {
    s = lane_bits(lane_shifted(a, at), 63);
    m = lane_bits(lane_shifted(b, at), 63);
  } else {
    vec low = lane_shifted(c, at);
    s = either(lane_bits(low, 15), lane_bits(lane_shifted(a, at + 2), 48));
    m = either(lane_bits(lane_shifted(low, 4), 15), lane_bits(lane_shifted(b, at + 2), 48));
  }
  scale[0] = times(low_half(halves), to_floats(s));
  minimum[0] = minus_times(high_half(halves), to_floats(m));
}
PLACED void codes_q4_k(const uint8_t *block, int group, vec w[8]) {
  for (int j = 0; j < 8; j++) w[j] = low_bits(shifted(word(block, 4 + group / 2 * 8 + j), group % 2 * 4), 15);
}
PLACED void codes_q5_k(const uint8_t *block, int group, vec w[8]) {
  for (int j = 0; j < 8; j++) {
    vec high = word(block, 4 + j);
    vec fifth = group < 4 ? shifted_left(high, 4 - group) : shifted(high, group - 4);
    vec low = low_bits(shifted(word(block, 12 + group / 2 * 8 + j), group % 2 * 4), 15);
    w[j] = either(low, low_bits(fifth, 16));
  }
}

// Words: 32 of nibbles, 16 of pairs of high bits, 4 of signed scales; then the halves.
PLACED void codes_q6_k(const uint8_t *block, int group, vec w[8]) {
  int part = group / 4, quarter = group % 4;
  for (int j = 0; j < 8; j++) {
    vec low = low_bits(shifted(word(block, part * 16 + quarter % 2 * 8 + j), quarter / 2 * 4), 15);
    vec pairs = word(block, 32 + part * 8 + j);
    vec high = quarter < 2 ? shifted_left(pairs, 4 - 2 * quarter) : shifted(pairs, 2 * quarter - 4);
    w[j] = plus(either(low, low_bits(high, 48)), 128 - 32);
  }
}
static inline void scales_q6_k(const uint8_t *block, int group, floats scale[2], floats minimum[2]) {
  (void)minimum;
  vec words = word(block, 48 + group / 2);
  floats d = halves_at(block + 52 * WORD_BYTES);
  for (int half = 0; half < 2; half++) {
    vec s = lane_shifted_signed(lane_shifted_left(words, 24 - (group % 2 * 16 + half * 8)), 24);
    scale[half] = times(d, to_floats(s));
  }
}

// Words: 8 of high bits, 16 of pairs of low bits, 3 of six-bit scales; then the halves. See q3_k_scale.
PLACED void codes_q3_k(const uint8_t *block, int group, vec w[8]) {
  for (int j = 0; j < 8; j++) {
    vec low = low_bits(shifted(word(block, 8 + group / 4 * 8 + j), group % 4 * 2), 3);
    vec bits = word(block, j);
    vec high = group < 2 ? shifted_left(bits, 2 - group) : shifted(bits, group - 2);
    w[j] = plus(either(low, low_bits(high, 4)), 128 - 4);
  }
}
static inline vec q3_k_scale_lanes(const uint8_t *block, int n) {
  vec low = lane_bits(lane_shifted(word(block, 24 + n % 8 / 4), n % 4 * 8 + n / 8 * 4), 15);
  vec high = lane_bits(lane_shifted(word(block, 26), n % 4 * 8 + n / 4 * 2), 3);
  return lane_plus(either(low, lane_shifted_left(high, 4)), -32);
}
static inline void scales_q3_k(const uint8_t *block, int group, floats scale[2], floats minimum[2]) {
  (void)minimum;
  floats d = halves_at(block + 27 * WORD_BYTES);
  for (int half = 0; half < 2; half++) scale[half] = times(d, to_floats(q3_k_scale_lanes(block, group * 2 + half)));
}

// Words: 4 of scales (low nibble) and minima, 16 of two-bit codes, one of halves.
PLACED void codes_q2_k(const uint8_t *block, int group, vec w[8]) {
  for (int j = 0; j < 8; j++) w[j] = low_bits(shifted(word(block, 4 + group / 4 * 8 + j), group % 4 * 2), 3);
}
static inline void scales_q2_k(const uint8_t *block, int group, floats scale[2], floats minimum[2]) {
  vec halves = word(block, 20), words = word(block, group / 2);
  for (int half = 0; half < 2; half++) {
    vec both = lane_shifted(words, group % 2 * 16 + half * 8);
    scale[half] = times(low_half(halves), to_floats(lane_bits(both, 15)));
    minimum[half] = minus_times(high_half(halves), to_floats(lane_bits(lane_shifted(both, 4), 15)));
  }
}

// Words: the half and the scales' high bits, their low nibbles, 32 of nibbles.
PLACED void codes_iq4_xs(const uint8_t *block, int group, vec w[8]) {
  split_levels(block + (2 + group * 4) * WORD_BYTES, nonlinear_levels, w);
}
static inline vec scale_lanes_iq4_xs(const uint8_t *block, int group) {
  vec low = lane_bits(lane_shifted(word(block, 1), group * 4), 15);
  vec high = lane_bits(lane_shifted(word(block, 0), 16 + 2 * group), 3);
  return lane_plus(either(low, lane_shifted_left(high, 4)), -32);
}
static inline void scales_iq4_xs(const uint8_t *block, int group, floats scale[2], floats minimum[2]) {
  (void)minimum;
  scale[0] = times(low_half(word(block, 0)), to_floats(scale_lanes_iq4_xs(block, group)));
}

static const panel_format panel_q8_0 = {32, 34, 1, 0, 128, codes_q8_0, scale_at_start};
static const panel_format panel_q4_0 = {32, 18, 1, 0, 8, codes_q4_0, scale_at_start};
static const panel_format panel_q4_1 = {32, 20, 1, 1, 15, codes_q4_1, scale_and_minimum};
static const panel_format panel_q5_0 = {32, 22, 1, 0, 16, codes_q5_0, scale_at_start};
static const panel_format panel_q5_1 = {32, 24, 1, 1, 31, codes_q5_1, scale_and_minimum};
static const panel_format panel_iq4_nl = {32, 18, 1, 0, 128, codes_iq4_nl, scale_at_start};
static const panel_format panel_mxfp4 = {32, 17, 1, 0, 16, codes_mxfp4, scales_mxfp4};
static const panel_format panel_q4_k = {256, 144, 1, 1, 15, codes_q4_k, scales_q4_k};
static const panel_format panel_q5_k = {256, 176, 1, 1, 31, codes_q5_k, scales_q4_k};
static const panel_format panel_q6_k = {256, 210, 2, 0, 32, codes_q6_k, scales_q6_k};
static const panel_format panel_q3_k = {256, 110, 2, 0, 4, codes_q3_k, scales_q3_k};
static const panel_format panel_q2_k = {256, 84, 2, 1, 3, codes_q2_k, scales_q2_k};
static const panel_format panel_iq4_xs = {256, 136, 1, 0, 128, codes_iq4_xs, scales_iq4_xs};

#endif
