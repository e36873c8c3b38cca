// SPDX-License-Identifier: Apache-2.0
// The vocabulary of panel_formats.h for NEON: a vec is a word of each of the sixteen rows, in four registers.
#ifndef ANPROBE_PANEL_WORDS_NEON_H
#define ANPROBE_PANEL_WORDS_NEON_H
#include <arm_neon.h>
#include <string.h>
#include "include/kernels.h"

enum { PARTS = 4 };
typedef struct { uint8x16_t q[PARTS]; } vec;
typedef struct { int32x4_t q[PARTS]; } sums;
typedef struct { float32x4_t q[PARTS]; } floats;
// Bytes that a unit of one, two or four bytes takes in a panel.
enum { BYTE_BYTES = 16, HALF_BYTES = 32, WORD_BYTES = 64 };

static inline uint32x4_t lanes(uint8x16_t v) { return vreinterpretq_u32_u8(v); }
static inline uint8x16_t bytes(uint32x4_t v) { return vreinterpretq_u8_u32(v); }
static inline uint8x16_t all(int value) { return vdupq_n_u8((uint8_t)value); }
static inline uint32x4_t all_lanes(int value) { return vdupq_n_u32((uint32_t)value); }

static inline vec word(const uint8_t *words, int i) {
  vec v;
  for (int p = 0; p < PARTS; p++) v.q[p] = vld1q_u8(words + i * WORD_BYTES + 16 * p);
  return v;
}
static inline floats halves_at(const uint8_t *p) {
  floats v;
  for (int i = 0; i < PARTS; i++) v.q[i] = vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(p + 8 * i)));
  return v;
}
static inline vec bytes_at(const uint8_t *p) {
  uint8x16_t v = vld1q_u8(p);
  uint16x8_t low = vmovl_u8(vget_low_u8(v)), high = vmovl_high_u8(v);
  return (vec){{bytes(vmovl_u16(vget_low_u16(low))), bytes(vmovl_high_u16(low)), bytes(vmovl_u16(vget_low_u16(high))),
                bytes(vmovl_high_u16(high))}};
}

// Bytes.
static inline vec shifted(vec v, int n) {
  for (int p = 0; p < PARTS; p++) v.q[p] >>= all(n);
  return v;
}
static inline vec shifted_left(vec v, int n) {
  for (int p = 0; p < PARTS; p++) v.q[p] <<= all(n);
  return v;
}
static inline vec low_bits(vec v, int mask) {
  for (int p = 0; p < PARTS; p++) v.q[p] &= all(mask);
  return v;
}
static inline vec either(vec a, vec b) {
  for (int p = 0; p < PARTS; p++) a.q[p] |= b.q[p];
  return a;
}
static inline vec plus(vec v, int n) {
  for (int p = 0; p < PARTS; p++) v.q[p] += all(n);
  return v;
}
static inline vec flipped_signs(vec v) { return plus(v, 128); }
static inline vec looked_up(vec table, vec v) {
  for (int p = 0; p < PARTS; p++) v.q[p] = vqtbl1q_u8(table.q[p], v.q[p]);
  return v;
}
static inline vec table_of(const int8_t entries[16]) {
  uint8x16_t v = vld1q_u8((const uint8_t *)entries);
  return (vec){{v, v, v, v}};
}
// One of sixteen signed levels, 128 larger.
static inline vec level_of(const int8_t levels[16], vec v) { return looked_up(flipped_signs(table_of(levels)), v); }
// All bits of byte i of each row where bit 4j + i of the row's word is set.
static inline vec bytes_of_bits(vec bits, int j) {
  static const uint8_t first_bytes[16] = {0, 0, 0, 0, 4, 4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12};
  uint8x16_t order = vld1q_u8(first_bytes) + all(j / 2);
  uint8x16_t places = bytes(all_lanes(j % 2 ? (int)0x80402010 : 0x08040201));
  for (int p = 0; p < PARTS; p++) bits.q[p] = vtstq_u8(vqtbl1q_u8(bits.q[p], order), places);
  return bits;
}
// Adds `value` to byte i of each row where bit 4j + i of the row's word is set.
static inline vec with_bits_of(vec v, vec bits, int j, int value) {
  return either(v, low_bits(bytes_of_bits(bits, j), value));
}
static inline vec sum_of_bytes(vec a, vec b) {
  for (int p = 0; p < PARTS; p++) a.q[p] += b.q[p];
  return a;
}
// 1 where a byte is n or more, else 0.
static inline vec at_least(vec v, int n) {
  for (int p = 0; p < PARTS; p++) v.q[p] = vcgeq_u8(v.q[p], all(n)) & all(1);
  return v;
}
// Negates byte i of each row where bit 4j + i of the row's word is set: -v is v with all bits turned, plus 1.
static inline vec negated_where(vec v, vec bits, int j) {
  vec set = bytes_of_bits(bits, j);
  for (int p = 0; p < PARTS; p++) v.q[p] = (v.q[p] ^ set.q[p]) - set.q[p];
  return v;
}

