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
#include "panel_dots_avx2.h"
#include "panel_whole_avx2.h"

static inline floats zero(void) { return (floats){_mm256_setzero_ps(), _mm256_setzero_ps()}; }
static inline floats fused(floats a, __m256 b, floats c) {
  return (floats){_mm256_fmadd_ps(a.low, b, c.low), _mm256_fmadd_ps(a.high, b, c.high)};
}
static inline floats sum_of(floats a, floats b) {
  return (floats){_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)};
}
static inline __m256 broadcast_float(const int32_t *word) { return _mm256_broadcast_ss((const float *)word); }
static inline __m256i broadcast(int32_t value) { return _mm256_set1_epi32(value); }

// Quads of columns `first` ..< `first + run` of a group times the record's, in sums of 16 bits.
static inline __attribute__((always_inline)) vec sum_of_run(
    const panel_format *format, const vec w[8], int first, int run, const int32_t *record, vec total) {
#pragma clang loop unroll(full)
  for (int j = first; j < first + run; j++) {
    vec code = prepared(format, w[j]);
    __m256i q = broadcast(record[7 + j]);
    total.low = _mm256_add_epi16(total.low, pairs(format->reach, code.low, q));
    total.high = _mm256_add_epi16(total.high, pairs(format->reach, code.high, q));
  }
  return total;
}

// One group of a panel times one record.
static inline __attribute__((always_inline)) floats add_group(
    const panel_format *format, const uint8_t *block, int group, const int32_t *record, floats sum) {
  vec w[8];
  floats scale[2], minimum[2];
  format->codes(block, group, w);
  format->scales(block, group, scale, minimum);
  int columns = 8 / format->halves, run = run_of(format) < columns ? run_of(format) : columns;
#pragma clang loop unroll(full)
  for (int half = 0; half < format->halves; half++) {
    int offset = format->halves == 1 ? 4 : 5 + half, sums = format->halves == 1 ? 1 : 2 + half;
    vec dots = start_of_all(format, broadcast(record[offset]));
#pragma clang loop unroll(full)
    for (int first = half * columns; first < (half + 1) * columns; first += run) {
      vec total = sum_of_run(format, w, first, run, record, all_lanes(0));
      dots = pair(add_pairs(dots.low, total.low), add_pairs(dots.high, total.high));
    }
    sum = fused(times(scale[half], to_floats(dots)), broadcast_float(record), sum);
    if (format->has_minima) sum = fused(minimum[half], broadcast_float(record + sums), sum);
  }
  return sum;
}

// The same of a format with whole scales, but for the block's floats: dots to `sum`, minima to `less`.
static inline __attribute__((always_inline)) void add_whole_group(
    const panel_format *format, const whole_scales *whole, const uint8_t *block, int group, const int32_t *record,
    floats *sum, floats *less) {
  vec w[8], dots;
  format->codes(block, group, w);
  int columns = 8 / format->halves, run = run_of(format) < columns ? run_of(format) : columns;
#pragma clang loop unroll(full)
  for (int half = 0; half < format->halves; half++) {
    int offset = format->halves == 1 ? 4 : 5 + half, sums = format->halves == 1 ? 1 : 2 + half;
    vec scale = whole->scale(block, group, half), start = start_of_dots(format, scale, broadcast(record[offset]));
    dots = half ? pair(_mm256_add_epi32(dots.low, start.low), _mm256_add_epi32(dots.high, start.high)) : start;
#pragma clang loop unroll(full)
    for (int first = half * columns; first < (half + 1) * columns; first += run) {
      vec begin = first == half * columns ? start_of_sum(format, broadcast(record[offset])) : all_lanes(0);
      dots = add_scaled_pairs(dots, sum_of_run(format, w, first, run, record, begin), scale);
    }
    if (!format->has_minima) continue;
    *less = fused(to_floats(whole->minimum(block, group, half)), broadcast_float(record + sums), *less);
  }
  *sum = fused(to_floats(dots), broadcast_float(record), *sum);
}

