// SPDX-License-Identifier: Apache-2.0
// The panels of codebook formats and of ternary digits; see panel_formats.h and the decoders, which define them. A lane
// looks up the words of its own row.
#ifndef ANPROBE_PANEL_CODEBOOKS_H
#define ANPROBE_PANEL_CODEBOOKS_H
#include "codebooks.h"

// A code of each row: byte `byte` of word `low`, and above it the bits of `mask` from bit `at` on of word `high`.
static inline codes_place place(const uint8_t *low, int byte, const uint8_t *high, int at, int mask) {
  return (codes_place){low, byte, high, at, mask};
}
static inline codes_place byte_place(const uint8_t *low, int byte) { return place(low, byte, low, 0, 0); }

static inline void give_signs(vec signs, vec w[8]) {
  for (int j = 0; j < 8; j++) w[j] = negated_where(w[j], signs, j);
}

// Of four times seven sign bits, a byte each, the eighth makes the number of minus signs even.
static inline vec even_signs(vec sevens) {
  static const int8_t parities[16] = {
    0, -128, -128, 0, -128, 0, 0, -128, -128, 0, 0, -128, 0, -128, -128, 0,
  };
  vec table = table_of(parities);
  vec low = looked_up(table, low_bits(sevens, 15)), high = looked_up(table, low_bits(shifted(sevens, 4), 7));
  return sum_of_bytes(sevens, sum_of_bytes(low, high)); // twice 128 is none
}
// Sevens one behind the other from the lowest bit on.
static inline vec signs_of_28(vec v) {
  vec low = either(lane_bits(v, 127), lane_bits(lane_shifted_left(v, 1), 127 << 8));
  vec high = either(lane_bits(lane_shifted_left(v, 2), 127 << 16), lane_bits(lane_shifted_left(v, 3), 127 << 24));
  return even_signs(either(low, high));
}

// (2 n + 1) · scale · unit
static inline floats odd_times(vec n, floats scale, float unit) {
  return times(to_floats(lane_plus(lane_shifted_left(n, 1), 1)), times(scale, all_floats(unit)));
}
// The scales of sixteen columns each: nibbles of byte `group` of two words.
static inline void scale_nibbles(const uint8_t *words, int group, floats d, floats scale[2]) {
  vec own = lane_shifted(word(words, group / 4), group % 4 * 8);
  for (int half = 0; half < 2; half++) {
    scale[half] = odd_times(lane_bits(lane_shifted(own, half * 4), 15), d, 0.125f);
  }
}

// Words: of each group four codes, then signs and a scale.
static inline void codes_iq2_xxs(const uint8_t *block, int group, vec w[8]) {
  const uint8_t *codes = block + HALF_BYTES + 2 * group * WORD_BYTES;
  codes_place places[4];
  for (int k = 0; k < 4; k++) places[k] = byte_place(codes, k);
  look_up_byte_pairs(words_iq2_xxs, places, w);
  give_signs(signs_of_28(word(block + HALF_BYTES, 2 * group + 1)), w);
}
static inline void scales_iq2_xxs(const uint8_t *block, int group, floats scale[2], floats minimum[2]) {
  (void)minimum;
  scale[0] = odd_times(lane_shifted(word(block + HALF_BYTES, 2 * group + 1), 28), halves_at(block), 0.125f);
}

// Words: 16 of codes, nine bits and seven signs; 2 of scales.
static inline void codes_iq2_xs(const uint8_t *block, int group, vec w[8]) {
  vec a = word(block + HALF_BYTES, 2 * group), b = word(block + HALF_BYTES, 2 * group + 1);
  codes_place places[4];
  for (int k = 0; k < 4; k++) {
    const uint8_t *codes = block + HALF_BYTES + (2 * group + k / 2) * WORD_BYTES;
    places[k] = place(codes, k % 2 * 2, codes, k % 2 * 16 + 8, 1);
  }
  look_up_pairs(words_iq2_xs, places, w);
  vec low = either(lane_bits(lane_shifted(a, 9), 127), lane_bits(lane_shifted(a, 17), 127 << 8));
  vec high = either(lane_bits(lane_shifted_left(b, 7), 127 << 16), lane_bits(lane_shifted(b, 1), 127 << 24));
  give_signs(even_signs(either(low, high)), w);
}
static inline void scales_iq2_xs(const uint8_t *block, int group, floats scale[2], floats minimum[2]) {
  (void)minimum;
  scale_nibbles(block + HALF_BYTES + 16 * WORD_BYTES, group, halves_at(block), scale);
}

