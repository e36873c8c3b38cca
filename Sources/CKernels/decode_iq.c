// SPDX-License-Identifier: Apache-2.0
// The definition of the codebook formats (iq1 … iq4_xs) in portable C: groups of eight (iq1, iq2) or four (iq3)
// elements are an index into a codebook, times signs, times a group scale.
#include "codebooks.h"
#include "decode.h"
#include "half.h"
#include "include/block_formats.h"

const int8_t levels_iq2[4] = {8, 25, 43, 0}; // no code is 3
const int8_t levels_iq3_s[8] = {1, 3, 5, 7, 9, 11, 13, 15};
const int8_t levels_iq3_xxs[8] = {4, 12, 20, 28, 36, 44, 52, 62};

static uint32_t word_at(const uint16_t *halves, int index) {
  return (uint32_t)halves[2 * index] | (uint32_t)halves[2 * index + 1] << 16;
}

// Seven stored sign bits; the eighth makes the number of minus signs even.
static uint8_t even_signs(uint32_t seven) {
  uint32_t parity = seven ^ seven >> 4;
  parity ^= parity >> 2;
  parity ^= parity >> 1;
  return (uint8_t)(seven | (parity & 1) << 7);
}

// The sign bits of four numbers for each four stored ones. Read without a branch: signs are as good as random, and a
// processor that guesses them is wrong every second time.
#define SIGN(nibble, i) ((nibble) >> (i) & 1u) << 31
#define SIGNS(nibble) {SIGN(nibble, 0), SIGN(nibble, 1), SIGN(nibble, 2), SIGN(nibble, 3)}
static const uint32_t sign_bits[16][4] = {
  SIGNS(0u), SIGNS(1u), SIGNS(2u),  SIGNS(3u),  SIGNS(4u),  SIGNS(5u),  SIGNS(6u),  SIGNS(7u),
  SIGNS(8u), SIGNS(9u), SIGNS(10u), SIGNS(11u), SIGNS(12u), SIGNS(13u), SIGNS(14u), SIGNS(15u),
};

// A number with the i-th of eight stored signs.
static float with_sign(float value, uint8_t signs, int i) {
  return float_from_bits(bits_of_float(value) ^ sign_bits[signs >> (i & 4) & 15][i & 3]);
}

static void decode_eight(uint16_t entry, uint8_t signs, float scale, float *out) {
  for (int i = 0; i < 8; i++) {
    float value = scale * (float)levels_iq2[entry >> (2 * i) & 3];
    out[i] = with_sign(value, signs, i);
  }
}

void decode_iq2_xxs(const void *blocks, float *out, int64_t elements) {
  const ck_iq2_xxs *block = blocks;
  for (int64_t b = 0; b < elements / 256; b++, block++) {
    float scale = half_to_float(block->scale);
    for (int group = 0; group < 8; group++) {
      uint32_t codes = word_at(block->codes, 2 * group), signs = word_at(block->codes, 2 * group + 1);
      float group_scale = scale * (0.5f + (float)(signs >> 28)) * 0.25f;
      for (int k = 0; k < 4; k++, out += 8) {
        decode_eight(codebook_iq2_xxs[codes >> (8 * k) & 255], even_signs(signs >> (7 * k) & 127), group_scale, out);
      }
    }
  }
}

void decode_iq2_xs(const void *blocks, float *out, int64_t elements) {
  const ck_iq2_xs *block = blocks;
  for (int64_t b = 0; b < elements / 256; b++, block++) {
    float scale = half_to_float(block->scale);
    for (int k = 0; k < 32; k++, out += 8) {
      int nibble = block->scales[k / 4] >> (k / 2 % 2 * 4) & 15;
      float group_scale = scale * (0.5f + (float)nibble) * 0.25f;
      decode_eight(codebook_iq2_xs[block->codes[k] & 511], even_signs(block->codes[k] >> 9), group_scale, out);
    }
  }
}

void decode_iq2_s(const void *blocks, float *out, int64_t elements) {
  const ck_iq2_s *block = blocks;
  for (int64_t b = 0; b < elements / 256; b++, block++) {
    float scale = half_to_float(block->scale);
    for (int k = 0; k < 32; k++, out += 8) {
      int nibble = block->scales[k / 4] >> (k / 2 % 2 * 4) & 15;
      int code = block->codes[k] | (block->high_bits[k / 4] >> (k % 4 * 2) & 3) << 8;
      float group_scale = scale * (0.5f + (float)nibble) * 0.25f;
      decode_eight(codebook_iq2_s[code], block->signs[k], group_scale, out);
    }
  }
}

