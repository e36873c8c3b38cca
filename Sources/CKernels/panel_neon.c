// SPDX-License-Identifier: Apache-2.0
// Matrix-vector products over panels for NEON: the loops of the AVX-512 twin, with sixteen rows in four registers. The
// products are of signed bytes, so that no offset is needed. Nothing is fetched ahead: one stream in order is what the
// processors' own prefetchers follow.
#if defined(__aarch64__)
#include "dots_neon.h"
#include "panel_words_neon.h"
#include "rows_neon.h"
#include "panel_formats.h"
#include "panel_groups.h"
#include "panel_codebooks.h"
#include "panel_fp8.h"
#include "panel_sparse.h"

// One group of a panel times one record.
CK_INLINE floats add_group(quad_dot dot, const panel_format *format, const uint8_t *block, int group,
                           const int32_t *record, floats sum) {
  vec w[8];
  floats scale[2], minimum[2];
  format->codes(block, group, w);
  format->scales(block, group, scale, minimum);
  int columns = 8 / format->halves;
  for (int half = 0; half < format->halves; half++) {
    sums dots = {{vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0)}};
    for (int j = half * columns; j < (half + 1) * columns; j++) {
      int8x16_t q = vreinterpretq_s8_s32(vdupq_n_s32(record[7 + j]));
      vec code = signed_codes(format->has_minima, w[j]);
      for (int p = 0; p < PARTS; p++) dots.q[p] = dot(dots.q[p], vreinterpretq_s8_u8(code.q[p]), q);
    }
    sum = fused(sum, scaled(scale[half], dots), float_of(record));
    if (format->has_minima) sum = fused(sum, minimum[half], float_of(record + (format->halves == 1 ? 1 : 2 + half)));
  }
  return sum;
}

CK_INLINE void multiply(quad_dot dot, const panel_format *format, const ck_panel_job *job, int64_t begin, int64_t end) {
  int64_t blocks = job->columns / format->elements;
  const uint8_t *block = (const uint8_t *)job->panels + begin * blocks * format->bytes;
  for (int64_t row = begin; row < end; row += CK_PANEL_ROWS) {
    const int32_t *record = job->input;
    floats sum = zero();
    for (int64_t b = 0; b < blocks; b++, block += format->bytes * CK_PANEL_ROWS) {
#pragma GCC unroll 8
      for (int group = 0; group < format->elements / 32; group++, record += CK_RECORD_WORDS) {
        sum = add_group(dot, format, block, group, record, sum);
      }
    }
    store_floats(job->y + row, sum);
  }
}

static inline floats floats_at(const uint8_t *p, int type) {
  if (type == CK_F16) return halves_at(p);
  floats v;
  for (int i = 0; i < PARTS; i++) {
    v.q[i] = type == CK_F32 ? vld1q_f32((const float *)p + 4 * i)
                            : vreinterpretq_f32_u32(vshll_n_u16(vld1_u16((const uint16_t *)p + 4 * i), 16));
  }
  return v;
}

// Two columns at a time: eight sums hide the latency of a multiplication.
CK_INLINE void multiply_floats(int type, const ck_panel_job *job, int64_t begin, int64_t end) {
  int64_t step = type == CK_F32 ? 64 : 32, k;
  const float *x = job->input;
  const uint8_t *w = (const uint8_t *)job->panels + begin * job->columns * step / CK_PANEL_ROWS;
  for (int64_t row = begin; row < end; row += CK_PANEL_ROWS) {
    floats even = zero(), odd = zero();
    for (k = 0; k + 1 < job->columns; k += 2, w += 2 * step) {
      even = fused(even, floats_at(w, type), x[k]);
      odd = fused(odd, floats_at(w + step, type), x[k + 1]);
    }
    for (; k < job->columns; k++, w += step) even = fused(even, floats_at(w, type), x[k]);
    store_floats(job->y + row, fused(even, odd, 1));
  }
}

// Each format is a loop of its own.
#define PRODUCT(type, format) case type: return multiply(dot, &format, job, begin, end);
CK_INLINE void multiply_panels(quad_dot dot, const ck_panel_job *job, int64_t begin, int64_t end) {
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

void panel_matvec_neon(const ck_panel_job *job, int64_t begin, int64_t end) {
  multiply_panels(dot_widening, job, begin, end);
}
CK_DOTPROD void panel_matvec_dotprod(const ck_panel_job *job, int64_t begin, int64_t end) {
  multiply_panels(dot_quads, job, begin, end);
}
#endif
