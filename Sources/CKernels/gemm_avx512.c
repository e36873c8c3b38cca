// SPDX-License-Identifier: Apache-2.0
// Products of many tokens for AVX-512: Y[token][row] = X[token] · W[row].
//
//   for each panel of 64 rows, for each chunk of 256 columns:
//     decode the panel's chunk to floats, transposed to [column][32 rows] twice (64 KiB: stays in the second cache)
//     for each group of 12 tokens, for each 32 rows: 24 registers hold 12 × 32 sums; per column 2 loads, 12 broadcasts
// The sums of a chunk are added to Y, so that a column count of any multiple of the block works.
#if defined(__x86_64__)
#include <immintrin.h>
#include "matvec_avx512.h"
#include "kept_rows.h"
#include "panels.h"

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c"))), apply_to = function)

#include "gemm_tile_avx512.h"

void pack_avx512(const float *x, int64_t stride, int64_t tokens, int64_t columns, float *packed, int64_t first_group,
               int64_t last_group) {
  for (int64_t group = first_group; group < last_group; group++) {
    float *out = packed + group * TILE_TOKENS * columns;
    for (int t = 0; t < TILE_TOKENS; t++) {
      int64_t token = group * TILE_TOKENS + t;
      const float *row = x + token * stride;
      for (int64_t k = 0; k < columns; k++) out[k * TILE_TOKENS + t] = token < tokens ? row[k] : 0;
    }
  }
}

// `ahead` is the distance to the next tokens' values.
static inline void multiply_tile(const float *tile, const float *x, int64_t count, int64_t ahead,
                                 __m512 sums[TILE_TOKENS][2]) {
  for (int64_t k = 0; k < count; k++) {
    _mm_prefetch((const char *)(x + k * TILE_TOKENS + ahead), _MM_HINT_T0);
    __m512 low = _mm512_loadu_ps(tile + k * TILE_ROWS), high = _mm512_loadu_ps(tile + k * TILE_ROWS + HALF_TILE);
#pragma clang loop unroll(full)
    for (int t = 0; t < TILE_TOKENS; t++) {
      __m512 value = _mm512_set1_ps(x[k * TILE_TOKENS + t]);
      sums[t][0] = _mm512_fmadd_ps(low, value, sums[t][0]);
      sums[t][1] = _mm512_fmadd_ps(high, value, sums[t][1]);
    }
  }
}

static inline void store_tile(const ck_gemm *job, int64_t token, int64_t row, int64_t end, int is_first,
                              __m512 sums[TILE_TOKENS][2]) {
  for (int t = 0; t < TILE_TOKENS && token + t < job->tokens; t++) {
    float *y = job->y + (token + t) * job->y_stride + row;
    for (int part = 0; part < 2; part++) {
      __mmask16 lanes = lanes_left(end - row - part * HALF_TILE);
      float *spot = y + part * HALF_TILE;
      __m512 sum = is_first ? sums[t][part] : _mm512_add_ps(_mm512_maskz_loadu_ps(lanes, spot), sums[t][part]);
      _mm512_mask_storeu_ps(spot, lanes, sum);
    }
  }
}

void gemm_avx512(const ck_gemm *job, int64_t begin, int64_t end) {
  if (job->words) return gemm_words_avx512(job, begin, end);
  float *panel = job->scratch, *decoded = job->scratch + PANEL_ROWS * DECODE_CHUNK;
  for (int64_t row = begin; row < end; row += PANEL_ROWS) {
    int64_t tiles = ((end - row < PANEL_ROWS ? end - row : PANEL_ROWS) + TILE_ROWS - 1) / TILE_ROWS;
    for (int64_t k = 0; k < job->columns; k += DECODE_CHUNK) {
      int64_t count = job->columns - k < DECODE_CHUNK ? job->columns - k : DECODE_CHUNK;
      for (int64_t tile = 0; tile < tiles; tile++) {
        for (int64_t part = 0; part < 2; part++) {
          load_half_tile(job, row + tile * TILE_ROWS + part * HALF_TILE, end, k, count, decoded,
                         panel + tile * TILE_ROWS * DECODE_CHUNK + part * HALF_TILE);
        }
      }
      for (int64_t token = 0; token < job->tokens; token += TILE_TOKENS) {
        const float *x = job->packed + (token / TILE_TOKENS * job->columns + k) * TILE_TOKENS;
        for (int64_t tile = 0; tile < tiles; tile++) {
          __m512 sums[TILE_TOKENS][2];
          for (int t = 0; t < TILE_TOKENS; t++) sums[t][0] = sums[t][1] = _mm512_setzero_ps();
          if (k > 0) prefetch_sums(job, token, row + tile * TILE_ROWS);
          multiply_tile(panel + tile * TILE_ROWS * DECODE_CHUNK, x, count, job->columns * TILE_TOKENS, sums);
          store_tile(job, token, row + tile * TILE_ROWS, end, k == 0, sums);
        }
      }
    }
  }
}

