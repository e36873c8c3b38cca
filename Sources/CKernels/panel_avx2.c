// SPDX-License-Identifier: Apache-2.0
// Matrix-vector products over panels for AVX2: the loops of the AVX-512 twin, with sixteen rows in two registers.
#if defined(__x86_64__)
#include <string.h>
#include "panels.h"

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

#include "panel_words_avx2.h"
#include "panel_formats.h"
#include "panel_groups.h"
#include "panel_codebooks.h"
#include "panel_fp8.h"
#include "panel_sparse.h"
#include "panel_group_avx2.h"

// Four neighbouring groups of whole scales go together: a word holds bits of all four (or of two), and is loaded once for them.
enum { TOGETHER = 4 };

// What a sum of 16 bits begins with, of a half of a group. An offset too large to take from one of a row's two sums is taken
// from each for the columns that it adds up: values of up to ±32 fit then, whatever their codes come to on the way.
static inline __attribute__((always_inline)) vec start_of_half(const panel_format *format, const int32_t *record, int half) {
  if (starts_in_sums(format)) return start_of_sum(format, broadcast(record[format->halves == 1 ? 4 : 5 + half]));
  __m256i q = _mm256_loadu_si256((const __m256i *)(record + 7));
  __m256i sum = _mm256_maddubs_epi16(_mm256_set1_epi8((char)offset_of(format)), q);
  sum = _mm256_add_epi16(sum, _mm256_shuffle_epi32(sum, 0x4e));
  sum = _mm256_add_epi16(sum, _mm256_shuffle_epi32(sum, 0xb1));
  sum = half ? _mm256_permute4x64_epi64(sum, 0xee) : _mm256_permute4x64_epi64(sum, 0x44);
  __m256i start = _mm256_sub_epi16(_mm256_setzero_si256(), sum);
  return pair(start, start);
}

// The quads from `first` on of four groups, as many as a run has, times their records: quad j lies j words behind the first.
// It stays a loop. Unrolled, the words of all quads were loaded at once and left the registers again, and the lines ahead were
// asked for in bursts (docs/decisions/0056-loops-of-one-token.md).
static inline __attribute__((always_inline)) void add_runs(
    const panel_format *format, const uint8_t *block, int group, int first, int run, const int32_t *record, vec total[TOGETHER]) {
  const uint8_t *words = block + first * WORD_BYTES;
#pragma clang loop unroll(disable)
  for (int j = first; j < first + run; j++, words += WORD_BYTES) {
    ask_for_lines(block + (group / TOGETHER * 8 + j) * format->bytes, (format->bytes + 63) / 64);
#pragma clang loop unroll(full)
    for (int g = 0; g < TOGETHER; g++) {
      vec w[8];
      format->codes(words, group + g, w);
      vec code = prepared(format, w[0]);
      __m256i q = broadcast(record[g * CK_RECORD_WORDS + 7 + j]);
      total[g].low = _mm256_add_epi16(total[g].low, pairs(format->reach, code.low, q));
      total[g].high = _mm256_add_epi16(total[g].high, pairs(format->reach, code.high, q));
    }
  }
}

static inline __attribute__((always_inline)) void add_whole_groups(
    const panel_format *format, const uint8_t *block, int group, const int32_t *record, block_sums *sums) {
  const whole_scales *whole = whole_scales_of(format);
  int columns = 8 / format->halves, run = format->halves == 2 ? columns : run_of(format);
  vec dots[TOGETHER];
#pragma clang loop unroll(full)
  for (int first = 0; first < 8; first += run) {
    int half = first / columns;
    vec total[TOGETHER];
    for (int g = 0; g < TOGETHER; g++) {
      if (first == 0) dots[g] = all_lanes(0);
      total[g] = first % columns ? all_lanes(0) : start_of_half(format, record + g * CK_RECORD_WORDS, half);
    }
    add_runs(format, block, group, first, run, record, total);
#pragma clang loop unroll(full)
    for (int g = 0; g < TOGETHER; g++) dots[g] = add_scaled_pairs(dots[g], total[g], whole->scale(block, group + g, half));
  }
#pragma clang loop unroll(full)
  for (int g = 0; g < TOGETHER; g++, record += CK_RECORD_WORDS) {
    for (int half = 0; half < format->halves && format->has_minima; half++) {
      int line = format->halves == 1 ? 1 : 2 + half;
      sums->minima = fused(to_floats(whole->minimum(block, group + g, half)), broadcast_float(record + line), sums->minima);
    }
    sums->dots = fused(to_floats(dots[g]), broadcast_float(record), sums->dots);
  }
}

