// SPDX-License-Identifier: Apache-2.0
// Products of many tokens over panels for AVX-512 VNNI.
//
//   for each 128 rows, for each chunk of 256 columns:
//     unpack the rows' chunk to bytes of two panels side by side, and its scales to floats (12 KiB for 32 rows)
//     for each group of 6 tokens, for each 32 rows: 12 registers of integer sums of one scale, 12 of float sums
// A group's records come from the second or third cache while the group before them is multiplied, and serve 128 rows.
// A format is only its unpacking: the products are four loops, by scales and minima. The sums of a chunk are added to y.
#if defined(__x86_64__)
#include <string.h>
#include "panels.h"

#pragma clang attribute push(                                                                 \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c"))), apply_to = function)

#include "panel_folded_avx512.h"
#include "panel_groups.h"

enum { TILE_ROWS = 32, TILES = 4, CHUNK = 256, TOKENS = 6, MOST_SCALES = CHUNK / 16 };

// 32 rows of a chunk.
typedef struct {
  uint8_t codes[CHUNK / 4][2][64];
  float scales[MOST_SCALES][TILE_ROWS];
  float minima[MOST_SCALES][TILE_ROWS];
} panel_tile;

_Static_assert(TILES * sizeof(panel_tile) <= GEMM_SCRATCH_BYTES, "the plan's scratch holds the tiles");

// One panel's chunk into its half of a tile.
static inline __attribute__((always_inline)) void unpack(
    const panel_format *format, const uint8_t *block, int64_t groups, int side, panel_tile *tile) {
  int in_block = format->elements / 32;
  for (int64_t first = 0; first < groups; first += in_block, block += format->bytes * CK_PANEL_ROWS) {
#pragma clang loop unroll(full)
    for (int g = 0; g < in_block; g++) {
      vec w[8];
      floats scale[2], minimum[2];
      format->codes(block, g, w);
      format->scales(block, g, scale, minimum);
      for (int j = 0; j < 8; j++) _mm512_store_si512(tile->codes[(first + g) * 8 + j][side], w[j]);
      for (int half = 0; half < format->halves; half++) {
        _mm512_store_ps(tile->scales[(first + g) * format->halves + half] + side * 16, scale[half]);
      }
      for (int half = 0; half < format->has_minima; half++) {
        _mm512_store_ps(tile->minima[(first + g) * format->has_minima + half] + side * 16, minimum[half]);
      }
    }
  }
}

static void unpack_panel(int type, const uint8_t *block, int64_t groups, int side, panel_tile *tile) {
  switch (type) {
    case CK_Q8_0: return unpack(&panel_q8_0, block, groups, side, tile);
    case CK_Q4_0: return unpack(&panel_q4_0, block, groups, side, tile);
    case CK_Q4_1: return unpack(&panel_q4_1, block, groups, side, tile);
    case CK_Q5_0: return unpack(&panel_q5_0, block, groups, side, tile);
    case CK_Q5_1: return unpack(&panel_q5_1, block, groups, side, tile);
    case CK_IQ4_NL: return unpack(&panel_iq4_nl, block, groups, side, tile);
    case CK_MXFP4: return unpack(&panel_mxfp4, block, groups, side, tile);
    case CK_Q2_K: return unpack(&panel_q2_k_folded, block, groups, side, tile);
    case CK_Q3_K: return unpack(&panel_q3_k_folded, block, groups, side, tile);
    case CK_Q4_K: return unpack(&panel_q4_k, block, groups, side, tile);
    case CK_Q5_K: return unpack(&panel_q5_k, block, groups, side, tile);
    case CK_Q6_K: return unpack(&panel_q6_k, block, groups, side, tile);
    case CK_IQ4_XS: return unpack(&panel_iq4_xs, block, groups, side, tile);
    case CK_INT4_G32: return unpack(&panel_int4_g32, block, groups, side, tile);
    case CK_INT4_G64: return unpack(&panel_int4_g64, block, groups, side, tile);
    case CK_INT4_G128: return unpack(&panel_int4_g128, block, groups, side, tile);
    case CK_UINT8_G32: return unpack(&panel_uint8_g32, block, groups, side, tile);
    case CK_UINT8_G128: return unpack(&panel_uint8_g128, block, groups, side, tile);
    case CK_INT8_G128: return unpack(&panel_int8_g128, block, groups, side, tile);
    case CK_NF4: return unpack(&panel_nf4, block, groups, side, tile);
    case CK_FP4: return unpack(&panel_fp4, block, groups, side, tile);
  }
}

static inline vec broadcast(int32_t value) { return _mm512_set1_epi32(value); }
static inline floats broadcast_float(int32_t bits) { return _mm512_castsi512_ps(_mm512_set1_epi32(bits)); }

// The next group's record of the same columns, while this one is used.
static inline void prefetch_record(const int32_t *record) {
  for (int i = 0; i < CK_RECORD_WORDS * TOKENS; i += 16) _mm_prefetch((const char *)(record + i), _MM_HINT_T0);
}

