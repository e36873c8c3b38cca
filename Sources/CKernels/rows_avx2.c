// SPDX-License-Identifier: Apache-2.0
// Quantising, norms, activations and memory reads for AVX2; and the AVX2 row of the table.
#if defined(__x86_64__)
#include <math.h>
#include "exp_avx2.h"
#include "half.h"
#include "kept_rows.h"
#include "panels.h"
#include "rows.h"

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

static inline float sum_lanes(__m256 v) {
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

static inline float largest_lane(__m256 v) {
  __m128 m = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  m = _mm_max_ps(m, _mm_movehl_ps(m, m));
  return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
}

static inline float largest_magnitude(const float *x, int64_t n) {
  __m256 largest = _mm256_setzero_ps(), sign = _mm256_set1_ps(-0.0f);
  for (int64_t i = 0; i < n; i += 8) largest = _mm256_max_ps(largest, _mm256_andnot_ps(sign, _mm256_loadu_ps(x + i)));
  return largest_lane(largest);
}

// Half away from zero, like the portable twin: add a half with the number's sign, then cut.
static inline __m256i rounded(__m256 x) {
  __m256 half = _mm256_or_ps(_mm256_and_ps(x, _mm256_set1_ps(-0.0f)), _mm256_set1_ps(0.5f));
  return _mm256_cvttps_epi32(_mm256_add_ps(x, half));
}

// Sixteen floats to sixteen codes; returns their sum.
static inline int32_t quantize_sixteen(const float *x, float inverse, int8_t *q) {
  __m256 f = _mm256_set1_ps(inverse);
  __m256i low = rounded(_mm256_mul_ps(_mm256_loadu_ps(x), f)), high = rounded(_mm256_mul_ps(_mm256_loadu_ps(x + 8), f));
  __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0xd8);
  __m128i bytes = _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
  _mm_storeu_si128((__m128i *)q, bytes);
  __m256i pairs = _mm256_madd_epi16(words, _mm256_set1_epi16(1));
  __m128i s = _mm_add_epi32(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256(pairs, 1));
  s = _mm_add_epi32(s, _mm_unpackhi_epi64(s, s));
  return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 1)));
}

void quantize_32_avx2(const float *x, int64_t n, int8_t *q, float *d, float *s) {
  for (int64_t b = 0; b < n / 32; b++, x += 32, q += 32) {
    float largest = largest_magnitude(x, 32);
    float inverse = largest > 0 ? 127.0f / largest : 0;
    int32_t sum = quantize_sixteen(x, inverse, q) + quantize_sixteen(x + 16, inverse, q + 16);
    d[b] = largest / 127.0f;
    s[b] = d[b] * (float)sum;
  }
}

void quantize_256_avx2(const float *x, int64_t n, int8_t *q, float *d, int16_t *sums) {
  for (int64_t b = 0; b < n / 256; b++) {
    float largest = largest_magnitude(x + b * 256, 256);
    float inverse = largest > 0 ? 127.0f / largest : 0;
    for (int64_t group = b * 16; group < b * 16 + 16; group++) {
      sums[group] = (int16_t)quantize_sixteen(x + group * 16, inverse, q + group * 16);
    }
    d[b] = largest / 127.0f;
  }
}

void encode_f16_avx2(const float *x, uint16_t *y, int64_t n) {
  int64_t i = 0;
  for (; i + 7 < n; i += 8) {
    _mm_storeu_si128((__m128i *)(y + i), _mm256_cvtps_ph(_mm256_loadu_ps(x + i), _MM_FROUND_TO_NEAREST_INT));
  }
  for (; i < n; i++) y[i] = float_to_half(x[i]);
}

void rms_norm_avx2(const float *x, const float *weight, float *y, int64_t n, float epsilon) {
  __m256 low = _mm256_setzero_ps(), high = _mm256_setzero_ps();
  int64_t i = 0;
  for (; i + 15 < n; i += 16) {
    __m256 a = _mm256_loadu_ps(x + i), b = _mm256_loadu_ps(x + i + 8);
    low = _mm256_fmadd_ps(a, a, low);
    high = _mm256_fmadd_ps(b, b, high);
  }
  float sum = sum_lanes(_mm256_add_ps(low, high));
  for (; i < n; i++) sum += x[i] * x[i];
  float scale = 1.0f / sqrtf(sum / (float)n + epsilon);
  __m256 factor = _mm256_set1_ps(scale);
  for (i = 0; i + 7 < n; i += 8) {
    __m256 scaled = _mm256_mul_ps(_mm256_loadu_ps(x + i), factor);
    _mm256_storeu_ps(y + i, _mm256_mul_ps(scaled, _mm256_loadu_ps(weight + i)));
  }
  for (; i < n; i++) y[i] = x[i] * scale * weight[i];
}

