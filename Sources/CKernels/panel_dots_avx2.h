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
static inline int offset_of(const panel_format *format) {
  return format->has_minima || is_signed(format->reach) ? 0 : format->reach;
}
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

// −offset · Σq from the record's −128 · Σq, in all lanes; offsets are powers of two.
static inline __attribute__((always_inline)) vec start_of_all(const panel_format *format, __m256i offset_sum) {
  __m256i start = _mm256_setzero_si256();
  // Unsigned bytes became signed ones.
  if (format->has_minima && format->reach > 127) start = _mm256_sub_epi32(start, offset_sum);
  else if (offset_of(format)) {
    start = _mm256_srai_epi32(offset_sum, 7 - __builtin_ctz((unsigned)offset_of(format)));
  }
  return pair(start, start);
}

static inline __attribute__((always_inline)) __m256i pairs(int reach, __m256i w, __m256i q) {
  if (is_signed(reach)) return _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(q, w));
  return _mm256_maddubs_epi16(w, q);
}
static inline vec ones(void) {
  __m256i one = _mm256_set1_epi16(1);
  return pair(one, one);
}
static inline vec add_scaled_pairs(vec sum, vec pairs, vec scale) {
  return pair(_mm256_add_epi32(sum.low, _mm256_madd_epi16(pairs.low, scale.low)),
              _mm256_add_epi32(sum.high, _mm256_madd_epi16(pairs.high, scale.high)));
}

#endif
