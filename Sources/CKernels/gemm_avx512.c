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

enum { PANEL_ROWS = 64, TILE_ROWS = 32, HALF_TILE = 16, TILE_TOKENS = 12 };

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c"))), apply_to = function)

#include "panel_words_avx512.h"
#include "panel_fp8.h"

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

static inline __m512 floats_at(const void *p, int type) {
  if (type == CK_F32) return _mm512_loadu_ps(p);
  if (type == CK_F16) return _mm512_cvtph_ps(_mm256_loadu_si256(p));
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256(p)), 16));
}

static inline void transpose_8x8(const float *in, float *out) {
  __m256 r[8], t[8];
  for (int i = 0; i < 8; i++) r[i] = _mm256_loadu_ps(in + i * DECODE_CHUNK);
  for (int i = 0; i < 4; i++) {
    t[2 * i] = _mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]);
    t[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]);
  }
  for (int i = 0; i < 2; i++) {
    r[4 * i] = _mm256_shuffle_ps(t[4 * i], t[4 * i + 2], 0x44);
    r[4 * i + 1] = _mm256_shuffle_ps(t[4 * i], t[4 * i + 2], 0xee);
    r[4 * i + 2] = _mm256_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0x44);
    r[4 * i + 3] = _mm256_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0xee);
  }
  for (int i = 0; i < 4; i++) {
    _mm256_storeu_ps(out + i * TILE_ROWS, _mm256_permute2f128_ps(r[i], r[i + 4], 0x20));
    _mm256_storeu_ps(out + (i + 4) * TILE_ROWS, _mm256_permute2f128_ps(r[i], r[i + 4], 0x31));
  }
}

// The same of 8-bit floats, whose blocks have scales.
static void load_fp8_panel(const ck_gemm *job, int64_t row, int64_t k, int64_t count, float *tile) {
  for (int64_t i = 0; i < count; i++) {
    const uint8_t *block = fp8_block(job->weights, job->columns, row, k + i);
    _mm512_storeu_ps(tile + i * TILE_ROWS, _mm512_mul_ps(fp8_at(block, (k + i) % FP8_COLUMNS), halves_at(block)));
  }
}

// A panel of floats is in the tile's order already.
static void load_panel(const ck_gemm *job, int64_t row, int64_t k, int64_t count, float *tile) {
  if (job->panel_type == CK_FP8) return load_fp8_panel(job, row, k, count, tile);
  int64_t step = job->block_bytes * HALF_TILE;
  const uint8_t *w = (const uint8_t *)job->weights + row * job->columns * job->block_bytes + k * step;
  for (int64_t i = 0; i < count; i++) {
    _mm512_storeu_ps(tile + i * TILE_ROWS, floats_at(w + i * step, job->panel_type));
  }
}

// Sixteen rows' chunk, decoded and transposed into half of a [column][32] tile; missing rows are zero.
static void load_half_tile(const ck_gemm *job, int64_t row, int64_t end, int64_t k, int64_t count, float *decoded,
                      float *tile) {
  int is_sparse = job->is_interleaved && ck_block_elements(job->panel_type) == 32;
  if (job->is_interleaved && row < end && !is_sparse) return load_panel(job, row, k, count, tile);
  for (int r = 0; r < HALF_TILE; r++) {
    if (row < end && is_sparse) {
      ck_decode_panel_row(job, row, r, k, count, decoded + r * DECODE_CHUNK);
    } else if (row + r < end) {
      decode_chunk(job, decode_kept_avx512, row + r, k, count, decoded + r * DECODE_CHUNK);
    } else {
      for (int64_t i = 0; i < count; i++) decoded[r * DECODE_CHUNK + i] = 0;
    }
  }
  int64_t i = 0;
  for (; i + 7 < count; i += 8) {
    transpose_8x8(decoded + i, tile + i * TILE_ROWS);
    transpose_8x8(decoded + 8 * DECODE_CHUNK + i, tile + i * TILE_ROWS + 8);
  }
  for (; i < count; i++) {
    for (int r = 0; r < HALF_TILE; r++) tile[i * TILE_ROWS + r] = decoded[r * DECODE_CHUNK + i];
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

// What the chunks before left there is read when this one is multiplied.
static inline void prefetch_sums(const ck_gemm *job, int64_t token, int64_t row) {
  for (int t = 0; t < TILE_TOKENS && token + t < job->tokens; t++) {
    const float *y = job->y + (token + t) * job->y_stride + row;
    _mm_prefetch((const char *)y, _MM_HINT_T0);
    _mm_prefetch((const char *)(y + HALF_TILE), _MM_HINT_T0);
  }
}

static inline __mmask16 lanes_left(int64_t count) {
  return count >= 16 ? 0xffff : count <= 0 ? 0 : (__mmask16)((1u << count) - 1);
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
  ck_gemm gemm = {
    .weights = job->panels, .is_interleaved = 1, .panel_type = job->type, .packed = job->input, .tokens = job->tokens,
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
  .record_tokens = 6, \
  .make_records = make_records_avx512, \
  .make_wide_records = make_wide_records_avx512, \
  .panel_matvec = panel_matvec_avx512, \
  .panel_gemm = panel_gemm_avx512, \
  .panel_few = panel_few_avx512, \
  .quantize_32 = quantize_32_avx2, \
  .quantize_256 = quantize_256_avx2, \
  .attention_f32 = attention_f32_avx512, \
  .attention_f16 = attention_f16_avx512, \
  .attention_q8_0 = attention_q8_0_avx512, \
  .rms_norm = rms_norm_avx2, \
  .add = add_avx2, \
  .silu_mul = silu_mul_avx2, \
  .activate = activate_avx2, \
  .encode_f16 = encode_f16_avx2, \
  .encode_q8_0 = encode_q8_0_portable, \
  .read = read_avx2, \
  .multiply_add_peak = multiply_add_peak_avx512

const ck_kernels kernels_avx512_vnni = {.name = "avx512vnni", AVX512_ROW};
const ck_kernels kernels_amx = {
  .name = "amx", AVX512_ROW,
  .make_tiles = make_tiles_amx,
  .panel_tiles = panel_tiles_amx,
  .tile_peak = tile_peak_amx,
};
#endif