void add_avx2(const float *x, float *y, int64_t n) {
  int64_t i = 0;
  for (; i + 7 < n; i += 8) _mm256_storeu_ps(y + i, _mm256_add_ps(_mm256_loadu_ps(x + i), _mm256_loadu_ps(y + i)));
  for (; i < n; i++) y[i] += x[i];
}

void silu_mul_avx2(const float *gate, const float *up, float *y, int64_t n) {
  __m256 one = _mm256_set1_ps(1);
  int64_t i = 0;
  for (; i + 7 < n; i += 8) {
    __m256 g = _mm256_loadu_ps(gate + i);
    __m256 e = exp_avx2(_mm256_sub_ps(_mm256_setzero_ps(), g));
    __m256 silu = _mm256_div_ps(g, _mm256_add_ps(one, e));
    _mm256_storeu_ps(y + i, _mm256_mul_ps(silu, _mm256_loadu_ps(up + i)));
  }
  for (; i < n; i++) y[i] = gate[i] / (1.0f + expf(-gate[i])) * up[i];
}

// In two streams, as the products that compute least.
uint64_t read_avx2(const void *bytes, size_t count) {
  const uint8_t *p = bytes;
  size_t half = count / 128 * 64;
  __m256i sums[4] = {_mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256()};
  for (size_t i = 0; i < half; i += 64) {
    for (size_t s = 0; s < 2; s++) {
      const uint8_t *line = p + s * half + i;
      ask_for_lines(line, 1);
      sums[2 * s] = _mm256_add_epi64(sums[2 * s], _mm256_loadu_si256((const __m256i *)line));
      sums[2 * s + 1] = _mm256_add_epi64(sums[2 * s + 1], _mm256_loadu_si256((const __m256i *)(line + 32)));
    }
  }
  __m256i sum = _mm256_add_epi64(_mm256_add_epi64(sums[0], sums[1]), _mm256_add_epi64(sums[2], sums[3]));
  uint64_t lanes[4];
  _mm256_storeu_si256((__m256i *)lanes, sum);
  return lanes[0] + lanes[1] + lanes[2] + lanes[3];
}

#pragma clang attribute pop

const ck_kernels kernels_avx2 = {
  .name = "avx2",
  .matvec = {
    [CK_F32] = matvec_f32_avx2,
    [CK_F16] = matvec_f16_avx2,
    [CK_BF16] = matvec_bf16_avx2,
    [CK_Q8_0] = matvec_q8_0_avx2,
    [CK_Q4_0] = matvec_q4_0_avx2,
    [CK_Q4_K] = matvec_q4_k_avx2,
    [CK_Q6_K] = matvec_q6_k_avx2,
    [CK_KEPT_MASK] = matvec_mask_avx2,
    [CK_KEPT_LIST] = matvec_list_avx2,
  },
  .matvec_decoded = matvec_decoded_avx2,
  .decode = CK_DECODERS(decode_f16_avx2, decode_q4_0_avx2, decode_q8_0_avx2, decode_q4_k_avx2),
  .token_group = 6,
  .pack = pack_avx2,
  .gemm = gemm_avx2,
  .make_words = make_words_avx2,
  .record_tokens = 6,
  .make_records = make_records_avx2,
  .panel_matvec = panel_matvec_avx2,
  .panel_gemm = panel_gemm_avx2,
  .panel_few = panel_few_avx2,
  .quantize_32 = quantize_32_avx2,
  .quantize_256 = quantize_256_avx2,
  .attention_f32 = attention_f32_avx2,
  .attention_f16 = attention_f16_avx2,
  .attention_q8_0 = attention_q8_0_avx2,
  .rms_norm = rms_norm_avx2,
  .add = add_avx2,
  .silu_mul = silu_mul_avx2,
  .activate = activate_avx2,
  .encode_f16 = encode_f16_avx2,
  .encode_q8_0 = encode_q8_0_portable,
  .read = read_avx2,
  .multiply_add_peak = multiply_add_peak_avx2,
};
#endif
