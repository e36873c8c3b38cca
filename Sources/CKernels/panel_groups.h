// SPDX-License-Identifier: Apache-2.0
// The panels of blocks that no GGUF file holds; see panel_formats.h. A scale, perhaps a zero point, then codes in words.
#ifndef ANPROBE_PANEL_GROUPS_H
#define ANPROBE_PANEL_GROUPS_H

// What a byte's code and its zero both lose, where products are of signed bytes.
#ifdef ANPROBE_PANEL_WORDS_NEON_H
enum { BYTE_OFFSET = 128 };
#else
enum { BYTE_OFFSET = 0 };
#endif

// x = scale · code − scale · zero
static inline void scale_and_zero(const uint8_t *block, int group, floats scale[2], floats minimum[2]) {
  (void)group;
  scale[0] = halves_at(block);
  minimum[0] = minus_times(scale[0], to_floats(bytes_at(block + HALF_BYTES)));
}
static inline void scale_and_byte_zero(const uint8_t *block, int group, floats scale[2], floats minimum[2]) {
  (void)group;
  scale[0] = halves_at(block);
  minimum[0] = minus_times(scale[0], to_floats(lane_plus(bytes_at(block + HALF_BYTES), -BYTE_OFFSET)));
}
static inline void codes_int4(const uint8_t *block, int group, vec w[8]) {
  split_nibbles(block + HALF_BYTES + BYTE_BYTES + group * 4 * WORD_BYTES, w);
}
static inline void codes_uint8(const uint8_t *block, int group, vec w[8]) {
  for (int j = 0; j < 8; j++) w[j] = plus(word(block + HALF_BYTES + BYTE_BYTES, group * 8 + j), -BYTE_OFFSET);
}
static inline void codes_int8(const uint8_t *block, int group, vec w[8]) {
  for (int j = 0; j < 8; j++) w[j] = flipped_signs(word(block + HALF_BYTES, group * 8 + j));
}
static inline void codes_nf4(const uint8_t *block, int group, vec w[8]) {
  split_levels(block + HALF_BYTES + group * 4 * WORD_BYTES, nf4_levels, w);
}
static inline void codes_fp4(const uint8_t *block, int group, vec w[8]) {
  split_levels(block + HALF_BYTES + group * 4 * WORD_BYTES, fp4_levels, w);
}

#if defined(ANPROBE_PANEL_WORDS_NEON_H)
static inline floats all_floats(float v) {
  float32x4_t part = vdupq_n_f32(v);
  return (floats){{part, part, part, part}};
}
#elif defined(ANPROBE_PANEL_WORDS_AVX512_H)
static inline floats all_floats(float v) { return _mm512_set1_ps(v); }
#else
static inline floats all_floats(float v) { return (floats){_mm256_set1_ps(v), _mm256_set1_ps(v)}; }
#endif
static inline void scale_nf4(const uint8_t *block, int group, floats scale[2], floats minimum[2]) {
  (void)group;
  (void)minimum;
  scale[0] = times(halves_at(block), all_floats(1 / NF4_LEVEL_STEPS));
}
static inline void scale_fp4(const uint8_t *block, int group, floats scale[2], floats minimum[2]) {
  (void)group;
  (void)minimum;
  scale[0] = times(halves_at(block), all_floats(1 / FP4_LEVEL_STEPS));
}

static const panel_format panel_int4_g32 = {32, 19, 1, 1, 15, codes_int4, scale_and_zero};
static const panel_format panel_int4_g64 = {64, 35, 1, 1, 15, codes_int4, scale_and_zero};
static const panel_format panel_int4_g128 = {128, 67, 1, 1, 15, codes_int4, scale_and_zero};
static const panel_format panel_uint8_g32 = {32, 35, 1, 1, 255, codes_uint8, scale_and_byte_zero};
static const panel_format panel_uint8_g128 = {128, 131, 1, 1, 255, codes_uint8, scale_and_byte_zero};
static const panel_format panel_int8_g128 = {128, 130, 1, 0, 128, codes_int8, scale_at_start};
static const panel_format panel_nf4 = {64, 34, 1, 0, 128, codes_nf4, scale_nf4};
static const panel_format panel_fp4 = {64, 34, 1, 0, 128, codes_fp4, scale_fp4};

#endif