void gemm_panels_avx512(const ck_panel_job *job, int64_t begin, int64_t end) {
  enum ck_input input = ck_many_input(&kernels_avx512_vnni, job->type, 1, job->columns, job->tokens);
  int takes_words = input == CK_INPUT_WORDS;
  ck_gemm gemm = {
    .weights = job->panels, .is_interleaved = 1, .panel_type = job->type, .packed = takes_words ? 0 : job->input,
    .words = takes_words ? job->input : 0, .tokens = job->tokens,
    .columns = job->columns, .y = job->y, .y_stride = job->y_stride, .scratch = job->scratch,
    .block_elements = 1, .block_bytes = ck_block_bytes(job->type),
  };
  gemm_avx512(&gemm, begin, end);
}

float multiply_add_peak_avx512(int64_t rounds, double *operations) {
  __m512 sums[12];
  __m512 factor = _mm512_set1_ps(0.999f), term = _mm512_set1_ps(0.001f);
  for (int k = 0; k < 12; k++) sums[k] = _mm512_set1_ps((float)k);
  for (int64_t i = 0; i < rounds; i++) {
    for (int k = 0; k < 12; k++) sums[k] = _mm512_fmadd_ps(sums[k], factor, term);
  }
  for (int k = 1; k < 12; k++) sums[0] = _mm512_add_ps(sums[0], sums[k]);
  *operations = (double)rounds * 12 * 32;
  return _mm512_cvtss_f32(sums[0]);
}

#pragma clang attribute pop

// Both rows have these; the second multiplies prompts by tiles besides.
#define AVX512_ROW \
  .matvec = { \
    [CK_F32] = matvec_f32_avx512, \
    [CK_F16] = matvec_f16_avx512, \
    [CK_BF16] = matvec_bf16_avx512, \
    [CK_Q8_0] = matvec_q8_0_avx2, \
    [CK_Q4_0] = matvec_q4_0_avx2, \
    [CK_Q4_K] = matvec_q4_k_avx2, \
    [CK_Q6_K] = matvec_q6_k_avx2, \
    [CK_KEPT_MASK] = matvec_mask_avx512, \
    [CK_KEPT_LIST] = matvec_list_avx512, \
  }, \
  .matvec_decoded = matvec_decoded_avx2, \
  .decode = CK_DECODERS(decode_f16_avx2, decode_q4_0_avx2, decode_q8_0_avx2, decode_q4_k_avx2), \
  .token_group = 12, \
  .pack = pack_avx512, \
  .gemm = gemm_avx512, \
  .make_words = make_words_avx512, \
  .record_tokens = 6, \
  .make_records = make_records_avx512, \
  .make_wide_records = make_wide_records_avx512, \
  .panel_matvec = panel_matvec_avx512, \
  .panel_gemm = panel_gemm_avx512, \
  .panel_few = panel_few_avx512, \
  .quantize_32 = quantize_32_avx2, \
  .quantize_256 = quantize_256_avx2, \
  .rms_norm = rms_norm_avx2, \
  .add = add_avx2, \
  .silu_mul = silu_mul_avx2, \
  .activate = activate_avx2, \
  .encode_f16 = encode_f16_avx2, \
  .encode_q8_0 = encode_q8_0_portable, \
  .read = read_avx2, \
  .multiply_add_peak = multiply_add_peak_avx512

const ck_kernels kernels_avx512_vnni = {
  .name = "avx512vnni", AVX512_ROW,
  .attention_f32 = attention_f32_avx512,
  .attention_f16 = attention_f16_avx512,
  .attention_q8_0 = attention_q8_0_avx512,
};
const ck_kernels kernels_amx = {
  .name = "amx", AVX512_ROW,
  .attention_f32 = attention_f32_amx,
  .attention_f16 = attention_f16_amx,
  .attention_q8_0 = attention_q8_0_amx,
  .make_tiles = make_tiles_amx,
  .panel_tiles = panel_tiles_amx,
  .tile_peak = tile_peak_amx,
};
#endif
