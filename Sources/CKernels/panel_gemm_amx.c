// SPDX-License-Identifier: Apache-2.0
// Products of many tokens over panels for AMX: both sides are rounded to 16-bit floats (bf16), sums have 32 bits.
//
//   for each 128 rows, for each 512 tokens, for each chunk of 512 columns:
//     unpack the rows' chunk to tiles: pair i of 32 columns of sixteen rows is row i of a tile (128 KiB: second cache)
//     for each 32 tokens (32 KiB: first cache), for each 32 rows: four tiles of sums, for each 32 columns four products
// The sums of a chunk wait in the scratch in the order of tiles, never strided over y. A format is only its unpacking:
// scales are in the weights, so that no sum is scaled. Rows and tokens that a block lacks are those of its first half
// again, and nobody reads their sums.
#if defined(__x86_64__)
#include "panels.h"
#include "tiles.h"

#pragma clang attribute push(__attribute__((target(TILES_TARGET))), apply_to = function)

#include "panel_words_avx512.h"
#include "panel_formats.h"
#include "panel_groups.h"
#include "panel_fp8.h"

enum {
  BLOCK_ROWS = 128, BLOCK_TOKENS = 512, CHUNK = 512, PAIR = 2 * TILE_SIDE,
  PANELS = BLOCK_ROWS / CK_PANEL_ROWS,
  STEPS = CHUNK / TILE_DEPTH,
  QUAD_FLOATS = PAIR * PAIR, // sums of 32 tokens and 32 rows: four tiles
};

typedef struct {
  uint8_t weights[PANELS][STEPS][TILE_BYTES];
  float sums[BLOCK_TOKENS / PAIR][BLOCK_ROWS / PAIR][QUAD_FLOATS];
} tile_scratch;
_Static_assert(sizeof(tile_scratch) == TILES_SCRATCH_BYTES, "the plan's scratch holds a block");

// Neighbouring columns of sixteen rows, each rounded: the earlier one is the lower half.
static inline vec pair(floats even, floats odd) { return side_by_side(rounded(even), rounded(odd)); }

// Four columns of sixteen rows to two rows of a tile.
static inline void store_codes(vec codes, floats scale, floats minimum, uint8_t *tile) {
  floats column[4];
#pragma clang loop unroll(full)
  for (int i = 0; i < 4; i++) {
    vec code = i == 3 ? lane_shifted(codes, 24) : lane_bits(lane_shifted(codes, 8 * i), 255);
    column[i] = _mm512_fmadd_ps(scale, to_floats(code), minimum);
  }
  _mm512_store_si512(tile, pair(column[0], column[1]));
  _mm512_store_si512(tile + TILE_STRIDE, pair(column[2], column[3]));
}

// One panel's chunk of quantised columns.
static inline __attribute__((always_inline)) void unpack(
    const panel_format *format, const uint8_t *block, int64_t steps, uint8_t *tile) {
  int in_block = format->elements / 32;
  for (int64_t first = 0; first < steps; first += in_block, block += format->bytes * CK_PANEL_ROWS) {
#pragma clang loop unroll(full)
    for (int g = 0; g < in_block; g++, tile += TILE_BYTES) {
      vec w[8];
      floats scale[2], minimum[2];
      format->codes(block, g, w);
      format->scales(block, g, scale, minimum);
      for (int half = 0; half < format->halves; half++) {
        if (!format->has_minima) minimum[half] = times(scale[half], _mm512_set1_ps(-128));
      }
#pragma clang loop unroll(full)
      for (int j = 0; j < 8; j++) {
        int half = format->halves == 2 ? j / 4 : 0;
        store_codes(w[j], scale[half], minimum[half], tile + j * 2 * TILE_STRIDE);
      }
    }
  }
}

// 16-bit floats of either kind: two columns of sixteen rows lie side by side.
static void unpack_halves(int type, const uint8_t *panel, int64_t steps, uint8_t *tile) {
  for (int64_t i = 0; i < steps * TILE_SIDE; i++, panel += 2 * HALF_BYTES, tile += TILE_STRIDE) {
    if (type == CK_F16) {
      _mm512_store_si512(tile, pair(halves_at(panel), halves_at(panel + HALF_BYTES)));
    } else {
      vec even = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)panel));
      vec odd = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(panel + HALF_BYTES)));
      _mm512_store_si512(tile, either(even, lane_shifted_left(odd, 16)));
    }
  }
}