// Words: 8 of codes, 8 of signs, 2 of the codes' high bits, 2 of scales.
static inline void codes_iq2_s(const uint8_t *block, int group, vec w[8]) {
  const uint8_t *codes = block + HALF_BYTES + group * WORD_BYTES, *high = block + HALF_BYTES + (16 + group / 4) * WORD_BYTES;
  codes_place places[4];
  for (int k = 0; k < 4; k++) places[k] = place(codes, k, high, group % 4 * 8 + 2 * k, 3);
  look_up_pairs(words_iq2_s, places, w);
  give_signs(word(block + HALF_BYTES, 8 + group), w);
}
static inline void scales_iq2_s(const uint8_t *block, int group, floats scale[2], floats minimum[2]) {
  (void)minimum;
  scale_nibbles(block + HALF_BYTES + 18 * WORD_BYTES, group, halves_at(block), scale);
}

// Words: 16 of codes, 8 of signs and a scale.
static inline void codes_iq3_xxs(const uint8_t *block, int group, vec w[8]) {
  codes_place places[8];
  for (int j = 0; j < 8; j++) places[j] = byte_place(block + HALF_BYTES + (2 * group + j / 4) * WORD_BYTES, j % 4);
  look_up_bytes(words_iq3_xxs, places, w);
  give_signs(signs_of_28(word(block + HALF_BYTES, 16 + group)), w);
}
static inline void scales_iq3_xxs(const uint8_t *block, int group, floats scale[2], floats minimum[2]) {
  (void)minimum;
  scale[0] = odd_times(lane_shifted(word(block + HALF_BYTES, 16 + group), 28), halves_at(block), 0.25f);
}

// Words: 16 of codes, 2 of their high bits, 8 of signs, 1 of scales.
static inline void codes_iq3_s(const uint8_t *block, int group, vec w[8]) {
  const uint8_t *high = block + HALF_BYTES + (16 + group / 4) * WORD_BYTES;
  codes_place places[8];
  for (int j = 0; j < 8; j++) {
    const uint8_t *codes = block + HALF_BYTES + (2 * group + j / 4) * WORD_BYTES;
    places[j] = place(codes, j % 4, high, group % 4 * 8 + j, 1);
  }
  look_up(words_iq3_s, places, w);
  give_signs(word(block + HALF_BYTES, 18 + group), w);
}
static inline void scales_iq3_s(const uint8_t *block, int group, floats scale[2], floats minimum[2]) {
  (void)minimum;
  vec own = lane_bits(lane_shifted(word(block + HALF_BYTES, 26), group * 4), 15);
  scale[0] = odd_times(own, halves_at(block), 1);
}

// Elements of iq1 are an eighth more than a ternary digit, or, where bit `bit` of the row's word is set, an eighth less.
static inline vec with_eighth(vec v, vec bits, int bit) {
  vec is_less = lane_shifted_signed(lane_shifted_left(bits, 31 - bit), 31);
  return sum_of_bytes(v, low_bits(is_less, 256 - 2));
}

// Words: 8 of codes, 4 of halves: the codes' high bits, a scale, the eighth's sign.
static inline void codes_iq1_s(const uint8_t *block, int group, vec w[8]) {
  const uint8_t *codes = block + HALF_BYTES + group * WORD_BYTES, *high = block + HALF_BYTES + (8 + group / 2) * WORD_BYTES;
  codes_place places[4];
  for (int k = 0; k < 4; k++) places[k] = place(codes, k, high, group % 2 * 16 + 3 * k, 7);
  look_up_pairs(words_iq1, places, w);
  for (int j = 0; j < 8; j++) w[j] = with_eighth(w[j], word(high, 0), group % 2 * 16 + 15);
}
static inline void scales_iq1_s(const uint8_t *block, int group, floats scale[2], floats minimum[2]) {
  (void)minimum;
  vec own = lane_bits(lane_shifted(word(block + HALF_BYTES, 8 + group / 2), group % 2 * 16 + 12), 7);
  scale[0] = odd_times(own, halves_at(block), 0.125f);
}

// Words: 8 of codes, 4 of nibbles: a code's three high bits and the sign of its eighth; 2 of scales.
static inline void codes_iq1_m(const uint8_t *block, int group, vec w[8]) {
  const uint8_t *codes = block + group * WORD_BYTES, *high = block + (8 + group / 2) * WORD_BYTES;
  codes_place places[4];
  for (int k = 0; k < 4; k++) places[k] = place(codes, k, high, group % 2 * 16 + 4 * k, 7);
  look_up_pairs(words_iq1, places, w);
  for (int j = 0; j < 8; j++) w[j] = with_eighth(w[j], word(high, 0), places[j / 2].at + 3);
}
// The block's half is spread over the top nibbles of four halves, below which are the scales of sixteen columns each.
static inline void scales_iq1_m(const uint8_t *block, int group, floats scale[2], floats minimum[2]) {
  (void)minimum;
  vec a = word(block, 12), b = word(block, 13);
  vec low = either(lane_bits(lane_shifted(a, 12), 15), lane_bits(lane_shifted(a, 24), 15 << 4));
  vec high = either(lane_bits(lane_shifted(b, 4), 15 << 8), lane_bits(lane_shifted(b, 16), 15 << 12));
  floats d = low_half(either(low, high));
  vec own = lane_shifted(group < 4 ? a : b, group / 2 % 2 * 16 + group % 2 * 6);
  for (int half = 0; half < 2; half++) {
    scale[half] = odd_times(lane_bits(lane_shifted(own, half * 3), 7), d, 0.125f);
  }
}

