// SPDX-License-Identifier: Apache-2.0
// Matrix-vector products over panels for AVX-512 VNNI: VPDPBUSD multiplies four bytes of each of sixteen rows with four
// bytes of the input that all rows share, so that sums stay in their rows' lanes to the end.
//
//   for each panel, for each group of 32 columns:
//     dots = −128·Σq (values + 128 are stored) or 0; dots += codes · q, eight times; sum += dots · scale · d
#if defined(__x86_64__)
#include <string.h>
#include "panels.h"

#pragma clang attribute push(                                                                 \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c"))), apply_to = function)

#include "panel_words_avx512.h"
#include "panel_formats.h"
#include "panel_groups.h"
#include "panel_codebooks.h"
#include "panel_fp8.h"
#include "panel_sparse.h"

static inline vec broadcast(int32_t value) { return _mm512_set1_epi32(value); }
static inline floats broadcast_float(int32_t bits) { return _mm512_castsi512_ps(_mm512_set1_epi32(bits)); }

// One group of a panel times one record.
static inline __attribute__((always_inline)) floats add_group(
    const panel_format *format, const uint8_t *block, int group, const int32_t *record, floats sum) {
  vec w[8];
  floats scale[2], minimum[2];
  format->codes(block, group, w);
  format->scales(block, group, scale, minimum);
  int columns = 8 / format->halves;
#pragma clang loop unroll(full)
  for (int half = 0; half < format->halves; half++) {
    int offset = format->halves == 1 ? 4 : 5 + half, sums = format->halves == 1 ? 1 : 2 + half;
    vec dots = format->has_minima ? _mm512_setzero_si512() : broadcast(record[offset]);
#pragma clang loop unroll(full)
    for (int j = half * columns; j < (half + 1) * columns; j++) {
      dots = _mm512_dpbusd_epi32(dots, w[j], broadcast(record[7 + j]));
    }
    sum = _mm512_fmadd_ps(times(scale[half], broadcast_float(record[0])), to_floats(dots), sum);
    if (format->has_minima) sum = _mm512_fmadd_ps(minimum[half], broadcast_float(record[sums]), sum);
  }
  return sum;
}

// The same of q4_0 with a third less to do: nibbles as they are, the high ones sixteen times too large, and -8 Σq for what they
// are less. The dots are those of above to the bit.
static inline __attribute__((always_inline)) floats add_nibbles(const uint8_t *block, const int32_t *record, floats sum) {
  vec low = lane_shifted_signed(broadcast(record[4]), 4), high = _mm512_setzero_si512();
#pragma clang loop unroll(full)
  for (int j = 0; j < 4; j++) {
    vec v = word(block + HALF_BYTES, j);
    low = _mm512_dpbusd_epi32(low, low_bits(v, 15), broadcast(record[7 + j]));
    high = _mm512_dpbusd_epi32(high, low_bits(v, 0xf0), broadcast(record[11 + j]));
  }
  vec dots = _mm512_add_epi32(low, lane_shifted_signed(high, 4));
  return _mm512_fmadd_ps(times(halves_at(block), broadcast_float(record[0])), to_floats(dots), sum);
}

static inline __attribute__((always_inline)) void multiply(
    const panel_format *format, const ck_panel_job *job, int64_t begin, int64_t end) {
  int64_t blocks = job->columns / format->elements, groups = format->elements / 32;
  const uint8_t *block = (const uint8_t *)job->panels + begin * blocks * format->bytes;
  for (int64_t row = begin; row < end; row += CK_PANEL_ROWS) {
    const int32_t *record = job->input;
    floats sum = _mm512_setzero_ps();
    for (int64_t b = 0; b < blocks; b++, block += format->bytes * CK_PANEL_ROWS) {
      int64_t bytes = format->bytes * CK_PANEL_ROWS / groups;
#pragma clang loop unroll(full)
      for (int group = 0; group < groups; group++, record += CK_RECORD_WORDS) {
        ask_ahead(block, group * bytes, (group + 1) * bytes);
        sum = format == &panel_q4_0 ? add_nibbles(block, record, sum) : add_group(format, block, group, record, sum);
      }
    }
    _mm512_storeu_ps(job->y + row, sum);
  }
}

static inline floats floats_at(const void *p, int type) {
  if (type == CK_F32) return _mm512_loadu_ps(p);
  if (type == CK_F16) return _mm512_cvtph_ps(_mm256_loadu_si256(p));
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256(p)), 16));
}

static inline __attribute__((always_inline)) void multiply_floats(
    int type, const ck_panel_job *job, int64_t begin, int64_t end) {
  int64_t step = type == CK_F32 ? 64 : 32;
  const float *x = job->input;
  const uint8_t *w = (const uint8_t *)job->panels + begin * job->columns * step / CK_PANEL_ROWS;
  for (int64_t row = begin; row < end; row += CK_PANEL_ROWS) {
    floats sums[4] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps()};
    int64_t k = 0;
    for (; k + 3 < job->columns; k += 4, w += 4 * step) {
      ask_ahead(w, 0, 4 * step);
      for (int i = 0; i < 4; i++) {
        sums[i] = _mm512_fmadd_ps(floats_at(w + i * step, type), _mm512_set1_ps(x[k + i]), sums[i]);
      }
    }
    for (; k < job->columns; k++, w += step) {
      sums[0] = _mm512_fmadd_ps(floats_at(w, type), _mm512_set1_ps(x[k]), sums[0]);
    }
    sums[0] = _mm512_add_ps(_mm512_add_ps(sums[0], sums[1]), _mm512_add_ps(sums[2], sums[3]));
    _mm512_storeu_ps(job->y + row, sums[0]);
  }
}

// Each format is a loop of its own.
#define PRODUCT(type, format) case type: return multiply(&format, job, begin, end);
void panel_matvec_avx512(const ck_panel_job *job, int64_t begin, int64_t end) {
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
