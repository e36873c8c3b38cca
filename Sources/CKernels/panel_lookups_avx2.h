// SPDX-License-Identifier: Apache-2.0
// Words of tables for the codes of sixteen rows, in the vocabulary of panel_words_avx2.h.
#ifndef ANPROBE_PANEL_LOOKUPS_AVX2_H
#define ANPROBE_PANEL_LOOKUPS_AVX2_H

// Where the codes of sixteen rows lie, see place in panel_codebooks.h; and those codes.
typedef struct { const uint8_t *words; int byte; const uint8_t *high; int at, mask; } codes_place;
static inline vec codes_at(codes_place place) {
  vec byte = lane_bits(lane_shifted(word(place.words, 0), 8 * place.byte), 255);
  return either(byte, lane_shifted_left(lane_bits(lane_shifted(word(place.high, 0), place.at), place.mask), 8));
}
// Codes are loaded one by one: bytes from the panel, others from memory that they are stored to. The compiler is told that they
// may have changed there, so that it does not take them out of the register, which costs two steps each.
typedef struct { uint16_t of[4][CK_PANEL_ROWS][2]; } stored_codes;
static inline __attribute__((always_inline)) stored_codes stored(const codes_place *places, int count) {
  stored_codes codes;
  for (int i = 0; i < count; i += 2) {
    vec both = either(codes_at(places[i]), lane_shifted_left(codes_at(places[i + 1]), 16));
    memcpy(codes.of[i / 2], &both, sizeof both);
  }
  __asm__("" : "+m"(codes));
  return codes;
}
static inline __attribute__((always_inline)) void codes_of(const stored_codes *codes, int i, size_t n[CK_PANEL_ROWS]) {
  for (int row = 0; row < CK_PANEL_ROWS; row++) n[row] = codes->of[i / 2][row][i % 2];
}
static inline __attribute__((always_inline)) void bytes_of(codes_place place, size_t n[CK_PANEL_ROWS]) {
  for (int row = 0; row < CK_PANEL_ROWS; row++) n[row] = place.words[4 * row + place.byte];
}

// Of each row the word of a table, or the entry of two words. A gathering instruction took longer than so many loads
// (docs/decisions/0055-avx2-on-a-processor-that-has-no-more.md).
static inline __attribute__((always_inline)) vec words_for(const uint32_t *table, const size_t n[CK_PANEL_ROWS]) {
  int w[CK_PANEL_ROWS];
  for (int row = 0; row < CK_PANEL_ROWS; row++) w[row] = (int)table[n[row]];
  return pair(_mm256_setr_epi32(w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7]),
              _mm256_setr_epi32(w[8], w[9], w[10], w[11], w[12], w[13], w[14], w[15]));
}
static inline __m256 four_entries(const uint32_t (*table)[2], size_t a, size_t b, size_t c, size_t d) {
  __m128d low = _mm_castsi128_pd(_mm_loadl_epi64((const __m128i *)table[a]));
  __m128d high = _mm_castsi128_pd(_mm_loadl_epi64((const __m128i *)table[c]));
  low = _mm_loadh_pd(low, (const double *)table[b]);
  high = _mm_loadh_pd(high, (const double *)table[d]);
  return _mm256_castpd_ps(_mm256_set_m128d(high, low));
}
static inline __attribute__((always_inline)) void entries_for(
    const uint32_t (*table)[2], const size_t n[CK_PANEL_ROWS], vec w[2]) {
  __m256 a = four_entries(table, n[0], n[1], n[4], n[5]), b = four_entries(table, n[2], n[3], n[6], n[7]);
  __m256 c = four_entries(table, n[8], n[9], n[12], n[13]), d = four_entries(table, n[10], n[11], n[14], n[15]);
  w[0] = pair(_mm256_castps_si256(_mm256_shuffle_ps(a, b, 0x88)), _mm256_castps_si256(_mm256_shuffle_ps(c, d, 0x88)));
  w[1] = pair(_mm256_castps_si256(_mm256_shuffle_ps(a, b, 0xdd)), _mm256_castps_si256(_mm256_shuffle_ps(c, d, 0xdd)));
}
static inline __attribute__((always_inline)) void look_up(const uint32_t *table, const codes_place places[8], vec w[8]) {
  stored_codes codes = stored(places, 8);
  for (int j = 0; j < 8; j++) {
    size_t n[CK_PANEL_ROWS];
    codes_of(&codes, j, n);
    w[j] = words_for(table, n);
  }
}
static inline __attribute__((always_inline)) void look_up_bytes(const uint32_t *table, const codes_place places[8], vec w[8]) {
  for (int j = 0; j < 8; j++) {
    size_t n[CK_PANEL_ROWS];
    bytes_of(places[j], n);
    w[j] = words_for(table, n);
  }
}
static inline __attribute__((always_inline)) void look_up_pairs(
    const uint32_t (*table)[2], const codes_place places[4], vec w[8]) {
  stored_codes codes = stored(places, 4);
  for (int k = 0; k < 4; k++) {
    size_t n[CK_PANEL_ROWS];
    codes_of(&codes, k, n);
    entries_for(table, n, w + 2 * k);
  }
}
static inline __attribute__((always_inline)) void look_up_byte_pairs(
    const uint32_t (*table)[2], const codes_place places[4], vec w[8]) {
  for (int k = 0; k < 4; k++) {
    size_t n[CK_PANEL_ROWS];
    bytes_of(places[k], n);
    entries_for(table, n, w + 2 * k);
  }
}

#endif
