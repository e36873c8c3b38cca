// SPDX-License-Identifier: Apache-2.0
// Panels of 8-bit floats in the words of any vector vocabulary: blocks of 128 columns, each a scale of every row and
// then a byte of every row per column. E4M3 has the exponent and fraction of a half that is 256 times smaller.
#ifndef ANPROBE_PANEL_FP8_H
#define ANPROBE_PANEL_FP8_H

enum { FP8_COLUMNS = 128, FP8_BYTES = 130 };

// seeeemmm as the half s0eeeemmm0000000.
#ifdef ANPROBE_PANEL_WORDS_NEON_H
static inline uint16x8_t fp8_halves(uint8x8_t v) {
  int16x8_t high = vreinterpretq_s16_u16(vshll_n_u8(v, 8));
  return vreinterpretq_u16_s16(vshrq_n_s16(high, 1)) & vdupq_n_u16(0xbfff);
}
#else
static inline __m256i fp8_halves(const uint8_t *p) {
  __m256i v = _mm256_slli_epi16(_mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)p)), 8);
  return _mm256_and_si256(_mm256_srai_epi16(v, 1), _mm256_set1_epi16((short)0xbfff));
}
#endif

static inline const uint8_t *fp8_block(const void *panels, int64_t columns, int64_t row, int64_t column) {
  return (const uint8_t *)panels + (row * (columns / FP8_COLUMNS) + column / FP8_COLUMNS * CK_PANEL_ROWS) * FP8_BYTES;
}

#if defined(ANPROBE_PANEL_WORDS_NEON_H)
static inline floats fp8_at(const uint8_t *block, int64_t column) {
  uint8x16_t v = vld1q_u8(block + HALF_BYTES + column * CK_PANEL_ROWS);
  float16x8_t low = vreinterpretq_f16_u16(fp8_halves(vget_low_u8(v)));
  float16x8_t high = vreinterpretq_f16_u16(fp8_halves(vget_high_u8(v)));
  return (floats){{vcvt_f32_f16(vget_low_f16(low)), vcvt_high_f32_f16(low), vcvt_f32_f16(vget_low_f16(high)),
                   vcvt_high_f32_f16(high)}};
}
static inline floats fp8_zero(void) { return zero(); }
static inline floats fp8_fused(floats a, floats b, floats c) {
  for (int p = 0; p < PARTS; p++) c.q[p] = vfmaq_f32(c.q[p], a.q[p], b.q[p]);
  return c;
}
static inline floats fp8_input(const float *x) {
  float32x4_t v = vdupq_n_f32(*x);
  return (floats){{v, v, v, v}};
}
static inline void fp8_store(float *y, floats v) { store_floats(y, v); }
#elif defined(ANPROBE_PANEL_WORDS_AVX512_H)
static inline floats fp8_at(const uint8_t *block, int64_t column) {
  return _mm512_cvtph_ps(fp8_halves(block + HALF_BYTES + column * CK_PANEL_ROWS));
}
static inline floats fp8_zero(void) { return _mm512_setzero_ps(); }
static inline floats fp8_fused(floats a, floats b, floats c) { return _mm512_fmadd_ps(a, b, c); }
static inline floats fp8_input(const float *x) { return _mm512_set1_ps(*x); }
static inline void fp8_store(float *y, floats v) { _mm512_storeu_ps(y, v); }
#else
static inline floats fp8_at(const uint8_t *block, int64_t column) {
  __m256i h = fp8_halves(block + HALF_BYTES + column * CK_PANEL_ROWS);
  return (floats){_mm256_cvtph_ps(_mm256_castsi256_si128(h)), _mm256_cvtph_ps(_mm256_extracti128_si256(h, 1))};
}
static inline floats fp8_zero(void) { return (floats){_mm256_setzero_ps(), _mm256_setzero_ps()}; }
static inline floats fp8_fused(floats a, floats b, floats c) {
  return (floats){_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
}
static inline floats fp8_input(const float *x) {
  __m256 v = _mm256_broadcast_ss(x);
  return (floats){v, v};
}
static inline void fp8_store(float *y, floats v) {
  _mm256_storeu_ps(y, v.low);
  _mm256_storeu_ps(y + 8, v.high);
}
#endif

static inline void multiply_fp8(const ck_panel_job *job, int64_t begin, int64_t end) {
  const float *x = job->input;
  const uint8_t *block = fp8_block(job->panels, job->columns, begin, 0);
  for (int64_t row = begin; row < end; row += CK_PANEL_ROWS) {
    floats sum = fp8_zero();
    for (int64_t k = 0; k < job->columns; k += FP8_COLUMNS, block += FP8_BYTES * CK_PANEL_ROWS) {
      floats parts[4] = {fp8_zero(), fp8_zero(), fp8_zero(), fp8_zero()};
      for (int64_t i = 0; i < FP8_COLUMNS; i += 4) {
        ask_ahead(block, i * CK_PANEL_ROWS, (i + 4) * CK_PANEL_ROWS);
        for (int j = 0; j < 4; j++) parts[j] = fp8_fused(fp8_at(block, i + j), fp8_input(x + k + i + j), parts[j]);
      }
      floats scale = halves_at(block);
      for (int j = 0; j < 4; j++) sum = fp8_fused(scale, parts[j], sum);
    }
    fp8_store(job->y + row, sum);
  }
}

#endif