static inline __attribute__((always_inline)) block_sums sums_of_whole(
    const panel_format *format, const uint8_t *block, const int32_t *record) {
  int groups = format->elements / 32, bytes = format->bytes * CK_PANEL_ROWS / groups;
  block_sums sums = {zero(), zero()};
  if (!is_signed(format->reach)) {
#pragma clang loop unroll(full)
    for (int g = 0; g < groups; g += TOGETHER) add_whole_groups(format, block, g, record + g * CK_RECORD_WORDS, &sums);
    return sums;
  }
  // Each product is scaled by itself: nothing is gained by going together.
#pragma clang loop unroll(disable)
  for (int g = 0; g < groups; g++, record += CK_RECORD_WORDS) {
    unpacked_group unpacked;
    ask_for_lines(block + g * bytes, (int)(bytes + 63) / 64);
    unpack(format, block, g, &unpacked);
    add_whole_group(format, &unpacked, record, 1, &sums);
  }
  return sums;
}

static inline __attribute__((always_inline)) floats add_next_group(
    const panel_format *format, const uint8_t *block, int group, const int32_t *record, floats sum) {
  int64_t bytes = format->bytes * CK_PANEL_ROWS / (format->elements / 32);
  unpacked_group unpacked;
  ask_ahead(block, group * bytes, (group + 1) * bytes);
  unpack(format, block, group, &unpacked);
  return add_group(format, &unpacked, record, 1, sum);
}

static inline __attribute__((always_inline)) floats add_block(
    const panel_format *format, const uint8_t *block, const int32_t *record, floats sum) {
  int groups = format->elements / 32;
  if (whole_scales_of(format)) return add_whole_block(format, block, sums_of_whole(format, block, record), sum);
  if (format->looks_up) {
#pragma clang loop unroll(disable)
    for (int g = 0; g < groups; g++) sum = add_next_group(format, block, g, record + g * CK_RECORD_WORDS, sum);
    return sum;
  }
#pragma clang loop unroll(full)
  for (int g = 0; g < groups; g++) sum = add_next_group(format, block, g, record + g * CK_RECORD_WORDS, sum);
  return sum;
}

// Panels that go by turns, each the next of a run of its own: one thread reads more of two places than of one. It pays where
// least is computed (docs/decisions/0056-loops-of-one-token.md); the sums of a panel are the same either way.
enum { STREAMS = 2, FLOAT_COLUMNS = 32 };
static inline __attribute__((always_inline)) int streams_of(const panel_format *format) {
  return format == &panel_q8_0 || format == &panel_q4_0 ? STREAMS : 1;
}

// The panel of `row` and the other one, `apart` rows behind it.
static inline __attribute__((always_inline)) void multiply_panels(
    const panel_format *format, const ck_panel_job *job, int64_t row, int64_t apart, int streams) {
  int64_t blocks = job->columns / format->elements, block_bytes = format->bytes * CK_PANEL_ROWS;
  const uint8_t *panel = (const uint8_t *)job->panels + row * blocks * format->bytes;
  const int32_t *record = job->input;
  floats sums[STREAMS] = {zero(), zero()};
  for (int64_t b = 0; b < blocks; b++, record += format->elements / 32 * CK_RECORD_WORDS) {
#pragma clang loop unroll(disable)
    for (int s = 0; s < streams; s++) {
      sums[s] = add_block(format, panel + s * apart * blocks * format->bytes + b * block_bytes, record, sums[s]);
    }
  }
  for (int s = 0; s < streams; s++) store(job->y + row + s * apart, sums[s]);
}

