// SPDX-License-Identifier: Apache-2.0
// The vocabulary of panel_formats.h for AVX2: a vec is a word of each of the sixteen rows, in two registers.
#ifndef ANPROBE_PANEL_WORDS_AVX2_H
#define ANPROBE_PANEL_WORDS_AVX2_H
#include <immintrin.h>
#include <string.h>
#include "include/kernels.h"

typedef struct { __m256i low, high; } vec;
typedef struct { __m256 low, high; } floats;
// Bytes that a unit of one, two or four bytes takes in a panel.
enum { BYTE_BYTES = 16, HALF_BYTES = 32, WORD_BYTES = 64 };

static inline vec pair(__m256i low, __m256i high) { return (vec){low, high}; }
static inline vec all_bytes(int value) {
  __m256i v = _mm256_set1_epi8((char)value);
  return pair(v, v);
}
static inline vec all_lanes(int value) {
  __m256i v = _mm256_set1_epi32(value);
  return pair(v, v);
}
static inline vec both(vec a, vec b) { return pair(_mm256_and_si256(a.low, b.low), _mm256_and_si256(a.high, b.high)); }

static inline __m128i load_16(const uint8_t *p) { return _mm_loadu_si128((const __m128i *)p); }
static inline vec word(const uint8_t *words, int i) {
  const __m256i *p = (const __m256i *)(words + i * WORD_BYTES);
  return pair(_mm256_loadu_si256(p), _mm256_loadu_si256(p + 1));
}
static inline floats halves_at(const uint8_t *p) {
  return (floats){_mm256_cvtph_ps(load_16(p)), _mm256_cvtph_ps(load_16(p + 16))};
}
static inline vec bytes_at(const uint8_t *p) {
  __m128i v = load_16(p);
  return pair(_mm256_cvtepu8_epi32(v), _mm256_cvtepu8_epi32(_mm_srli_si128(v, 8)));
}

// Bytes. Shifts move bits between neighbours: mask afterwards.
static inline vec shifted(vec v, int n) { return pair(_mm256_srli_epi16(v.low, n), _mm256_srli_epi16(v.high, n)); }
static inline vec shifted_left(vec v, int n) { return pair(_mm256_slli_epi16(v.low, n), _mm256_slli_epi16(v.high, n)); }
static inline vec low_bits(vec v, int mask) { return both(v, all_bytes(mask)); }
static inline vec either(vec a, vec b) { return pair(_mm256_or_si256(a.low, b.low), _mm256_or_si256(a.high, b.high)); }
static inline vec plus(vec v, int n) {
  __m256i term = _mm256_set1_epi8((char)n);
  return pair(_mm256_add_epi8(v.low, term), _mm256_add_epi8(v.high, term));
}
static inline vec flipped_signs(vec v) { return plus(v, 128); }
static inline vec looked_up(vec table, vec v) {
  return pair(_mm256_shuffle_epi8(table.low, v.low), _mm256_shuffle_epi8(table.high, v.high));
}
static inline vec table_of(const int8_t entries[16]) {
  __m256i v = _mm256_broadcastsi128_si256(load_16((const uint8_t *)entries));
  return pair(v, v);
}
// One of sixteen signed levels, 128 larger: added behind the table, where it meets what is subtracted again.
static inline vec level_of(const int8_t levels[16], vec v) { return flipped_signs(looked_up(table_of(levels), v)); }
// All bits of byte i of each row where bit 4j + i of the row's word is set.
static inline vec bytes_of_bits(vec bits, int j) {
  __m256i order = _mm256_broadcastsi128_si256(_mm_setr_epi32(0x00000000, 0x04040404, 0x08080808, 0x0c0c0c0c));
  order = _mm256_add_epi32(order, _mm256_set1_epi32(j / 2 * 0x01010101));
  vec places = all_lanes(j % 2 ? (int)0x80402010 : 0x08040201);
  vec set = both(pair(_mm256_shuffle_epi8(bits.low, order), _mm256_shuffle_epi8(bits.high, order)), places);
  return pair(_mm256_cmpeq_epi8(set.low, places.low), _mm256_cmpeq_epi8(set.high, places.high));
}
// Adds `value` to byte i of each row where bit 4j + i of the row's word is set.
static inline vec with_bits_of(vec v, vec bits, int j, int value) {
  return either(v, both(bytes_of_bits(bits, j), all_bytes(value)));
}
static inline vec sum_of_bytes(vec a, vec b) {
  return pair(_mm256_add_epi8(a.low, b.low), _mm256_add_epi8(a.high, b.high));
}
// 1 where a byte is n (at least 1) or more, else 0.
static inline vec at_least(vec v, int n) {
  __m256i below = _mm256_set1_epi8((char)(n - 1)), one = _mm256_set1_epi8(1);
  return pair(_mm256_min_epu8(_mm256_subs_epu8(v.low, below), one), _mm256_min_epu8(_mm256_subs_epu8(v.high, below), one));
}
// Negates byte i of each row where bit 4j + i of the row's word is set: -v is v with all bits turned, plus 1.
static inline vec negated_where(vec v, vec bits, int j) {
  vec set = bytes_of_bits(bits, j);
  return pair(_mm256_sub_epi8(_mm256_xor_si256(v.low, set.low), set.low),
              _mm256_sub_epi8(_mm256_xor_si256(v.high, set.high), set.high));
}

