// SPDX-License-Identifier: Apache-2.0
// The vocabulary of panel_formats.h for AVX-512: a vec is a word of each of the sixteen rows.
#ifndef ANPROBE_PANEL_WORDS_AVX512_H
#define ANPROBE_PANEL_WORDS_AVX512_H
#include <immintrin.h>

typedef __m512i vec;
typedef __m512 floats;
// Bytes that a unit of one, two or four bytes takes in a panel.
enum { BYTE_BYTES = 16, HALF_BYTES = 32, WORD_BYTES = 64 };

static inline vec word(const uint8_t *words, int i) { return _mm512_loadu_si512(words + i * WORD_BYTES); }
static inline floats halves_at(const uint8_t *p) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p)); }
static inline vec bytes_at(const uint8_t *p) { return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p)); }

// Bytes. Shifts move bits between neighbours: mask afterwards.
static inline vec shifted(vec v, int n) { return _mm512_srli_epi16(v, (unsigned)n); }
static inline vec shifted_left(vec v, int n) { return _mm512_slli_epi16(v, (unsigned)n); }
static inline vec low_bits(vec v, int mask) { return _mm512_and_si512(v, _mm512_set1_epi8((char)mask)); }
static inline vec either(vec a, vec b) { return _mm512_or_si512(a, b); }
static inline vec plus(vec v, int n) { return _mm512_add_epi8(v, _mm512_set1_epi8((char)n)); }
static inline vec flipped_signs(vec v) { return _mm512_xor_si512(v, _mm512_set1_epi8((char)0x80)); }
static inline vec looked_up(vec table, vec v) { return _mm512_shuffle_epi8(table, v); }
static inline vec table_of(const int8_t entries[16]) {
  return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)entries));
}
// One of sixteen signed levels, 128 larger.
static inline vec level_of(const int8_t levels[16], vec v) { return looked_up(flipped_signs(table_of(levels)), v); }
// Byte i of each row where bit 4j + i of the row's word is set.
static inline __mmask64 bytes_of_bits(vec bits, int j) {
  vec bytes = _mm512_shuffle_epi8(bits, _mm512_add_epi32(_mm512_broadcast_i32x4(_mm_setr_epi32(
    0x00000000, 0x04040404, 0x08080808, 0x0c0c0c0c)), _mm512_set1_epi32(j / 2 * 0x01010101)));
  return _mm512_test_epi8_mask(bytes, _mm512_set1_epi32(j % 2 ? (int)0x80402010 : 0x08040201));
}
// Adds `value` to byte i of each row where bit 4j + i of the row's word is set.
static inline vec with_bits_of(vec v, vec bits, int j, int value) {
  return _mm512_mask_add_epi8(v, bytes_of_bits(bits, j), v, _mm512_set1_epi8((char)value));
}

static inline vec sum_of_bytes(vec a, vec b) { return _mm512_add_epi8(a, b); }
// 1 where a byte is n (at least 1) or more, else 0.
static inline vec at_least(vec v, int n) {
  return _mm512_min_epu8(_mm512_subs_epu8(v, _mm512_set1_epi8((char)(n - 1))), _mm512_set1_epi8(1));
}
// Negates byte i of each row where bit 4j + i of the row's word is set.
static inline vec negated_where(vec v, vec bits, int j) {
  return _mm512_mask_sub_epi8(v, bytes_of_bits(bits, j), _mm512_setzero_si512(), v);
}

// Lanes of 32 bits.
static inline vec lane_shifted(vec v, int n) { return _mm512_srli_epi32(v, (unsigned)n); }
static inline vec lane_shifted_left(vec v, int n) { return _mm512_slli_epi32(v, (unsigned)n); }
static inline vec lane_shifted_signed(vec v, int n) { return _mm512_srai_epi32(v, (unsigned)n); }
static inline vec lane_bits(vec v, int mask) { return _mm512_and_si512(v, _mm512_set1_epi32(mask)); }
static inline vec lane_plus(vec v, int n) { return _mm512_add_epi32(v, _mm512_set1_epi32(n)); }
// Where the codes of sixteen rows lie, see place in panel_codebooks.h; and those codes.
typedef struct { const uint8_t *words; int byte; const uint8_t *high; int at, mask; } codes_place;
static inline vec codes_at(codes_place place) {
  vec byte = lane_bits(lane_shifted(word(place.words, 0), 8 * place.byte), 255);
  return either(byte, lane_shifted_left(lane_bits(lane_shifted(word(place.high, 0), place.at), place.mask), 8));
}
// Of each row the words of a table for eight codes, or the entries of two words for four.
static inline void look_up(const uint32_t *table, const codes_place places[8], vec w[8]) {
  for (int j = 0; j < 8; j++) w[j] = _mm512_i32gather_epi32(codes_at(places[j]), table, 4);
}
static inline void look_up_pairs(const uint32_t (*table)[2], const codes_place places[4], vec w[8]) {
  for (int j = 0; j < 8; j++) w[j] = _mm512_i32gather_epi32(codes_at(places[j / 2]), table[0] + j % 2, 8);
}
// The same of codes that are bytes of the panel.
static inline void look_up_bytes(const uint32_t *table, const codes_place places[8], vec w[8]) { look_up(table, places, w); }
static inline void look_up_byte_pairs(const uint32_t (*table)[2], const codes_place places[4], vec w[8]) {
  look_up_pairs(table, places, w);
}
static inline floats to_floats(vec v) { return _mm512_cvtepi32_ps(v); }
static inline floats low_half(vec v) { return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(v)); }
static inline floats high_half(vec v) { return low_half(lane_shifted(v, 16)); }
static inline vec power_bits(vec e) { return lane_shifted_left(lane_plus(e, -1), 23); }
static inline floats power_of_two_halved(vec e) {
  __mmask16 is_small = _mm512_cmplt_epu32_mask(e, _mm512_set1_epi32(2));
  vec small = _mm512_sllv_epi32(_mm512_set1_epi32(0x00200000), e);
  return _mm512_castsi512_ps(_mm512_mask_blend_epi32(is_small, power_bits(e), small));
}
static inline floats times(floats a, floats b) { return _mm512_mul_ps(a, b); }
static inline floats minus_times(floats a, floats b) { return _mm512_mul_ps(_mm512_sub_ps(_mm512_setzero_ps(), a), b); }

#endif