static void unpack_fp8(const uint8_t *block, int64_t steps, uint8_t *tile) {
  for (int64_t i = 0; i < steps * TILE_SIDE; i++, tile += TILE_STRIDE) {
    int64_t column = i * 2 % FP8_COLUMNS;
    if (i && column == 0) block += FP8_BYTES * CK_PANEL_ROWS;
    floats scale = halves_at(block);
    _mm512_store_si512(tile, pair(times(fp8_at(block, column), scale), times(fp8_at(block, column + 1), scale)));
  }
}

static void unpack_panel(int type, const uint8_t *block, int64_t steps, uint8_t *tile) {
  switch (type) {
    case CK_F16: case CK_BF16: return unpack_halves(type, block, steps, tile);
    case CK_FP8: return unpack_fp8(block, steps, tile);
    case CK_Q8_0: return unpack(&panel_q8_0, block, steps, tile);
    case CK_Q4_0: return unpack(&panel_q4_0, block, steps, tile);
    case CK_Q4_1: return unpack(&panel_q4_1, block, steps, tile);
    case CK_Q5_0: return unpack(&panel_q5_0, block, steps, tile);
    case CK_Q5_1: return unpack(&panel_q5_1, block, steps, tile);
    case CK_IQ4_NL: return unpack(&panel_iq4_nl, block, steps, tile);
    case CK_MXFP4: return unpack(&panel_mxfp4, block, steps, tile);
    case CK_Q2_K: return unpack(&panel_q2_k, block, steps, tile);
    case CK_Q3_K: return unpack(&panel_q3_k, block, steps, tile);
    case CK_Q4_K: return unpack(&panel_q4_k, block, steps, tile);
    case CK_Q5_K: return unpack(&panel_q5_k, block, steps, tile);
    case CK_Q6_K: return unpack(&panel_q6_k, block, steps, tile);
    case CK_IQ4_XS: return unpack(&panel_iq4_xs, block, steps, tile);
    case CK_INT4_G32: return unpack(&panel_int4_g32, block, steps, tile);
    case CK_INT4_G64: return unpack(&panel_int4_g64, block, steps, tile);
    case CK_INT4_G128: return unpack(&panel_int4_g128, block, steps, tile);
    case CK_UINT8_G32: return unpack(&panel_uint8_g32, block, steps, tile);
    case CK_UINT8_G128: return unpack(&panel_uint8_g128, block, steps, tile);
    case CK_INT8_G128: return unpack(&panel_int8_g128, block, steps, tile);
    case CK_NF4: return unpack(&panel_nf4, block, steps, tile);
    case CK_FP4: return unpack(&panel_fp4, block, steps, tile);
  }
}

// Sixteen tokens' columns, each token a row: TILE_BYTES for every 32 columns.
void make_tiles_amx(const float *x, int64_t stride, int64_t tokens, int64_t columns, uint16_t *tiles) {
  for (int64_t k = 0; k < columns; k += TILE_DEPTH, tiles += TILE_BYTES / 2) {
    for (int64_t t = 0; t < TILE_SIDE; t++) {
      const float *row = x + t * stride + k;
      for (int64_t half = 0; half < 2; half++) {
        floats v = t < tokens ? _mm512_loadu_ps(row + half * 16) : _mm512_setzero_ps();
        __m256i bits = _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded(v), 16));
        _mm256_storeu_si256((__m256i *)(tiles + t * TILE_DEPTH + half * 16), bits);
      }
    }
  }
}

// 32 tokens times 32 rows: tokens in tiles 4 and 5, rows in 6 and 7.
static inline void multiply_quad(const uint8_t *tokens[2], const uint8_t *rows[2], int64_t steps, int is_first,
                                 float *sums) {
  float *low = sums + QUAD_FLOATS / 4, *next = sums + QUAD_FLOATS / 2, *last = next + QUAD_FLOATS / 4;
  if (is_first) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  } else {
    _tile_loadd(0, sums, TILE_STRIDE);
    _tile_loadd(1, low, TILE_STRIDE);
    _tile_loadd(2, next, TILE_STRIDE);
    _tile_loadd(3, last, TILE_STRIDE);
  }
  for (int64_t at = 0; at < steps * TILE_BYTES; at += TILE_BYTES) {
    _tile_loadd(6, rows[0] + at, TILE_STRIDE);
    _tile_loadd(4, tokens[0] + at, TILE_STRIDE);
    _tile_loadd(7, rows[1] + at, TILE_STRIDE);
    _tile_loadd(5, tokens[1] + at, TILE_STRIDE);
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_stored(0, sums, TILE_STRIDE);
  _tile_stored(1, low, TILE_STRIDE);
  _tile_stored(2, next, TILE_STRIDE);
  _tile_stored(3, last, TILE_STRIDE);
}

