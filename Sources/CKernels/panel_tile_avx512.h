// SPDX-License-Identifier: Apache-2.0
// Weights of 32 rows on their way from panels to products of many tokens.
#ifndef ANPROBE_PANEL_TILE_AVX512_H
#define ANPROBE_PANEL_TILE_AVX512_H
#include "panel_folded_avx512.h"
#include "panel_groups.h"
#include "panel_codebooks.h"

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

#define UNPACK(type, format) case type: return unpack(&format, block, groups, side, tile);
static void unpack_panel(int type, const uint8_t *block, int64_t groups, int side, panel_tile *tile) {
  if (type == CK_Q2_K) return unpack(&panel_q2_k_folded, block, groups, side, tile);
  if (type == CK_Q3_K) return unpack(&panel_q3_k_folded, block, groups, side, tile);
  switch (type) {
    EACH_PANEL_FORMAT(UNPACK)
  }
}

#endif