static inline __attribute__((always_inline)) floats add_whole_block(
    const panel_format *format, const whole_scales *whole, const uint8_t *block, const int32_t *record, floats sum) {
  floats part = zero(), less = zero();
  int64_t groups = format->elements / 32, bytes = format->bytes * CK_PANEL_ROWS / groups;
#pragma clang loop unroll(full)
  for (int group = 0; group < groups; group++, record += CK_RECORD_WORDS) {
    ask_ahead(block, group * bytes, (group + 1) * bytes);
    add_whole_group(format, whole, block, group, record, &part, &less);
  }
  sum = sum_of(sum, times(whole->unit(block), part));
  return format->has_minima ? sum_of(sum, minus_times(whole->minimum_unit(block), less)) : sum;
}

static inline void store(float *y, floats sum) {
  _mm256_storeu_ps(y, sum.low);
  _mm256_storeu_ps(y + 8, sum.high);
}

static inline __attribute__((always_inline)) void multiply(
    const panel_format *format, const ck_panel_job *job, int64_t begin, int64_t end) {
  int64_t blocks = job->columns / format->elements, groups = format->elements / 32;
  const whole_scales *whole = whole_scales_of(format);
  const uint8_t *block = (const uint8_t *)job->panels + begin * blocks * format->bytes;
  for (int64_t row = begin; row < end; row += CK_PANEL_ROWS) {
    const int32_t *record = job->input;
    floats sum = zero();
    for (int64_t b = 0; b < blocks; b++, block += format->bytes * CK_PANEL_ROWS) {
      if (whole) {
        sum = add_whole_block(format, whole, block, record, sum);
        record += groups * CK_RECORD_WORDS;
        continue;
      }
      int64_t bytes = format->bytes * CK_PANEL_ROWS / groups;
      if (format->looks_up) {
#pragma clang loop unroll(disable)
        for (int group = 0; group < groups; group++, record += CK_RECORD_WORDS) {
          ask_ahead(block, group * bytes, (group + 1) * bytes);
          sum = add_group(format, block, group, record, sum);
        }
        continue;
      }
#pragma clang loop unroll(full)
      for (int group = 0; group < groups; group++, record += CK_RECORD_WORDS) {
        ask_ahead(block, group * bytes, (group + 1) * bytes);
        sum = add_group(format, block, group, record, sum);
      }
    }
    store(job->y + row, sum);
  }
}

static inline floats floats_at(const uint8_t *p, int type) {
  if (type == CK_F32) return (floats){_mm256_loadu_ps((const float *)p), _mm256_loadu_ps((const float *)p + 8)};
  if (type == CK_F16) return halves_at(p);
  __m256i low = _mm256_cvtepu16_epi32(load_16(p)), high = _mm256_cvtepu16_epi32(load_16(p + 16));
  return (floats){_mm256_castsi256_ps(_mm256_slli_epi32(low, 16)), _mm256_castsi256_ps(_mm256_slli_epi32(high, 16))};
}

static inline __attribute__((always_inline)) void multiply_floats(
    int type, const ck_panel_job *job, int64_t begin, int64_t end) {
  int64_t step = type == CK_F32 ? 64 : 32;
  const float *x = job->input;
  const uint8_t *w = (const uint8_t *)job->panels + begin * job->columns * step / CK_PANEL_ROWS;
  for (int64_t row = begin; row < end; row += CK_PANEL_ROWS) {
    floats sums[4] = {zero(), zero(), zero(), zero()};
    int64_t k = 0;
    for (; k + 3 < job->columns; k += 4, w += 4 * step) {
      ask_ahead(w, 0, 4 * step);
      for (int i = 0; i < 4; i++) sums[i] = fused(floats_at(w + i * step, type), _mm256_broadcast_ss(x + k + i), sums[i]);
    }
    for (; k < job->columns; k++, w += step) sums[0] = fused(floats_at(w, type), _mm256_broadcast_ss(x + k), sums[0]);
    __m256 one = _mm256_set1_ps(1);
    store(job->y + row, fused(fused(sums[0], one, sums[1]), one, fused(sums[2], one, sums[3])));
  }
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
