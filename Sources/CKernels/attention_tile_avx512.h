// SPDX-License-Identifier: Apache-2.0
// Tiles of 32 cached rows as floats, a position or a column of keys behind the other, for the attention of AVX-512.
#ifndef ANPROBE_ATTENTION_TILE_AVX512_H
#define ANPROBE_ATTENTION_TILE_AVX512_H
#include <immintrin.h>
#include "rows.h"

enum { TILE = 32, LANES = 16 };

// What one query keeps between tiles; offset: where it and its output begin, in floats. A tile's products with it become
// scores and then weights in place.
typedef struct { float largest, total; size_t offset; float scores[TILE]; } query_state;

typedef struct { ck_decoder decode; int64_t elements, bytes; } row_format; // bytes of so many elements

static void decode_f16_avx512(const void *blocks, float *out, int64_t elements) {
  const uint16_t *x = blocks;
  for (int64_t i = 0; i < elements; i += LANES) {
    _mm512_storeu_ps(out + i, _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(x + i))));
  }
}

// Decodes a tile and asks for the rows of the next one, which lie too far apart for the hardware to foresee.
static void decode_tile(const void *rows, const ck_attention *job, int64_t begin, int64_t end, int64_t last,
                        const row_format *format, float *out) {
  size_t row_bytes = (size_t)(job->width / format->elements * format->bytes);
  for (int64_t p = begin; p < end; p++) {
    const uint8_t *row = (const uint8_t *)rows + (size_t)p * job->position_bytes;
    if (p + TILE < last) {
      const char *next = (const char *)row + TILE * job->position_bytes;
      for (size_t line = 0; line < row_bytes; line += 64) _mm_prefetch(next + line, _MM_HINT_T0);
    }
    format->decode(row, out + (p - begin) * job->width, job->width);
  }
}

// Four rows' four floats from `x` on, those of rows 4, 8 and 12 further in the other lanes.
static inline __m512 quarters(const float *x, int64_t stride) {
  __m512 v = _mm512_castps128_ps512(_mm_loadu_ps(x));
  v = _mm512_mask_broadcast_f32x4(v, 0x00f0, _mm_loadu_ps(x + 4 * stride));
  v = _mm512_mask_broadcast_f32x4(v, 0x0f00, _mm_loadu_ps(x + 8 * stride));
  return _mm512_mask_broadcast_f32x4(v, 0xf000, _mm_loadu_ps(x + 12 * stride));
}

// [TILE][width] to [width][TILE].
static void transpose_tile(const float *rows, int64_t width, float *columns) {
  for (int64_t part = 0; part < TILE; part += LANES) {
    for (int64_t k = 0; k < width; k += 4) {
      const float *x = rows + part * width + k;
      __m512 a = quarters(x, width), b = quarters(x + width, width);
      __m512 c = quarters(x + 2 * width, width), d = quarters(x + 3 * width, width);
      __m512 ab_low = _mm512_unpacklo_ps(a, b), ab_high = _mm512_unpackhi_ps(a, b);
      __m512 cd_low = _mm512_unpacklo_ps(c, d), cd_high = _mm512_unpackhi_ps(c, d);
      float *y = columns + k * TILE + part;
      _mm512_storeu_ps(y, _mm512_shuffle_ps(ab_low, cd_low, 0x44));
      _mm512_storeu_ps(y + TILE, _mm512_shuffle_ps(ab_low, cd_low, 0xee));
      _mm512_storeu_ps(y + 2 * TILE, _mm512_shuffle_ps(ab_high, cd_high, 0x44));
      _mm512_storeu_ps(y + 3 * TILE, _mm512_shuffle_ps(ab_high, cd_high, 0xee));
    }
  }
}

#endif