static inline __attribute__((always_inline)) void add_float_columns(
    int type, const uint8_t *w, const float *x, int64_t count, floats sums[4]) {
  int64_t step = type == CK_F32 ? 64 : 32, k = 0;
  floats own[4] = {sums[0], sums[1], sums[2], sums[3]};
  for (; k + 3 < count; k += 4, w += 4 * step) {
    ask_ahead(w, 0, 4 * step);
    for (int i = 0; i < 4; i++) own[i] = fused(floats_at(w + i * step, type), _mm256_broadcast_ss(x + k + i), own[i]);
  }
  for (; k < count; k++, w += step) own[0] = fused(floats_at(w, type), _mm256_broadcast_ss(x + k), own[0]);
  for (int i = 0; i < 4; i++) sums[i] = own[i];
}

static inline __attribute__((always_inline)) void multiply_float_panels(
    int type, const ck_panel_job *job, int64_t row, int64_t apart, int streams) {
  int64_t row_bytes = job->columns * (type == CK_F32 ? 4 : 2);
  const uint8_t *panel = (const uint8_t *)job->panels + row * row_bytes;
  floats sums[STREAMS][4];
  for (int s = 0; s < streams; s++) for (int i = 0; i < 4; i++) sums[s][i] = zero();
  for (int64_t k = 0; k < job->columns; k += FLOAT_COLUMNS) {
    int64_t count = job->columns - k < FLOAT_COLUMNS ? job->columns - k : FLOAT_COLUMNS;
#pragma clang loop unroll(disable)
    for (int s = 0; s < streams; s++) {
      const uint8_t *w = panel + s * apart * row_bytes + k * (type == CK_F32 ? 64 : 32);
      add_float_columns(type, w, (const float *)job->input + k, count, sums[s]);
    }
  }
  __m256 one = _mm256_set1_ps(1);
  for (int s = 0; s < streams; s++) {
    floats sum = fused(fused(sums[s][0], one, sums[s][1]), one, fused(sums[s][2], one, sums[s][3]));
    store(job->y + row + s * apart, sum);
  }
}

// Of the panels that begin in rows `begin` ..< `end` each run is one stream; what does not divide goes alone.
#define BY_STREAMS(most, multiply, what) \
  for (int streams = most; begin < end; streams = 1) { \
    int64_t apart = (end - begin + CK_PANEL_ROWS - 1) / CK_PANEL_ROWS / streams * CK_PANEL_ROWS; \
    for (int64_t row = begin; row < begin + apart; row += CK_PANEL_ROWS) multiply(what, job, row, apart, streams); \
    begin += streams * apart; \
  }

static inline __attribute__((always_inline)) void multiply(
    const panel_format *format, const ck_panel_job *job, int64_t begin, int64_t end) {
  BY_STREAMS(streams_of(format), multiply_panels, format)
}

static inline __attribute__((always_inline)) void multiply_floats(
    int type, const ck_panel_job *job, int64_t begin, int64_t end) {
  BY_STREAMS(STREAMS, multiply_float_panels, type)
}

// Each format is a loop of its own.
#define PRODUCT(type, format) case type: return multiply(&format, job, begin, end);
void panel_matvec_avx2(const ck_panel_job *job, int64_t begin, int64_t end) {
  switch (job->type) {
    case CK_F32: return multiply_floats(CK_F32, job, begin, end);
    case CK_F16: return multiply_floats(CK_F16, job, begin, end);
    case CK_BF16: return multiply_floats(CK_BF16, job, begin, end);
    EACH_PANEL_FORMAT(PRODUCT)
    case CK_FP8: return multiply_fp8(job, begin, end);
    case CK_SPARSE_2_4: return multiply_sparse(2, job, begin, end);
    case CK_SPARSE_4_8: return multiply_sparse(3, job, begin, end);
  }
}

#pragma clang attribute pop
#endif
