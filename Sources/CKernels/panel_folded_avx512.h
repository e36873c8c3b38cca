// SPDX-License-Identifier: Apache-2.0
// Formats whose products of code and small scale fit in a byte: for many tokens they are unpacked as codes with one scale
// for the whole block, so that half as many sums become floats. Nothing is rounded.
//   q2_k  code · scale in 0 ... 45
//   q3_k  −code · scale in −128 ... 124, beside a block's scale of the other sign
#ifndef ANPROBE_PANEL_FOLDED_AVX512_H
#define ANPROBE_PANEL_FOLDED_AVX512_H
#include "panel_words_avx512.h"
#include "panel_formats.h"

// The lowest byte of each lane in all of its bytes.
static inline vec in_each_byte(vec v) {
  return _mm512_shuffle_epi8(v, _mm512_broadcast_i32x4(_mm_setr_epi32(0, 0x04040404, 0x08080808, 0x0c0c0c0c)));
}

// Bytes times bytes, modulo 256.
static inline vec times_bytes(vec a, vec b) {
  vec even = _mm512_mullo_epi16(a, b), low = _mm512_set1_epi16(0x00ff);
  vec odd = _mm512_mullo_epi16(_mm512_andnot_si512(low, a), _mm512_srli_epi16(b, 8));
  return _mm512_or_si512(_mm512_and_si512(even, low), odd);
}

static inline void codes_q2_k_folded(const uint8_t *block, int group, vec w[8]) {
  codes_q2_k(block, group, w);
  vec words = word(block, group / 2);
  for (int half = 0; half < 2; half++) {
    vec scale = in_each_byte(lane_bits(lane_shifted(words, group % 2 * 16 + half * 8), 15));
    for (int j = half * 4; j < half * 4 + 4; j++) w[j] = times_bytes(w[j], scale);
  }
}
static inline void scales_q2_k_folded(const uint8_t *block, int group, floats scale[2], floats minimum[2]) {
  floats scales[2];
  scales_q2_k(block, group, scales, minimum);
  scale[0] = low_half(word(block, 20));
}

// codes_q3_k gives code + 128: modulo 256, 128 − code · scale = 128 · (1 + scale) − (code + 128) · scale.
static inline void codes_q3_k_folded(const uint8_t *block, int group, vec w[8]) {
  codes_q3_k(block, group, w);
  for (int half = 0; half < 2; half++) {
    vec scale = q3_k_scale_lanes(block, group * 2 + half);
    vec each = in_each_byte(scale), start = in_each_byte(lane_shifted_left(lane_plus(scale, 1), 7));
    for (int j = half * 4; j < half * 4 + 4; j++) w[j] = _mm512_sub_epi8(start, times_bytes(w[j], each));
  }
}
static inline void scales_q3_k_folded(const uint8_t *block, int group, floats scale[2], floats minimum[2]) {
  (void)group;
  (void)minimum;
  scale[0] = minus_times(halves_at(block + 27 * WORD_BYTES), _mm512_set1_ps(1));
}

static const panel_format panel_q2_k_folded = {256, 84, 1, 2, 128, codes_q2_k_folded, scales_q2_k_folded};
static const panel_format panel_q3_k_folded = {256, 110, 1, 0, 128, codes_q3_k_folded, scales_q3_k_folded};

#endif