void decode_iq3_xxs(const void *blocks, float *out, int64_t elements) {
  const ck_iq3_xxs *block = blocks;
  for (int64_t b = 0; b < elements / 256; b++, block++) {
    float scale = half_to_float(block->scale);
    for (int group = 0; group < 8; group++) {
      uint32_t word = word_at(block->signs_and_scales, group);
      float group_scale = scale * (0.5f + (float)(word >> 28)) * 0.5f;
      for (int k = 0; k < 4; k++, out += 8) {
        uint8_t signs = even_signs(word >> (7 * k) & 127);
        for (int i = 0; i < 8; i++) {
          uint16_t entry = codebook_iq3_xxs[block->codes[group * 8 + k * 2 + i / 4]];
          float value = group_scale * (float)levels_iq3_xxs[entry >> (i % 4 * 3) & 7];
          out[i] = with_sign(value, signs, i);
        }
      }
    }
  }
}

void decode_iq3_s(const void *blocks, float *out, int64_t elements) {
  const ck_iq3_s *block = blocks;
  for (int64_t b = 0; b < elements / 256; b++, block++) {
    float scale = half_to_float(block->scale);
    for (int k = 0; k < 32; k++, out += 8) {
      int group = k / 4;
      float group_scale = scale * (float)(1 + 2 * (block->scales[group / 2] >> (group % 2 * 4) & 15));
      int high = block->high_bits[group] >> (k % 4 * 2);
      for (int i = 0; i < 8; i++) {
        uint16_t entry = codebook_iq3_s[block->codes[k * 2 + i / 4] | (high >> (i / 4) & 1) << 8];
        float value = group_scale * (float)levels_iq3_s[entry >> (i % 4 * 3) & 7];
        out[i] = with_sign(value, block->signs[k], i);
      }
    }
  }
}

// Ternary codebook entries, shifted by an eighth in the direction of the group's delta bit.
static void decode_ternary_eight(uint16_t entry, float scale, float delta, float *out) {
  for (int i = 0; i < 8; i++) out[i] = scale * ((float)((entry >> (2 * i) & 3) - 1) + delta);
}

void decode_iq1_s(const void *blocks, float *out, int64_t elements) {
  const ck_iq1_s *block = blocks;
  for (int64_t b = 0; b < elements / 256; b++, block++) {
    float scale = half_to_float(block->scale);
    for (int group = 0; group < 8; group++) {
      uint16_t high = block->high_bits[group];
      float group_scale = scale * (float)(2 * (high >> 12 & 7) + 1);
      float delta = high & 0x8000 ? -0.125f : 0.125f;
      for (int k = 0; k < 4; k++, out += 8) {
        int code = block->codes[group * 4 + k] | (high >> (3 * k) & 7) << 8;
        decode_ternary_eight(codebook_iq1_s[code], group_scale, delta, out);
      }
    }
  }
}

void decode_iq1_m(const void *blocks, float *out, int64_t elements) {
  const ck_iq1_m *block = blocks;
  for (int64_t b = 0; b < elements / 256; b++, block++) {
    const uint16_t *scales = block->scales;
    // The block's half-precision scale is spread over the top nibbles of the four scale words.
    uint16_t spread = (uint16_t)(scales[0] >> 12 | (scales[1] >> 12) << 4 | (scales[2] >> 12) << 8 | (scales[3] & 0xf000));
    float scale = half_to_float(spread);
    for (int k = 0; k < 32; k++, out += 8) {
      int pair = k / 2;
      int nibble = block->high_bits[pair] >> (k % 2 * 4) & 15;
      float group_scale = scale * (float)(2 * (scales[pair / 4] >> (pair % 4 * 3) & 7) + 1);
      int code = block->codes[k] | (nibble & 7) << 8;
      decode_ternary_eight(codebook_iq1_s[code], group_scale, nibble & 8 ? -0.125f : 0.125f, out);
    }
  }
}

void decode_iq4_xs(const void *blocks, float *out, int64_t elements) {
  const ck_iq4_xs *block = blocks;
  for (int64_t b = 0; b < elements / 256; b++, block++) {
    float scale = half_to_float(block->scale);
    for (int group = 0; group < 8; group++, out += 32) {
      int low = block->scales_low[group / 2] >> (group % 2 * 4) & 15;
      int high = block->scales_high >> (2 * group) & 3;
      float group_scale = scale * (float)((low | high << 4) - 32);
      for (int i = 0; i < 16; i++) {
        uint8_t byte = block->nibbles[group * 16 + i];
        out[i] = group_scale * (float)nonlinear_levels[byte & 15];
        out[i + 16] = group_scale * (float)nonlinear_levels[byte >> 4];
      }
    }
  }
}
