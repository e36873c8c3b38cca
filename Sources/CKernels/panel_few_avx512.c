// SPDX-License-Identifier: Apache-2.0
// Products of a few tokens over panels for AVX-512 VNNI: the loops of one token with T tokens inside, so that a panel's
// codes are unpacked once for all of them. Each token's sums are those of one token alone, in the same order.
//
//   for each panel, for each group of T tokens, for each group of 32 columns:
//     dots[T] = −128·Σq or 0; dots[T] += codes · q, eight times; sums[T] += dots · scale · d
#if defined(__x86_64__)
#include <string.h>
#include "panels.h"

#pragma clang attribute push(                                                                 \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c"))), apply_to = function)

#include "panel_words_avx512.h"
#include "panel_formats.h"
#include "panel_groups.h"
#include "panel_codebooks.h"

// Sums of eight tokens, their dots and a group's codes fill the registers; floats have four sums a token.
enum { MOST_TOKENS = 8, MOST_FLOAT_TOKENS = 4 };

static inline vec broadcast(int32_t value) { return _mm512_set1_epi32(value); }
static inline floats broadcast_float(int32_t bits) { return _mm512_castsi512_ps(_mm512_set1_epi32(bits)); }

// One group of a panel times the records of T tokens.
static inline __attribute__((always_inline)) void add_group(
    const panel_format *format, const uint8_t *block, int group, const int32_t *record, int T, floats *sums) {
  vec w[8], dots[MOST_TOKENS];
  floats scale[2], minimum[2];
  format->codes(block, group, w);
  format->scales(block, group, scale, minimum);
  int columns = 8 / format->halves;
#pragma clang loop unroll(full)
  for (int half = 0; half < format->halves; half++) {
    int offset = format->halves == 1 ? 4 : 5 + half, sum_line = format->halves == 1 ? 1 : 2 + half;
#pragma clang loop unroll(full)
    for (int t = 0; t < T; t++) dots[t] = format->has_minima ? _mm512_setzero_si512() : broadcast(record[offset * T + t]);
#pragma clang loop unroll(full)
    for (int j = half * columns; j < (half + 1) * columns; j++) {
#pragma clang loop unroll(full)
      for (int t = 0; t < T; t++) dots[t] = _mm512_dpbusd_epi32(dots[t], w[j], broadcast(record[(7 + j) * T + t]));
    }
#pragma clang loop unroll(full)
    for (int t = 0; t < T; t++) {
      sums[t] = _mm512_fmadd_ps(times(scale[half], broadcast_float(record[t])), to_floats(dots[t]), sums[t]);
      if (format->has_minima) {
        sums[t] = _mm512_fmadd_ps(minimum[half], broadcast_float(record[sum_line * T + t]), sums[t]);
      }
    }
  }
}

// One panel times one group of T tokens.
static inline __attribute__((always_inline)) void multiply_panel(
    const panel_format *format, const ck_panel_job *job, const uint8_t *block, const int32_t *record, int T,
    floats *sums) {
  int64_t blocks = job->columns / format->elements, groups = format->elements / 32;
  int64_t bytes = format->bytes * CK_PANEL_ROWS / groups;
  for (int64_t b = 0; b < blocks; b++, block += format->bytes * CK_PANEL_ROWS) {
#pragma clang loop unroll(full)
    for (int group = 0; group < groups; group++, record += CK_RECORD_WORDS * T) {
      ask_ahead(block, group * bytes, (group + 1) * bytes);
      add_group(format, block, group, record, T, sums);
    }
  }
}

static inline __attribute__((always_inline)) void multiply(
    const panel_format *format, const ck_panel_job *job, int64_t begin, int64_t end, int T) {
  int64_t panel_bytes = job->columns / format->elements * format->bytes * CK_PANEL_ROWS;
  int64_t group_words = job->columns / 32 * CK_RECORD_WORDS * T;
  for (int64_t row = begin; row < end; row += CK_PANEL_ROWS) {
    const uint8_t *panel = (const uint8_t *)job->panels + row / CK_PANEL_ROWS * panel_bytes;
    for (int64_t token = 0; token < job->tokens; token += T) {
      floats sums[MOST_TOKENS];
#pragma clang loop unroll(full)
      for (int t = 0; t < T; t++) sums[t] = _mm512_setzero_ps();
      multiply_panel(format, job, panel, (const int32_t *)job->input + token / T * group_words, T, sums);
#pragma clang loop unroll(full)
      for (int t = 0; t < T; t++) {
        if (token + t < job->tokens) _mm512_storeu_ps(job->y + (token + t) * job->y_stride + row, sums[t]);
      }
    }
  }
}

