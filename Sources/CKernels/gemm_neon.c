// SPDX-License-Identifier: Apache-2.0
// Products of many tokens over floats for NEON: Y[token][row] = X[token] · W[row], as in the AVX2 twin, with sixteen rows
// times four tokens in sixteen registers of sums.
#if defined(__aarch64__)
#include "kept_rows.h"
#include "panel_words_neon.h"
#include "rows_neon.h"
#include "panel_fp8.h"

enum { PANEL_ROWS = 64, TILE_ROWS = 16, TILE_TOKENS = NEON_GROUP };

void pack_neon(const float *x, int64_t stride, int64_t tokens, int64_t columns, float *packed, int64_t first_group,
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

static inline void transpose_4x4(const float *in, float *out) {
  float32x4_t a = vld1q_f32(in), b = vld1q_f32(in + DECODE_CHUNK);
  float32x4_t c = vld1q_f32(in + 2 * DECODE_CHUNK), d = vld1q_f32(in + 3 * DECODE_CHUNK);
  float64x2_t low[2] = {vreinterpretq_f64_f32(vtrn1q_f32(a, b)), vreinterpretq_f64_f32(vtrn2q_f32(a, b))};
  float64x2_t high[2] = {vreinterpretq_f64_f32(vtrn1q_f32(c, d)), vreinterpretq_f64_f32(vtrn2q_f32(c, d))};
  for (int i = 0; i < 2; i++) {
    vst1q_f32(out + i * TILE_ROWS, vreinterpretq_f32_f64(vzip1q_f64(low[i], high[i])));
    vst1q_f32(out + (i + 2) * TILE_ROWS, vreinterpretq_f32_f64(vzip2q_f64(low[i], high[i])));
  }
}

// A panel of 8-bit floats, whose blocks have scales, is in the tile's order otherwise.
static void load_fp8_tile(const ck_gemm *job, int64_t row, int64_t k, int64_t count, float *tile) {
  for (int64_t i = 0; i < count; i++) {
    const uint8_t *block = fp8_block(job->weights, job->columns, row, k + i);
    store_floats(tile + i * TILE_ROWS, times(fp8_at(block, (k + i) % FP8_COLUMNS), halves_at(block)));
  }
}

// Sixteen rows' chunk, decoded and transposed to [column][16]; missing rows are zero.
static void load_tile(const ck_gemm *job, int64_t row, int64_t end, int64_t k, int64_t count, float *decoded,
                      float *tile) {
  if (job->is_interleaved && job->panel_type == CK_FP8) return load_fp8_tile(job, row, k, count, tile);
  int is_sparse = job->is_interleaved && ck_block_elements(job->panel_type) == 32;
  if (job->is_interleaved && !is_sparse) { // a panel of floats is in the tile's order already
    const uint8_t *panel = (const uint8_t *)job->weights + (row * job->columns + k * TILE_ROWS) * job->block_bytes;
    return job->decode(panel, tile, count * TILE_ROWS);
  }
  for (int r = 0; r < TILE_ROWS; r++) {
    if (is_sparse) {
      ck_decode_panel_row(job, row, r, k, count, decoded + r * DECODE_CHUNK);
    } else if (row + r < end) {
      decode_chunk(job, ck_decode_kept, row + r, k, count, decoded + r * DECODE_CHUNK);
    } else {
      for (int64_t i = 0; i < count; i++) decoded[r * DECODE_CHUNK + i] = 0;
    }
  }
  int64_t i = 0;
  for (; i + 3 < count; i += 4) {
    for (int r = 0; r < TILE_ROWS; r += 4) transpose_4x4(decoded + r * DECODE_CHUNK + i, tile + i * TILE_ROWS + r);
  }
  for (; i < count; i++) {
    for (int r = 0; r < TILE_ROWS; r++) tile[i * TILE_ROWS + r] = decoded[r * DECODE_CHUNK + i];
  }
}

static inline void multiply_tile(const float *tile, const float *x, int64_t count, float32x4_t y[TILE_TOKENS][PARTS]) {
  for (int64_t k = 0; k < count; k++) {
    float32x4_t values = vld1q_f32(x + k * TILE_TOKENS), w[PARTS];
    for (int p = 0; p < PARTS; p++) w[p] = vld1q_f32(tile + k * TILE_ROWS + 4 * p);
    for (int p = 0; p < PARTS; p++) {
      y[0][p] = vfmaq_laneq_f32(y[0][p], w[p], values, 0);
      y[1][p] = vfmaq_laneq_f32(y[1][p], w[p], values, 1);
      y[2][p] = vfmaq_laneq_f32(y[2][p], w[p], values, 2);
      y[3][p] = vfmaq_laneq_f32(y[3][p], w[p], values, 3);
    }
  }
}

static inline void store_tile(const ck_gemm *job, int64_t token, int64_t row, int64_t end, int is_first,
                              float32x4_t y[TILE_TOKENS][PARTS]) {
  for (int t = 0; t < TILE_TOKENS && token + t < job->tokens; t++) {
    float *out = job->y + (token + t) * job->y_stride + row, values[TILE_ROWS];
    int64_t rows = end - row < TILE_ROWS ? end - row : TILE_ROWS;
    for (int p = 0; p < PARTS; p++) vst1q_f32(values + 4 * p, y[t][p]);
    for (int64_t r = 0; r < rows; r++) out[r] = is_first ? values[r] : out[r] + values[r];
  }
}

void gemm_neon(const ck_gemm *job, int64_t begin, int64_t end) {
  float *panel = job->scratch, *decoded = job->scratch + PANEL_ROWS * DECODE_CHUNK;
  for (int64_t row = begin; row < end; row += PANEL_ROWS) {
    int64_t tiles = ((end - row < PANEL_ROWS ? end - row : PANEL_ROWS) + TILE_ROWS - 1) / TILE_ROWS;
    for (int64_t k = 0; k < job->columns; k += DECODE_CHUNK) {
      int64_t count = job->columns - k < DECODE_CHUNK ? job->columns - k : DECODE_CHUNK;
      for (int64_t tile = 0; tile < tiles; tile++) {
        load_tile(job, row + tile * TILE_ROWS, end, k, count, decoded, panel + tile * TILE_ROWS * DECODE_CHUNK);
      }
      for (int64_t token = 0; token < job->tokens; token += TILE_TOKENS) {
        const float *x = job->packed + (token * job->columns + k * TILE_TOKENS);
        for (int64_t tile = 0; tile < tiles; tile++) {
          float32x4_t y[TILE_TOKENS][PARTS];
          for (int i = 0; i < TILE_TOKENS * PARTS; i++) y[i / PARTS][i % PARTS] = vdupq_n_f32(0);
          multiply_tile(panel + tile * TILE_ROWS * DECODE_CHUNK, x, count, y);
          store_tile(job, token, row + tile * TILE_ROWS, end, k == 0, y);
        }
      }
    }
  }
}

float multiply_add_peak_neon(int64_t rounds, double *operations) {
  float32x4_t y[16], factor = vdupq_n_f32(0.999f), term = vdupq_n_f32(0.001f);
  for (int k = 0; k < 16; k++) y[k] = vdupq_n_f32((float)k);
  for (int64_t i = 0; i < rounds; i++) {
    for (int k = 0; k < 16; k++) y[k] = vfmaq_f32(term, y[k], factor);
  }
  for (int k = 1; k < 16; k++) y[0] += y[k];
  *operations = (double)rounds * 16 * 8;
  return vgetq_lane_f32(y[0], 0);
}
#endif
