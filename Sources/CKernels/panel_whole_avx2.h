// SPDX-License-Identifier: Apache-2.0
// Formats whose scales are whole multiples of one float of the block. VPMADDWD adds the pairs of a sum of 16 bits anyway; it
// multiplies them by the scale on the way, so that of a group one sum becomes floats, and of a block one is multiplied
// by its float. Nothing is rounded that was not: a group's sum is below 2^31.
#ifndef ANPROBE_PANEL_WHOLE_AVX2_H
#define ANPROBE_PANEL_WHOLE_AVX2_H

typedef struct {
  // The block's floats, of which scales and minima are multiples.
  floats (*unit)(const uint8_t *block);
  floats (*minimum_unit)(const uint8_t *block);
  // The scale of a half of the group in both halves of a lane; its minimum in whole lanes, where the format has minima.
  vec (*scale)(const uint8_t *block, int group, int half);
  vec (*minimum)(const uint8_t *block, int group, int half);
} whole_scales;

static inline vec ordered(vec v, __m128i order) {
  __m256i both = _mm256_broadcastsi128_si256(order);
  return pair(_mm256_shuffle_epi8(v.low, both), _mm256_shuffle_epi8(v.high, both));
}
// Byte i of each lane, in bytes `places` of it, the others zero.
static inline vec byte_in(vec v, int i, int places) {
  __m128i own = _mm_set1_epi8((char)i), lane = _mm_setr_epi32(0, 0x04040404, 0x08080808, 0x0c0c0c0c);
  return ordered(v, _mm_or_si128(_mm_add_epi8(own, lane), _mm_set1_epi32(~places & (int)0x80808080)));
}
static inline vec in_whole_lane(vec bytes, int i) { return byte_in(bytes, i, 0x00000080); }
static inline vec in_both_halves(vec bytes, int i) { return byte_in(bytes, i, 0x00800080); }
static inline vec high_in_both_halves(vec bytes, int i) { return byte_in(bytes, i, (int)0x80008000); }
static inline vec signed_in_both_halves(vec bytes, int i) {
  vec v = high_in_both_halves(bytes, i);
  return pair(_mm256_srai_epi16(v.low, 8), _mm256_srai_epi16(v.high, 8));
}

// Eight scales or minima of six bits: see scales_q4_k.
static inline vec sixes_of_q4_k(const uint8_t *block, int is_minimum, int group) {
  vec own = word(block, 1 + is_minimum), last = word(block, 3);
  if (group < 4) return low_bits(own, 63);
  return either(low_bits(is_minimum ? shifted(last, 4) : last, 15), low_bits(shifted(own, 2), 48));
}
static inline floats unit_q4_k(const uint8_t *block) { return low_half(word(block, 0)); }
static inline floats minimum_unit_q4_k(const uint8_t *block) { return high_half(word(block, 0)); }
static inline vec whole_scale_q4_k(const uint8_t *block, int group, int half) {
  (void)half;
  return in_both_halves(sixes_of_q4_k(block, 0, group), group % 4);
}
static inline vec whole_minimum_q4_k(const uint8_t *block, int group, int half) {
  (void)half;
  return in_whole_lane(sixes_of_q4_k(block, 1, group), group % 4);
}

static inline floats unit_q6_k(const uint8_t *block) { return halves_at(block + 52 * WORD_BYTES); }
static inline vec whole_scale_q6_k(const uint8_t *block, int group, int half) {
  return signed_in_both_halves(word(block, 48 + group / 2), group % 2 * 2 + half);
}

// Bytes of four neighbouring scales: see q3_k_scale_lanes. They stay in the high bytes, 256 times as large: a group's sum is
// below 32 · 4 · 127 · 32 · 256 < 2^27, and the unit takes it back.
static inline floats unit_q3_k(const uint8_t *block) {
  floats d = halves_at(block + 27 * WORD_BYTES);
  return times(d, all_floats(1.0f / 256));
}
static inline vec whole_scale_q3_k(const uint8_t *block, int group, int half) {
  int n = group * 2 + half, four = n / 4;
  vec low = low_bits(shifted(word(block, 24 + four % 2), four / 2 * 4), 15), twos = word(block, 26);
  vec high = low_bits(four < 2 ? shifted_left(twos, 4 - 2 * four) : shifted(twos, 2 * four - 4), 48);
  return high_in_both_halves(plus(either(low, high), -32), n % 4);
}

static inline floats unit_q2_k(const uint8_t *block) { return low_half(word(block, 20)); }
static inline floats minimum_unit_q2_k(const uint8_t *block) { return high_half(word(block, 20)); }
static inline vec whole_scale_q2_k(const uint8_t *block, int group, int half) {
  return in_both_halves(low_bits(word(block, group / 2), 15), group % 2 * 2 + half);
}
static inline vec whole_minimum_q2_k(const uint8_t *block, int group, int half) {
  return in_whole_lane(low_bits(shifted(word(block, group / 2), 4), 15), group % 2 * 2 + half);
}

static inline floats unit_iq4_xs(const uint8_t *block) { return low_half(word(block, 0)); }
static inline vec whole_scale_iq4_xs(const uint8_t *block, int group, int half) {
  (void)half;
  vec v = scale_lanes_iq4_xs(block, group);
  return ordered(v, _mm_setr_epi32(0x01000100, 0x05040504, 0x09080908, 0x0d0c0d0c));
}

static const whole_scales whole_q4_k = {unit_q4_k, minimum_unit_q4_k, whole_scale_q4_k, whole_minimum_q4_k};
static const whole_scales whole_q6_k = {.unit = unit_q6_k, .scale = whole_scale_q6_k};
static const whole_scales whole_q3_k = {.unit = unit_q3_k, .scale = whole_scale_q3_k};
static const whole_scales whole_q2_k = {unit_q2_k, minimum_unit_q2_k, whole_scale_q2_k, whole_minimum_q2_k};
static const whole_scales whole_iq4_xs = {.unit = unit_iq4_xs, .scale = whole_scale_iq4_xs};

// Null for a format whose scales are floats.
static inline __attribute__((always_inline)) const whole_scales *whole_scales_of(const panel_format *format) {
  if (format == &panel_q4_k || format == &panel_q5_k) return &whole_q4_k;
  if (format == &panel_q6_k) return &whole_q6_k;
  if (format == &panel_q3_k) return &whole_q3_k;
  if (format == &panel_q2_k) return &whole_q2_k;
  return format == &panel_iq4_xs ? &whole_iq4_xs : 0;
}

// What a format's offset subtracts, −offset · Σq of a half, is a start of a sum in 16 bits where it fits them beside the
// products of these columns, else a product of the scale with two halves of it: 32 · 16 · 127 halved fits.
static inline int starts_in_sums(const panel_format *format) { return offset_of(format) <= 4; }
static inline vec start_of_sum(const panel_format *format, __m256i offset_sum) {
  return starts_in_sums(format) ? lane_bits(start_of_all(format, offset_sum), 0xffff) : all_lanes(0);
}
static inline vec start_of_dots(const panel_format *format, vec scale, __m256i offset_sum) {
  if (starts_in_sums(format)) return all_lanes(0);
  vec halved = lane_bits(lane_shifted_signed(start_of_all(format, offset_sum), 1), 0xffff);
  vec start = either(halved, lane_shifted_left(halved, 16));
  return pair(_mm256_madd_epi16(start.low, scale.low), _mm256_madd_epi16(start.high, scale.high));
}

#endif
