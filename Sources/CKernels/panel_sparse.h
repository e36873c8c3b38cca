// SPDX-License-Identifier: Apache-2.0
// Panels of matrices that keep half of their weights in small groups. The kept weights of a row choose their inputs from
// a register of neighbouring columns by the places in the row's lane: no branch, and nothing is read for the others.
#ifndef ANPROBE_PANEL_SPARSE_H
#define ANPROBE_PANEL_SPARSE_H

enum { KEPT = 16, SPARSE_COLUMNS = 32 };

#if defined(ANPROBE_PANEL_WORDS_NEON_H)
enum { INPUTS = 8 };
typedef uint8x16x2_t inputs;
static inline inputs inputs_at(const float *x) {
  return (inputs){{vld1q_u8((const uint8_t *)x), vld1q_u8((const uint8_t *)(x + 4))}};
}
// A place's float is four bytes of the table.
static inline floats chosen(inputs x, vec places) {
  floats v;
  for (int p = 0; p < PARTS; p++) {
    uint32x4_t at = lanes(places.q[p]) * all_lanes(0x04040404) + all_lanes(0x03020100);
    v.q[p] = vreinterpretq_f32_u8(vqtbl2q_u8(x, bytes(at)));
  }
  return v;
}
#elif defined(ANPROBE_PANEL_WORDS_AVX512_H)
enum { INPUTS = 16 };
typedef __m512 inputs;
static inline inputs inputs_at(const float *x) { return _mm512_loadu_ps(x); }
static inline floats chosen(inputs x, vec places) { return _mm512_permutexvar_ps(places, x); }
#else
enum { INPUTS = 8 };
typedef __m256 inputs;
static inline inputs inputs_at(const float *x) { return _mm256_loadu_ps(x); }
static inline floats chosen(inputs x, vec places) {
  return (floats){_mm256_permutevar8x32_ps(x, places.low), _mm256_permutevar8x32_ps(x, places.high)};
}
#endif

// `bits` name a place in a group of 2^bits columns, of which half are kept.
static inline __attribute__((always_inline)) void multiply_sparse(
    int bits, const ck_panel_job *job, int64_t begin, int64_t end) {
  int group = 1 << bits, in_word = bits == 2 ? 16 : 8, words = KEPT / in_word;
  int64_t bytes = words * WORD_BYTES + KEPT * HALF_BYTES;
  const float *x = job->input;
  const uint8_t *block = (const uint8_t *)job->panels + begin / CK_PANEL_ROWS * (job->columns / SPARSE_COLUMNS) * bytes;
  for (int64_t row = begin; row < end; row += CK_PANEL_ROWS) {
    floats sums[4] = {fp8_zero(), fp8_zero(), fp8_zero(), fp8_zero()};
    for (int64_t column = 0; column < job->columns; column += SPARSE_COLUMNS, block += bytes) {
      ask_ahead(block, 0, bytes);
#pragma GCC unroll 16
      for (int k = 0; k < KEPT; k++) {
        int first = k / (group / 2) * group;
        vec places = lane_bits(lane_shifted(word(block, k / in_word), k % in_word * bits), group - 1);
        if (first % INPUTS) places = either(places, lane_plus(lane_bits(places, 0), first % INPUTS));
        floats inputs = chosen(inputs_at(x + column + first / INPUTS * INPUTS), places);
        sums[k % 4] = fp8_fused(halves_at(block + words * WORD_BYTES + k * HALF_BYTES), inputs, sums[k % 4]);
      }
    }
    floats one = all_floats(1);
    fp8_store(job->y + row, fp8_fused(fp8_fused(sums[0], one, sums[1]), one, fp8_fused(sums[2], one, sums[3])));
  }
}

#endif