// Lanes of 32 bits.
static inline vec lane_shifted(vec v, int n) { return pair(_mm256_srli_epi32(v.low, n), _mm256_srli_epi32(v.high, n)); }
static inline vec lane_shifted_left(vec v, int n) {
  return pair(_mm256_slli_epi32(v.low, n), _mm256_slli_epi32(v.high, n));
}
static inline vec lane_shifted_signed(vec v, int n) {
  return pair(_mm256_srai_epi32(v.low, n), _mm256_srai_epi32(v.high, n));
}
static inline vec lane_bits(vec v, int mask) { return both(v, all_lanes(mask)); }
static inline vec lane_plus(vec v, int n) {
  __m256i term = _mm256_set1_epi32(n);
  return pair(_mm256_add_epi32(v.low, term), _mm256_add_epi32(v.high, term));
}
static inline floats to_floats(vec v) { return (floats){_mm256_cvtepi32_ps(v.low), _mm256_cvtepi32_ps(v.high)}; }
// The low sixteen bits of each lane.
static inline __m128i packed_halves(__m256i v) {
  v = _mm256_packus_epi32(_mm256_and_si256(v, _mm256_set1_epi32(0xffff)), _mm256_setzero_si256());
  return _mm256_castsi256_si128(_mm256_permute4x64_epi64(v, 0xd8));
}
static inline floats low_half(vec v) {
  return (floats){_mm256_cvtph_ps(packed_halves(v.low)), _mm256_cvtph_ps(packed_halves(v.high))};
}
static inline floats high_half(vec v) { return low_half(lane_shifted(v, 16)); }
static inline __m256 power_of_two_halved_8(__m256i e) {
  __m256i normal = _mm256_slli_epi32(_mm256_sub_epi32(e, _mm256_set1_epi32(1)), 23);
  __m256i small = _mm256_sllv_epi32(_mm256_set1_epi32(0x00200000), e);
  __m256i is_normal = _mm256_cmpgt_epi32(e, _mm256_set1_epi32(1));
  return _mm256_castsi256_ps(_mm256_blendv_epi8(small, normal, is_normal));
}
static inline floats power_of_two_halved(vec e) {
  return (floats){power_of_two_halved_8(e.low), power_of_two_halved_8(e.high)};
}
static inline floats times(floats a, floats b) {
  return (floats){_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)};
}
static inline floats minus_times(floats a, floats b) {
  __m256 sign = _mm256_set1_ps(-0.0f);
  return times((floats){_mm256_xor_ps(a.low, sign), _mm256_xor_ps(a.high, sign)}, b);
}

#include "panel_lookups_avx2.h"

#endif