// 32 rows times a group of tokens, one scale's columns at a time. `ahead` is the distance to the next group's record.
static inline __attribute__((always_inline)) void multiply(
    const panel_tile *tile, const int32_t *record, int64_t groups, int64_t ahead, int halves, int minima,
    floats sums[TOKENS][2]) {
  for (int64_t part = 0; part < groups * halves; part++) {
    int half = halves == 2 ? (int)(part & 1) : 0;
    int offset = halves == 1 ? 4 : 5 + half;
    int64_t quads = 8 / halves;
    const int32_t *values = record + (7 + half * 4) * TOKENS;
    vec dots[TOKENS][2];
    if (half == 0) prefetch_record(record + ahead);
#pragma clang loop unroll(full)
    for (int t = 0; t < TOKENS; t++) {
      dots[t][0] = dots[t][1] = minima ? _mm512_setzero_si512() : broadcast(record[offset * TOKENS + t]);
    }
    for (int64_t j = 0; j < quads; j++) {
      vec low = _mm512_load_si512(tile->codes[part * quads + j][0]), high = _mm512_load_si512(tile->codes[part * quads + j][1]);
#pragma clang loop unroll(full)
      for (int t = 0; t < TOKENS; t++) {
        vec q = broadcast(values[j * TOKENS + t]);
        dots[t][0] = _mm512_dpbusd_epi32(dots[t][0], low, q);
        dots[t][1] = _mm512_dpbusd_epi32(dots[t][1], high, q);
      }
    }
    for (int side = 0; side < 2; side++) {
      floats scale = _mm512_load_ps(tile->scales[part] + side * 16);
#pragma clang loop unroll(full)
      for (int t = 0; t < TOKENS; t++) {
        floats factor = times(scale, broadcast_float(record[t]));
        sums[t][side] = _mm512_fmadd_ps(factor, to_floats(dots[t][side]), sums[t][side]);
      }
#pragma clang loop unroll(full)
      for (int m = 0; m < minima; m++) {
        floats minimum = _mm512_load_ps(tile->minima[part * minima + m] + side * 16);
        int line = minima == 1 ? 1 : 2 + m;
#pragma clang loop unroll(full)
        for (int t = 0; t < TOKENS; t++) {
          sums[t][side] = _mm512_fmadd_ps(minimum, broadcast_float(record[line * TOKENS + t]), sums[t][side]);
        }
      }
    }
    if (half == halves - 1) record += CK_RECORD_WORDS * TOKENS;
  }
}

static void multiply_tile(const ck_panel_job *job, const panel_tile *tile, const int32_t *records, int64_t groups,
                          floats sums[TOKENS][2]) {
  int64_t ahead = job->columns / 32 * CK_RECORD_WORDS * TOKENS;
  switch (job->type) {
    case CK_Q4_1: case CK_Q5_1: case CK_Q4_K: case CK_Q5_K:
    case CK_INT4_G32: case CK_INT4_G64: case CK_INT4_G128: case CK_UINT8_G32: case CK_UINT8_G128:
      return multiply(tile, records, groups, ahead, 1, 1, sums);
    case CK_Q6_K: return multiply(tile, records, groups, ahead, 2, 0, sums);
    case CK_Q2_K: return multiply(tile, records, groups, ahead, 1, 2, sums);
    default: return multiply(tile, records, groups, ahead, 1, 0, sums);
  }
}

// Rows of a tile that the job has: the last tile may hold one panel.
static void store_tile(const ck_panel_job *job, int64_t token, int64_t row, int64_t end, int is_first,
                       floats sums[TOKENS][2]) {
  for (int t = 0; t < TOKENS && token + t < job->tokens; t++) {
    for (int side = 0; side < 2 && row + side * 16 < end; side++) {
      float *y = job->y + (token + t) * job->y_stride + row + side * 16;
      _mm512_storeu_ps(y, is_first ? sums[t][side] : _mm512_add_ps(_mm512_loadu_ps(y), sums[t][side]));
    }
  }
}

static void multiply_chunk(const ck_panel_job *job, int64_t row, int64_t end, int64_t k, int64_t groups,
                           const panel_tile *tiles) {
  int64_t records = job->columns / 32 * CK_RECORD_WORDS;
  for (int64_t token = 0; token < job->tokens; token += TOKENS) {
    for (int64_t tile = 0; tile < TILES && row + tile * TILE_ROWS < end; tile++) {
      const int32_t *record = (const int32_t *)job->input + token * records + k / 32 * CK_RECORD_WORDS * TOKENS;
      floats sums[TOKENS][2];
      for (int t = 0; t < TOKENS; t++) sums[t][0] = sums[t][1] = _mm512_setzero_ps();
      multiply_tile(job, tiles + tile, record, groups, sums);
      store_tile(job, token, row + tile * TILE_ROWS, end, k == 0, sums);
    }
  }
}

void panel_gemm_avx512(const ck_panel_job *job, int64_t begin, int64_t end) {
  if (ck_panel_input(job->type) == CK_INPUT_F32) return gemm_panels_avx512(job, begin, end);
  panel_tile *tiles = job->scratch;
  int64_t elements = ck_block_elements(job->type), bytes = ck_block_bytes(job->type);
  int64_t panel_bytes = job->columns / elements * bytes * CK_PANEL_ROWS;
  for (int64_t row = begin; row < end; row += TILES * TILE_ROWS) {
    for (int64_t k = 0; k < job->columns; k += CHUNK) {
      int64_t groups = (job->columns - k < CHUNK ? job->columns - k : CHUNK) / 32;
      for (int64_t panel = 0; panel < TILES * 2 && row + panel * CK_PANEL_ROWS < end; panel++) {
        const uint8_t *start = (const uint8_t *)job->panels + (row / CK_PANEL_ROWS + panel) * panel_bytes;
        unpack_panel(job->type, start + k / elements * bytes * CK_PANEL_ROWS, groups, (int)(panel & 1), tiles + panel / 2);
      }
      multiply_chunk(job, row, end, k, groups, tiles);
    }
  }
}

#pragma clang attribute pop
#endif
