// SPDX-License-Identifier: Apache-2.0
// Panels of the file's rows by AVX-512, as fast as memory brings the rows: words of sixteen rows change places in
// registers; halves are words first, whose two halves then part.
#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>
#include "panel_layout.h"

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl"), always_inline)), apply_to = function)

// Transposes, in each lane of 128 bits, four words of four registers.
static inline void transpose_lanes(const __m512i in[4], __m512i out[4]) {
  __m512i low[2], high[2];
  for (int i = 0; i < 2; i++) {
    low[i] = _mm512_unpacklo_epi32(in[2 * i], in[2 * i + 1]);
    high[i] = _mm512_unpackhi_epi32(in[2 * i], in[2 * i + 1]);
  }
  out[0] = _mm512_unpacklo_epi64(low[0], low[1]);
  out[1] = _mm512_unpackhi_epi64(low[0], low[1]);
  out[2] = _mm512_unpacklo_epi64(high[0], high[1]);
  out[3] = _mm512_unpackhi_epi64(high[0], high[1]);
}

// Sixteen bytes of each fourth row, one row to a lane.
static inline __m512i every_fourth_row(const uint8_t *in, size_t row_bytes) {
  __m512i rows = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)in));
  rows = _mm512_mask_broadcast_i32x4(rows, 0x00f0, _mm_loadu_si128((const __m128i *)(in + 4 * row_bytes)));
  rows = _mm512_mask_broadcast_i32x4(rows, 0x0f00, _mm_loadu_si128((const __m128i *)(in + 8 * row_bytes)));
  return _mm512_mask_broadcast_i32x4(rows, 0xf000, _mm_loadu_si128((const __m128i *)(in + 12 * row_bytes)));
}

// Four words of each of sixteen rows.
static inline void gather_4(const uint8_t *in, size_t row_bytes, __m512i out[4]) {
  __m512i rows[4];
  for (int i = 0; i < 4; i++) rows[i] = every_fourth_row(in + (size_t)i * row_bytes, row_bytes);
  transpose_lanes(rows, out);
}

// Sixteen words of each: every row's line is read once, since lines a power of two apart push each other out of the
// first cache.
static inline void gather_16(const uint8_t *in, size_t row_bytes, __m512i out[16]) {
  __m512i rows[16], t[16];
  for (size_t r = 0; r < CK_PANEL_ROWS; r++) rows[r] = _mm512_loadu_si512(in + r * row_bytes);
  for (int i = 0; i < 16; i += 4) transpose_lanes(rows + i, t + i);
  for (int i = 0; i < 4; i++) {
    __m512i a = _mm512_shuffle_i32x4(t[i], t[4 + i], 0x44), b = _mm512_shuffle_i32x4(t[i], t[4 + i], 0xee);
    __m512i c = _mm512_shuffle_i32x4(t[8 + i], t[12 + i], 0x44), d = _mm512_shuffle_i32x4(t[8 + i], t[12 + i], 0xee);
    out[i] = _mm512_shuffle_i32x4(a, c, 0x88);
    out[4 + i] = _mm512_shuffle_i32x4(a, c, 0xdd);
    out[8 + i] = _mm512_shuffle_i32x4(b, d, 0x88);
    out[12 + i] = _mm512_shuffle_i32x4(b, d, 0xdd);
  }
}

static inline void store(__m512i words, size_t unit, uint8_t *out) {
  const __m512i apart = _mm512_set_epi16(
      31, 29, 27, 25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1,
      30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
  _mm512_storeu_si512(out, unit == 2 ? _mm512_permutexvar_epi16(apart, words) : words);
}

static inline void copy_units(const uint8_t *in, size_t row_bytes, size_t unit, uint8_t *out) {
  for (size_t row = 0; row < CK_PANEL_ROWS; row++) memcpy(out + row * unit, in + row * row_bytes, unit);
}

// Where a row's bytes are fetched this far ahead, behind its end those of a row of the next panel.
enum { AHEAD = 512 };
static inline void fetch_ahead(const uint8_t *in, size_t row_bytes, size_t place) {
  size_t ahead = place + AHEAD < row_bytes ? AHEAD : AHEAD + (CK_PANEL_ROWS - 1) * row_bytes;
  for (size_t row = 0; row < CK_PANEL_ROWS; row++) __builtin_prefetch(in + ahead + row * row_bytes, 0, 3);
}

// `count` units of one field, of all rows; `place` is the field's in its row.
static inline void gather_units(size_t unit, int64_t count, const uint8_t *in, size_t row_bytes, size_t place,
                                uint8_t *out) {
  int64_t i = 0, at_once = unit < 2 ? 0 : (int64_t)(16 / unit);
  __m512i words[16];
  for (; at_once && i + 4 * at_once <= count; i += 4 * at_once, in += 64, place += 64, out += 64 * CK_PANEL_ROWS) {
    fetch_ahead(in, row_bytes, place);
    gather_16(in, row_bytes, words);
    for (int w = 0; w < 16; w++) store(words[w], unit, out + 64 * w);
  }
  for (; at_once && i + at_once <= count; i += at_once, in += 16, place += 16, out += 16 * CK_PANEL_ROWS) {
    if (place % 64 < 16) fetch_ahead(in, row_bytes, place);
    gather_4(in, row_bytes, words);
    for (int w = 0; w < 4; w++) store(words[w], unit, out + 64 * w);
  }
  for (; i < count; i++, in += unit, out += unit * CK_PANEL_ROWS) copy_units(in, row_bytes, unit, out);
}

static inline void gather_field(panel_field field, int64_t times, const uint8_t *in, size_t row_bytes, size_t place,
                                uint8_t *out) {
  switch (field.unit) {
    case 4: return gather_units(4, times * field.count, in, row_bytes, place, out);
    case 2: return gather_units(2, times * field.count, in, row_bytes, place, out);
    default: return gather_units(1, times * field.count, in, row_bytes, place, out);
  }
}

#pragma clang attribute pop

__attribute__((target("avx512f,avx512bw,avx512vl")))
void interleave_avx512(const panel_layout *layout, const uint8_t *rows, size_t row_bytes, int64_t blocks,
                       uint8_t *panel) {
  // Blocks of one field are one long field.
  if (layout->fields[1].count == 0) return gather_field(layout->fields[0], blocks, rows, row_bytes, 0, panel);
  size_t place = 0;
  for (int64_t b = 0; b < blocks; b++) {
    for (int f = 0; f < MOST_PANEL_FIELDS; f++) {
      panel_field field = layout->fields[f];
      gather_field(field, 1, rows + place, row_bytes, place, panel + place * CK_PANEL_ROWS);
      place += (size_t)field.unit * field.count;
    }
  }
}
#endif
