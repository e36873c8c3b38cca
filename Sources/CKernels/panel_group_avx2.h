// SPDX-License-Identifier: Apache-2.0
// A group of 32 columns of a panel times the record of one token, of T tokens whose records lie beside each other: what the
// products of one token and of a few have in common, so that their sums are the same.
#ifndef ANPROBE_PANEL_GROUP_AVX2_H
#define ANPROBE_PANEL_GROUP_AVX2_H
#include "panel_dots_avx2.h"
#include "panel_whole_avx2.h"

typedef struct {
  vec codes[8];
  union { floats scale[2]; vec whole[2]; };
  floats minimum[2]; // of whole scales a multiple of the block's unit
} unpacked_group;

static inline floats zero(void) { return (floats){_mm256_setzero_ps(), _mm256_setzero_ps()}; }
static inline floats fused(floats a, __m256 b, floats c) {
  return (floats){_mm256_fmadd_ps(a.low, b, c.low), _mm256_fmadd_ps(a.high, b, c.high)};
}
static inline floats sum_of(floats a, floats b) {
  return (floats){_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)};
}
static inline __m256 broadcast_float(const int32_t *word) { return _mm256_broadcast_ss((const float *)word); }
static inline __m256i broadcast(int32_t value) { return _mm256_set1_epi32(value); }

static inline __attribute__((always_inline)) void unpack(
    const panel_format *format, const uint8_t *block, int group, unpacked_group *to) {
  format->codes(block, group, to->codes);
  const whole_scales *whole = whole_scales_of(format);
  if (!whole) return format->scales(block, group, to->scale, to->minimum);
  for (int half = 0; half < format->halves; half++) {
    to->whole[half] = whole->scale(block, group, half);
    if (format->has_minima) to->minimum[half] = to_floats(whole->minimum(block, group, half));
  }
}

// Quads of columns `first` ..< `first + run` of a group times the record's, added to sums of 16 bits.
static inline __attribute__((always_inline)) vec sum_of_run(
    const panel_format *format, const vec w[8], int first, int run, const int32_t *record, int T, vec total) {
#pragma clang loop unroll(full)
  for (int j = first; j < first + run; j++) {
    vec code = prepared(format, w[j]);
    __m256i q = broadcast(record[(7 + j) * T]);
    total.low = _mm256_add_epi16(total.low, pairs(format->reach, code.low, q));
    total.high = _mm256_add_epi16(total.high, pairs(format->reach, code.high, q));
  }
  return total;
}

static inline int least_of(int a, int b) { return a < b ? a : b; }

static inline __attribute__((always_inline)) floats add_group(
    const panel_format *format, const unpacked_group *group, const int32_t *record, int T, floats sum) {
  int columns = 8 / format->halves, run = least_of(run_of(format), columns);
#pragma clang loop unroll(full)
  for (int half = 0; half < format->halves; half++) {
    int offset = format->halves == 1 ? 4 : 5 + half, sums = format->halves == 1 ? 1 : 2 + half;
    vec dots = start_of_all(format, broadcast(record[offset * T]));
#pragma clang loop unroll(full)
    for (int first = half * columns; first < (half + 1) * columns; first += run) {
      dots = add_scaled_pairs(dots, sum_of_run(format, group->codes, first, run, record, T, all_lanes(0)), ones());
    }
    sum = fused(times(group->scale[half], to_floats(dots)), broadcast_float(record), sum);
    if (format->has_minima) sum = fused(group->minimum[half], broadcast_float(record + sums * T), sum);
  }
  return sum;
}

// Of a block of whole scales, but for its floats.
typedef struct { floats dots, minima; } block_sums;

static inline __attribute__((always_inline)) void add_whole_group(
    const panel_format *format, const unpacked_group *group, const int32_t *record, int T, block_sums *sums) {
  vec dots = all_lanes(0);
  int columns = 8 / format->halves, run = least_of(run_of(format), columns);
#pragma clang loop unroll(full)
  for (int half = 0; half < format->halves; half++) {
    int offset = format->halves == 1 ? 4 : 5 + half, line = format->halves == 1 ? 1 : 2 + half;
    __m256i offset_sum = broadcast(record[offset * T]);
    vec scale = group->whole[half], start = start_of_dots(format, scale, offset_sum);
    dots = half ? pair(_mm256_add_epi32(dots.low, start.low), _mm256_add_epi32(dots.high, start.high)) : start;
#pragma clang loop unroll(full)
    for (int first = half * columns; first < (half + 1) * columns; first += run) {
      vec begin = first == half * columns ? start_of_sum(format, offset_sum) : all_lanes(0);
      dots = add_scaled_pairs(dots, sum_of_run(format, group->codes, first, run, record, T, begin), scale);
    }
    if (format->has_minima) sums->minima = fused(group->minimum[half], broadcast_float(record + line * T), sums->minima);
  }
  sums->dots = fused(to_floats(dots), broadcast_float(record), sums->dots);
}

static inline __attribute__((always_inline)) floats add_whole_block(
    const panel_format *format, const uint8_t *block, block_sums part, floats sum) {
  const whole_scales *whole = whole_scales_of(format);
  sum = sum_of(sum, times(whole->unit(block), part.dots));
  return format->has_minima ? sum_of(sum, minus_times(whole->minimum_unit(block), part.minima)) : sum;
}

static inline floats floats_at(const uint8_t *p, int type) {
  if (type == CK_F32) return (floats){_mm256_loadu_ps((const float *)p), _mm256_loadu_ps((const float *)p + 8)};
  if (type == CK_F16) return halves_at(p);
  __m256i low = _mm256_cvtepu16_epi32(load_16(p)), high = _mm256_cvtepu16_epi32(load_16(p + 16));
  return (floats){_mm256_castsi256_ps(_mm256_slli_epi32(low, 16)), _mm256_castsi256_ps(_mm256_slli_epi32(high, 16))};
}

static inline void store(float *y, floats sum) {
  _mm256_storeu_ps(y, sum.low);
  _mm256_storeu_ps(y + 8, sum.high);
}

#endif