// Lanes of 32 bits.
// Where the codes of sixteen rows lie, see place in panel_codebooks.h; and the code of one of them, in which each row has a word.
typedef struct { const uint8_t *words; int byte; const uint8_t *high; int at, mask; } codes_place;
static inline size_t code_at(codes_place place, int row) {
  uint32_t high;
  memcpy(&high, place.high + 4 * row, sizeof high);
  return place.words[4 * row + place.byte] | (high >> place.at & (uint32_t)place.mask) << 8;
}
// Of each row the words of a table for eight codes, or the entries of two words for four.
static inline void look_up(const uint32_t *table, const codes_place places[8], vec w[8]) {
  for (int j = 0; j < 8; j++) {
    uint32_t words[CK_PANEL_ROWS];
    for (int row = 0; row < CK_PANEL_ROWS; row++) words[row] = table[code_at(places[j], row)];
    memcpy(&w[j], words, sizeof w[j]);
  }
}
static inline void look_up_pairs(const uint32_t (*table)[2], const codes_place places[4], vec w[8]) {
  for (int k = 0; k < 4; k++) {
    uint32_t words[2][CK_PANEL_ROWS];
    for (int row = 0; row < CK_PANEL_ROWS; row++) {
      const uint32_t *entry = table[code_at(places[k], row)];
      words[0][row] = entry[0];
      words[1][row] = entry[1];
    }
    memcpy(w + 2 * k, words, sizeof words);
  }
}
// The same of codes that are bytes of the panel.
static inline void look_up_bytes(const uint32_t *table, const codes_place places[8], vec w[8]) { look_up(table, places, w); }
static inline void look_up_byte_pairs(const uint32_t (*table)[2], const codes_place places[4], vec w[8]) {
  look_up_pairs(table, places, w);
}
static inline vec lane_shifted(vec v, int n) {
  for (int p = 0; p < PARTS; p++) v.q[p] = bytes(lanes(v.q[p]) >> all_lanes(n));
  return v;
}
static inline vec lane_shifted_left(vec v, int n) {
  for (int p = 0; p < PARTS; p++) v.q[p] = bytes(lanes(v.q[p]) << all_lanes(n));
  return v;
}
static inline vec lane_shifted_signed(vec v, int n) {
  for (int p = 0; p < PARTS; p++) {
    v.q[p] = vreinterpretq_u8_s32(vreinterpretq_s32_u8(v.q[p]) >> vdupq_n_s32(n));
  }
  return v;
}
static inline vec lane_bits(vec v, int mask) {
  for (int p = 0; p < PARTS; p++) v.q[p] = bytes(lanes(v.q[p]) & all_lanes(mask));
  return v;
}
static inline vec lane_plus(vec v, int n) {
  for (int p = 0; p < PARTS; p++) v.q[p] = bytes(lanes(v.q[p]) + all_lanes(n));
  return v;
}
static inline floats to_floats(vec v) {
  floats f;
  for (int p = 0; p < PARTS; p++) f.q[p] = vcvtq_f32_s32(vreinterpretq_s32_u8(v.q[p]));
  return f;
}
static inline floats low_half(vec v) {
  floats f;
  for (int p = 0; p < PARTS; p++) f.q[p] = vcvt_f32_f16(vreinterpret_f16_u16(vmovn_u32(lanes(v.q[p]))));
  return f;
}
static inline floats high_half(vec v) { return low_half(lane_shifted(v, 16)); }
static inline floats power_of_two_halved(vec e) {
  floats f;
  for (int p = 0; p < PARTS; p++) {
    uint32x4_t exponent = lanes(e.q[p]);
    uint32x4_t normal = (exponent - all_lanes(1)) << all_lanes(23);
    uint32x4_t small = vshlq_u32(all_lanes(0x00200000), vreinterpretq_s32_u32(exponent));
    f.q[p] = vreinterpretq_f32_u32(vbslq_u32(vcgtq_u32(exponent, all_lanes(1)), normal, small));
  }
  return f;
}
static inline floats times(floats a, floats b) {
  for (int p = 0; p < PARTS; p++) a.q[p] *= b.q[p];
  return a;
}
static inline floats minus_times(floats a, floats b) {
  for (int p = 0; p < PARTS; p++) a.q[p] = vnegq_f32(a.q[p]) * b.q[p];
  return a;
}

// For the products, which are of signed bytes: the value itself where the format stores value + 128.
static inline vec signed_codes(int has_minima, vec w) { return has_minima ? w : plus(w, -128); }
static inline floats zero(void) {
  return (floats){{vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0)}};
}
// sum + factor · v
static inline floats fused(floats sum, floats v, float factor) {
  for (int p = 0; p < PARTS; p++) sum.q[p] = vfmaq_n_f32(sum.q[p], v.q[p], factor);
  return sum;
}
static inline floats scaled(floats scale, sums dots) {
  for (int p = 0; p < PARTS; p++) scale.q[p] *= vcvtq_f32_s32(dots.q[p]);
  return scale;
}
static inline void store_floats(float *y, floats v) {
  for (int p = 0; p < PARTS; p++) vst1q_f32(y + 4 * p, v.q[p]);
}
static inline float float_of(const int32_t *word) {
  float value;
  __builtin_memcpy(&value, word, sizeof value);
  return value;
}

#endif