// Words of five ternary digits a byte, the first one highest: v · 3^n, without what passes a byte, times 3 passes it by the
// digit n. 160 columns of eight words, 80 of four, 16 of one, which has four digits a byte. Then the half.
static inline vec ternary_digits(vec v, int n) {
  for (int i = 0; i < n; i++) v = sum_of_bytes(v, sum_of_bytes(v, v));
  return plus(sum_of_bytes(at_least(v, 86), at_least(v, 171)), 128 - 1);
}
static inline void codes_tq1_0(const uint8_t *block, int group, vec w[8]) {
  for (int j = 0; j < 8; j++) {
    int column = group * 8 + j, beyond = column - 40;
    if (column < 40) w[j] = ternary_digits(word(block, j), group);
    else if (beyond < 20) w[j] = ternary_digits(word(block, 8 + beyond % 4), beyond / 4);
    else w[j] = ternary_digits(word(block, 12), beyond - 20);
  }
}
static inline void scale_tq1_0(const uint8_t *block, int group, floats scale[2], floats minimum[2]) {
  (void)group;
  (void)minimum;
  scale[0] = halves_at(block + 13 * WORD_BYTES);
}

// 16 words of two-bit codes, then the half.
static inline void codes_tq2_0(const uint8_t *block, int group, vec w[8]) {
  for (int j = 0; j < 8; j++) {
    w[j] = plus(low_bits(shifted(word(block, group / 4 * 8 + j), group % 4 * 2), 3), 128 - 1);
  }
}
static inline void scale_tq2_0(const uint8_t *block, int group, floats scale[2], floats minimum[2]) {
  (void)group;
  (void)minimum;
  scale[0] = halves_at(block + 16 * WORD_BYTES);
}

static const panel_format panel_iq2_xxs = {256, 66, 1, 0, 64, codes_iq2_xxs, scales_iq2_xxs, 1};
static const panel_format panel_iq2_xs = {256, 74, 2, 0, 64, codes_iq2_xs, scales_iq2_xs, 1};
static const panel_format panel_iq2_s = {256, 82, 2, 0, 64, codes_iq2_s, scales_iq2_s, 1};
static const panel_format panel_iq3_xxs = {256, 98, 1, 0, 64, codes_iq3_xxs, scales_iq3_xxs, 1};
static const panel_format panel_iq3_s = {256, 110, 1, 0, 16, codes_iq3_s, scales_iq3_s, 1};
static const panel_format panel_iq1_s = {256, 50, 1, 0, 16, codes_iq1_s, scales_iq1_s, 1};
static const panel_format panel_iq1_m = {256, 56, 2, 0, 16, codes_iq1_m, scales_iq1_m, 1};
static const panel_format panel_tq1_0 = {256, 54, 1, 0, 4, codes_tq1_0, scale_tq1_0};
static const panel_format panel_tq2_0 = {256, 66, 1, 0, 4, codes_tq2_0, scale_tq2_0};

// Every format of whole codes in panels, by type: what a kernel does for each is X(type, format).
#define EACH_PANEL_FORMAT(X)                                                                       \
  X(CK_Q8_0, panel_q8_0) X(CK_Q4_0, panel_q4_0) X(CK_Q4_1, panel_q4_1) X(CK_Q5_0, panel_q5_0)     \
  X(CK_Q5_1, panel_q5_1) X(CK_IQ4_NL, panel_iq4_nl) X(CK_MXFP4, panel_mxfp4)                      \
  X(CK_Q2_K, panel_q2_k) X(CK_Q3_K, panel_q3_k) X(CK_Q4_K, panel_q4_k) X(CK_Q5_K, panel_q5_k)     \
  X(CK_Q6_K, panel_q6_k) X(CK_IQ4_XS, panel_iq4_xs)                                               \
  X(CK_IQ2_XXS, panel_iq2_xxs) X(CK_IQ2_XS, panel_iq2_xs) X(CK_IQ2_S, panel_iq2_s)                \
  X(CK_IQ3_XXS, panel_iq3_xxs) X(CK_IQ3_S, panel_iq3_s) X(CK_IQ1_S, panel_iq1_s)                  \
  X(CK_IQ1_M, panel_iq1_m) X(CK_TQ1_0, panel_tq1_0) X(CK_TQ2_0, panel_tq2_0)                      \
  X(CK_INT4_G32, panel_int4_g32) X(CK_INT4_G64, panel_int4_g64) X(CK_INT4_G128, panel_int4_g128)  \
  X(CK_UINT8_G32, panel_uint8_g32) X(CK_UINT8_G128, panel_uint8_g128)                             \
  X(CK_INT8_G128, panel_int8_g128) X(CK_NF4, panel_nf4) X(CK_FP4, panel_fp4)

#endif
