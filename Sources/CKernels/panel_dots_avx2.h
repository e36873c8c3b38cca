// SPDX-License-Identifier: Apache-2.0
// Integer products of AVX2 for panels. VPMADDUBSW multiplies unsigned by signed bytes and adds pairs in 16 bits with
// saturation, so codes are taken as small as their format allows and pairs are summed only while 16 bits hold them:
//   codes up to c with inputs of ±127: 2 · c · 127 a pair, RUN pairs below 32768
// Formats that reach ±128 give the codes' signs to the input instead (|code| · sign(input, code)).
#ifndef ANPROBE_PANEL_DOTS_AVX2_H
#define ANPROBE_PANEL_DOTS_AVX2_H

// Whether the format's codes stay signed.
static inline int is_signed(int reach) { return reach > 64; }
// What a format adds to its values: codes are unsigned and at most twice its reach.
static inline int offset_of(const panel_format *format) { return format->has_minima ? 0 : format->reach; }
// Quads of columns whose pairs may be added up in 16 bits.
static inline int run_of(const panel_format *format) {
  int most = is_signed(format->reach) ? 128 : format->has_minima ? format->reach : 2 * format->reach - 1;
  int run = 32767 / (2 * most * 127);
  return run >= 8 ? 8 : run >= 4 ? 4 : run >= 2 ? 2 : 1;
}

// The codes of a format, which come as value + 128 or unsigned, as the products want them.
static inline vec prepared(const panel_format *format, vec w) {
  if (format->has_minima) return format->reach > 127 ? flipped_signs(w) : w;
  return plus(w, is_signed(format->reach) ? -128 : format->reach - 128);
}

// −offset · Σq from the record's −128 · Σq.
static inline int32_t start_of(const panel_format *format, int32_t offset_sum) {
  if (format->has_minima && format->reach > 127) return -offset_sum; // unsigned bytes became signed ones
  return format->has_minima || is_signed(format->reach) ? 0 : offset_sum / (128 / offset_of(format));
}

static inline __attribute__((always_inline)) __m256i pairs(int reach, __m256i w, __m256i q) {
  if (is_signed(reach)) return _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(q, w));
  return _mm256_maddubs_epi16(w, q);
}
static inline __m256i add_pairs(__m256i sum, __m256i pairs) {
  return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

#endif
