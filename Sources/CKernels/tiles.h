// SPDX-License-Identifier: Apache-2.0
// Tiles of AMX (Intel SDM volume 1, chapter 18) as the kernels use them: eight registers of 16 rows of 64 bytes, all of
// them whole, so that one configuration serves every product. A tile holds 16 × 32 16-bit floats or 16 × 16 floats.
#ifndef ANPROBE_TILES_H
#define ANPROBE_TILES_H
#include <immintrin.h>
#include <stdint.h>

enum {
  TILE_SIDE = 16,                         // rows; floats in a row
  TILE_DEPTH = 32,                        // 16-bit floats in a row: the columns that one product sums
  TILE_STRIDE = 64,                       // bytes of a row
  TILE_BYTES = TILE_SIDE * TILE_STRIDE,
};

typedef struct {
  uint8_t palette, start_row, reserved[14];
  uint16_t row_bytes[16];
  uint8_t rows[16];
} tile_shapes;
_Static_assert(sizeof(tile_shapes) == 64, "the operand of LDTILECFG");

#define TILES_TARGET "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c,amx-tile,amx-bf16"

// A thread's tiles are its own: each job configures them and gives them back, since a thread that holds none costs the
// system no state to save. The process has been granted tiles (amx.c).
static inline __attribute__((target("amx-tile"))) void begin_tiles(void) {
  static const tile_shapes shapes = {
    .palette = 1,
    .row_bytes = {64, 64, 64, 64, 64, 64, 64, 64},
    .rows = {16, 16, 16, 16, 16, 16, 16, 16},
  };
  _tile_loadconfig(&shapes);
}
static inline __attribute__((target("amx-tile"))) void end_tiles(void) { _tile_release(); }

#define TILES_INLINE static inline __attribute__((target(TILES_TARGET), always_inline))

// Instructions on tiles, each with room behind it. Two of them that a core takes up together wait for one another where
// it runs another thread too: four loads and four products took 141 ns without that room, and take 85 with it. A core
// of our own does as well either way, and fewer than seven instructions are too little
// (docs/decisions/0048-room-between-tile-instructions.md).
#define LOAD_TILE(tile, from) (_tile_loadd(tile, from, TILE_STRIDE), leave_room())
#define LOAD_TILE_ONCE(tile, from) (_tile_stream_loadd(tile, from, TILE_STRIDE), leave_room()) // past the first cache
#define STORE_TILE(tile, to, stride) (_tile_stored(tile, to, stride), leave_room())
#define ADD_PRODUCTS(sums, left, right) (_tile_dpbf16ps(sums, left, right), leave_room())
TILES_INLINE void leave_room(void) { __asm__ volatile(".rept 8\n\tnop\n\t.endr"); }

// To the nearest 16-bit float in the upper half, ties away from zero; the lower half is of no use.
TILES_INLINE __m512i rounded(__m512 v) { return _mm512_add_epi32(_mm512_castps_si512(v), _mm512_set1_epi32(0x8000)); }
// The upper halves of two vectors' lanes side by side: the first one's is the lower half.
TILES_INLINE __m512i side_by_side(__m512i first, __m512i second) {
  __m512i upper = _mm512_broadcast_i32x4(_mm_setr_epi32(0x03020302, 0x07060706, 0x0b0a0b0a, 0x0f0e0f0e));
  return _mm512_mask_shuffle_epi8(second, 0x3333333333333333, first, upper);
}

#endif