static inline floats floats_at(const void *p, int type) {
  if (type == CK_F32) return _mm512_loadu_ps(p);
  if (type == CK_F16) return _mm512_cvtph_ps(_mm256_loadu_si256(p));
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256(p)), 16));
}

// One panel times T tokens at x; of those behind the last one nothing is kept.
static inline __attribute__((always_inline)) void multiply_float_panel(
    int type, const ck_panel_job *job, const uint8_t *w, const float *const *x, int T, floats *out) {
  int64_t step = type == CK_F32 ? 64 : 32, k = 0;
  floats sums[MOST_FLOAT_TOKENS][4];
#pragma clang loop unroll(full)
  for (int t = 0; t < T; t++) sums[t][0] = sums[t][1] = sums[t][2] = sums[t][3] = _mm512_setzero_ps();
  for (; k + 3 < job->columns; k += 4, w += 4 * step) {
    ask_ahead(w, 0, 4 * step);
#pragma clang loop unroll(full)
    for (int i = 0; i < 4; i++) {
      floats weight = floats_at(w + i * step, type);
#pragma clang loop unroll(full)
      for (int t = 0; t < T; t++) sums[t][i] = _mm512_fmadd_ps(weight, _mm512_set1_ps(x[t][k + i]), sums[t][i]);
    }
  }
  for (; k < job->columns; k++, w += step) {
    for (int t = 0; t < T; t++) sums[t][0] = _mm512_fmadd_ps(floats_at(w, type), _mm512_set1_ps(x[t][k]), sums[t][0]);
  }
#pragma clang loop unroll(full)
  for (int t = 0; t < T; t++) {
    out[t] = _mm512_add_ps(_mm512_add_ps(sums[t][0], sums[t][1]), _mm512_add_ps(sums[t][2], sums[t][3]));
  }
}

static inline __attribute__((always_inline)) void multiply_floats(
    int type, const ck_panel_job *job, int64_t begin, int64_t end, int T) {
  int64_t panel_bytes = job->columns * (type == CK_F32 ? 64 : 32);
  for (int64_t row = begin; row < end; row += CK_PANEL_ROWS) {
    const uint8_t *panel = (const uint8_t *)job->panels + row / CK_PANEL_ROWS * panel_bytes;
    for (int64_t token = 0; token < job->tokens; token += T) {
      const float *x[MOST_FLOAT_TOKENS];
      floats sums[MOST_FLOAT_TOKENS];
      for (int t = 0; t < T; t++) {
        int64_t known = token + t < job->tokens ? token + t : job->tokens - 1;
        x[t] = (const float *)job->input + known * job->columns;
      }
      multiply_float_panel(type, job, panel, x, T, sums);
      for (int t = 0; t < T && token + t < job->tokens; t++) {
        _mm512_storeu_ps(job->y + (token + t) * job->y_stride + row, sums[t]);
      }
    }
  }
}

// Each count of tokens is a loop of its own.
#define COUNTS(format)                                              \
  switch (ck_few_group(job->tokens)) {                              \
    case 2: return multiply(format, job, begin, end, 2);            \
    case 4: return multiply(format, job, begin, end, 4);            \
    default: return multiply(format, job, begin, end, MOST_TOKENS); \
  }
#define FLOAT_COUNTS(type)                                                \
  if (job->tokens == 2) return multiply_floats(type, job, begin, end, 2); \
  return multiply_floats(type, job, begin, end, MOST_FLOAT_TOKENS);

// And each format.
#define FEW(type, format) case type: COUNTS(&format)
void panel_few_avx512(const ck_panel_job *job, int64_t begin, int64_t end) {
  switch (job->type) {
    case CK_F32: FLOAT_COUNTS(CK_F32)
    case CK_F16: FLOAT_COUNTS(CK_F16)
    case CK_BF16: FLOAT_COUNTS(CK_BF16)
    EACH_PANEL_FORMAT(FEW)
  }
}

#pragma clang attribute pop
#endif