// A block's tokens times its rows' chunk.
static void multiply_chunk(const ck_panel_job *job, int64_t token, int64_t tokens, int64_t panels, int64_t k,
                           int64_t steps, tile_scratch *scratch) {
  int64_t group_bytes = job->columns * TILE_SIDE * 2;
  for (int64_t t = 0; t < tokens; t += PAIR) {
    const uint8_t *input = (const uint8_t *)job->input + (token + t) / TILE_SIDE * group_bytes + k * TILE_SIDE * 2;
    const uint8_t *groups[2] = {input, tokens - t > TILE_SIDE ? input + group_bytes : input};
    for (int64_t p = 0; p < panels; p += 2) {
      const uint8_t *rows[2] = {scratch->weights[p][0], scratch->weights[p + 1 < panels ? p + 1 : p][0]};
      multiply_quad(groups, rows, steps, k == 0, scratch->sums[t / PAIR][p / 2]);
    }
  }
}

// The sums of a block to their places.
static void store_sums(const ck_panel_job *job, int64_t token, int64_t tokens, int64_t row, int64_t panels,
                       const tile_scratch *scratch) {
  for (int64_t t = 0; t < tokens; t++) {
    float *y = job->y + (token + t) * job->y_stride + row;
    for (int64_t p = 0; p < panels; p++) {
      int64_t tile = t % PAIR / TILE_SIDE * 2 + p % 2;
      const float *sums = scratch->sums[t / PAIR][p / 2] + tile * (QUAD_FLOATS / 4) + t % TILE_SIDE * TILE_SIDE;
      _mm512_storeu_ps(y + p * CK_PANEL_ROWS, _mm512_loadu_ps(sums));
    }
  }
}

void panel_tiles_amx(const ck_panel_job *job, int64_t begin, int64_t end) {
  tile_scratch *scratch = job->scratch;
  int64_t elements = ck_block_elements(job->type), bytes = ck_block_bytes(job->type) * CK_PANEL_ROWS;
  int64_t panel_bytes = job->columns / elements * bytes;
  begin_tiles();
  for (int64_t row = begin; row < end; row += BLOCK_ROWS) {
    int64_t panels = (end - row < BLOCK_ROWS ? end - row : BLOCK_ROWS) / CK_PANEL_ROWS;
    const uint8_t *first = (const uint8_t *)job->panels + row / CK_PANEL_ROWS * panel_bytes;
    for (int64_t token = 0; token < job->tokens; token += BLOCK_TOKENS) {
      int64_t tokens = job->tokens - token < BLOCK_TOKENS ? job->tokens - token : BLOCK_TOKENS;
      for (int64_t k = 0; k < job->columns; k += CHUNK) {
        int64_t steps = (job->columns - k < CHUNK ? job->columns - k : CHUNK) / TILE_DEPTH;
        for (int64_t p = 0; p < panels; p++) {
          unpack_panel(job->type, first + p * panel_bytes + k / elements * bytes, steps, scratch->weights[p][0]);
        }
        multiply_chunk(job, token, tokens, panels, k, steps, scratch);
      }
      store_sums(job, token, tokens, row, panels, scratch);
    }
  }
  end_tiles();
}

// 8,192 multiply-adds an instruction, on four chains of sums: the ceiling of every product by tiles.
float tile_peak_amx(int64_t rounds, double *operations) {
  float sums[TILE_SIDE * TILE_SIDE];
  for (int i = 0; i < TILE_SIDE * TILE_SIDE; i++) sums[i] = 0.0009765625f; // as pairs of 16-bit floats: 2^-10 and 0
  begin_tiles();
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_loadd(4, sums, TILE_STRIDE);
  _tile_loadd(5, sums, TILE_STRIDE);
  for (int64_t i = 0; i < rounds; i++) {
    _tile_dpbf16ps(0, 4, 5);
    _tile_dpbf16ps(1, 4, 5);
    _tile_dpbf16ps(2, 4, 5);
    _tile_dpbf16ps(3, 4, 5);
  }
  _tile_stored(0, sums, TILE_STRIDE);
  end_tiles();
  *operations = (double)rounds * 4 * 2 * TILE_SIDE * TILE_SIDE * TILE_DEPTH;
  return sums[0];
}

#pragma clang attribute pop
#endif
