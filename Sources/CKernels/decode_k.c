// SPDX-License-Identifier: Apache-2.0
// The definition of the 256-element k-quants and ternary formats in portable C.
//
// A k-quant splits its 256 elements into groups of 16 or 32, each with a small integer scale (and minimum) of its own;
// one half-precision scale (and minimum) covers the block: x = scale · group_scale · q − minimum · group_minimum.
#include "decode.h"
#include "half.h"
#include "include/block_formats.h"

void decode_q2_k(const void *blocks, float *out, int64_t elements) {
  const ck_q2_k *block = blocks;
  for (int64_t b = 0; b < elements / 256; b++, block++, out += 256) {
    float scale = half_to_float(block->scale), minimum = half_to_float(block->minimum);
    for (int i = 0; i < 256; i++) {
      int q = block->values[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;
      uint8_t group = block->scales[i / 16];
      float product = scale * (float)(group & 15) * (float)q;
      out[i] = product - minimum * (float)(group >> 4);
    }
  }
}

// Sixteen 6-bit scales in 12 bytes: low nibbles first, then two high bits of four scales in each of the last bytes.
static int q3_k_scale(const uint8_t *scales, int group) {
  int low = group < 8 ? scales[group] & 15 : scales[group - 8] >> 4;
  int high = scales[8 + group % 4] >> (group / 4 * 2) & 3;
  return (low | high << 4) - 32;
}

void decode_q3_k(const void *blocks, float *out, int64_t elements) {
  const ck_q3_k *block = blocks;
  for (int64_t b = 0; b < elements / 256; b++, block++, out += 256) {
    float scale = half_to_float(block->scale);
    for (int i = 0; i < 256; i++) {
      int low = block->values[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;
      int is_high = block->high_bits[i % 32] >> (i / 32) & 1;
      out[i] = scale * (float)q3_k_scale(block->scales, i / 16) * (float)(low - (is_high ? 0 : 4));
    }
  }
}

// Eight 6-bit scales and minima in 12 bytes: the first four of each keep their low six bits in bytes 0-3 and 4-7; the
// last four have their low nibbles in bytes 8-11 and their high bits on top of the first eight bytes.
void unpack_q4_k_scales(const uint8_t *packed, uint8_t *scales, uint8_t *minima) {
  for (int i = 0; i < 4; i++) {
    scales[i] = packed[i] & 63;
    minima[i] = packed[i + 4] & 63;
    scales[i + 4] = (packed[i + 8] & 15) | (packed[i] >> 6) << 4;
    minima[i + 4] = packed[i + 8] >> 4 | (packed[i + 4] >> 6) << 4;
  }
}

void decode_q4_k(const void *blocks, float *out, int64_t elements) {
  const ck_q4_k *block = blocks;
  for (int64_t b = 0; b < elements / 256; b++, block++, out += 256) {
    float scale = half_to_float(block->scale), minimum = half_to_float(block->minimum);
    uint8_t scales[8], minima[8];
    unpack_q4_k_scales(block->scales, scales, minima);
    for (int group = 0; group < 8; group++) {
      const uint8_t *nibbles = block->nibbles + group / 2 * 32;
      int shift = group % 2 * 4;
      float group_scale = scale * (float)scales[group], group_minimum = minimum * (float)minima[group];
      for (int i = 0; i < 32; i++) {
        float product = group_scale * (float)(nibbles[i] >> shift & 15);
        out[group * 32 + i] = product - group_minimum;
      }
    }
  }
}

void decode_q5_k(const void *blocks, float *out, int64_t elements) {
  const ck_q5_k *block = blocks;
  for (int64_t b = 0; b < elements / 256; b++, block++, out += 256) {
    float scale = half_to_float(block->scale), minimum = half_to_float(block->minimum);
    uint8_t scales[8], minima[8];
    unpack_q4_k_scales(block->scales, scales, minima);
    for (int group = 0; group < 8; group++) {
      const uint8_t *nibbles = block->nibbles + group / 2 * 32;
      int shift = group % 2 * 4;
      float group_scale = scale * (float)scales[group], group_minimum = minimum * (float)minima[group];
      for (int i = 0; i < 32; i++) {
        int q = (nibbles[i] >> shift & 15) | (block->high_bits[i] >> group & 1) << 4;
        float product = group_scale * (float)q;
        out[group * 32 + i] = product - group_minimum;
      }
    }
  }
}

void decode_q6_k(const void *blocks, float *out, int64_t elements) {
  const ck_q6_k *block = blocks;
  for (int64_t b = 0; b < elements / 256; b++, block++, out += 256) {
    float scale = half_to_float(block->scale);
    for (int i = 0; i < 256; i++) {
      int half = i / 128, within = i % 128;
      int low = block->nibbles[half * 64 + within % 64] >> (within / 64 * 4) & 15;
      int high = block->high_bits[half * 32 + within % 32] >> (within / 32 * 2) & 3;
      out[i] = scale * (float)block->scales[i / 16] * (float)((low | high << 4) - 32);
    }
  }
}

void decode_q8_k(const void *blocks, float *out, int64_t elements) {
  const ck_q8_k *block = blocks;
  for (int64_t b = 0; b < elements / 256; b++, block++, out += 256) {
    for (int i = 0; i < 256; i++) out[i] = block->scale * (float)block->values[i];
  }
}

// Five ternary digits in a byte: the byte is ⌈digits · 256 / 243⌉, so multiplying by 3^k brings digit k to the top.
static float ternary_digit(uint8_t byte, int position) {
  static const uint8_t powers[5] = {1, 3, 9, 27, 81};
  uint8_t shifted = (uint8_t)(byte * powers[position]);
  return (float)(((uint16_t)shifted * 3 >> 8) - 1);
}

void decode_tq1_0(const void *blocks, float *out, int64_t elements) {
  const ck_tq1_0 *block = blocks;
  for (int64_t b = 0; b < elements / 256; b++, block++, out += 256) {
    float scale = half_to_float(block->scale);
    for (int i = 0; i < 160; i++) out[i] = scale * ternary_digit(block->low[i % 32], i / 32);
    for (int i = 0; i < 80; i++) out[160 + i] = scale * ternary_digit(block->low[32 + i % 16], i / 16);
    for (int i = 0; i < 16; i++) out[240 + i] = scale * ternary_digit(block->high[i % 4], i / 4);
  }
}

void decode_tq2_0(const void *blocks, float *out, int64_t elements) {
  const ck_tq2_0 *block = blocks;
  for (int64_t b = 0; b < elements / 256; b++, block++, out += 256) {
    float scale = half_to_float(block->scale);
    for (int i = 0; i < 256; i++) {
      int q = block->values[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;
      out[i] = scale * (float)(q - 1);
    }
  }
}
