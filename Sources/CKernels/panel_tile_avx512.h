// SPDX-License-Identifier: Apache-2.0
// Weights of 32 rows on their way from panels to products of many tokens.
#ifndef ANPROBE_PANEL_TILE_AVX512_H
#define ANPROBE_PANEL_TILE_AVX512_H
#include "panel_folded_avx512.h"
#include "panel_groups.h"

enum { TILE_ROWS = 32, TILES = 4, CHUNK = 256, TOKENS = 6, MOST_SCALES = CHUNK / 16 };

// 32 rows of a chunk.
typedef struct {
  uint8_t codes[CHUNK / 4][2][64];
  float scales[MOST_SCALES][TILE_ROWS];
  float minima[MOST_SCALES][TILE_ROWS];
} panel_tile;

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

#endif
