// SPDX-License-Identifier: Apache-2.0
// The definition of the plain and the 32-element formats: x = scale · q (+ minimum), in portable C.
#include "decode.h"
#include "half.h"
#include "include/block_formats.h"

void decode_f32(const void *blocks, float *out, int64_t elements) { memcpy(out, blocks, (size_t)elements * 4); }

void decode_f16(const void *blocks, float *out, int64_t elements) {
  const uint16_t *x = blocks;
  for (int64_t i = 0; i < elements; i++) out[i] = half_to_float(x[i]);
}

void decode_bf16(const void *blocks, float *out, int64_t elements) {
  const uint16_t *x = blocks;
  for (int64_t i = 0; i < elements; i++) out[i] = float_from_bits((uint32_t)x[i] << 16);
}

void decode_q4_0(const void *blocks, float *out, int64_t elements) {
  const ck_q4_0 *block = blocks;
  for (int64_t b = 0; b < elements / 32; b++, block++, out += 32) {
    float scale = half_to_float(block->scale);
    for (int i = 0; i < 16; i++) {
      out[i] = (float)((block->nibbles[i] & 15) - 8) * scale;
      out[i + 16] = (float)((block->nibbles[i] >> 4) - 8) * scale;
    }
  }
}

void decode_q4_1(const void *blocks, float *out, int64_t elements) {
  const ck_q4_1 *block = blocks;
  for (int64_t b = 0; b < elements / 32; b++, block++, out += 32) {
    float scale = half_to_float(block->scale), minimum = half_to_float(block->minimum);
    for (int i = 0; i < 16; i++) {
      float low = scale * (float)(block->nibbles[i] & 15);
      float high = scale * (float)(block->nibbles[i] >> 4);
      out[i] = low + minimum;
      out[i + 16] = high + minimum;
    }
  }
}

static uint32_t fifth_bits(const uint8_t *high_bits) {
  uint32_t bits;
  memcpy(&bits, high_bits, sizeof bits);
  return bits;
}

void decode_q5_0(const void *blocks, float *out, int64_t elements) {
  const ck_q5_0 *block = blocks;
  for (int64_t b = 0; b < elements / 32; b++, block++, out += 32) {
    float scale = half_to_float(block->scale);
    uint32_t high = fifth_bits(block->high_bits);
    for (int i = 0; i < 16; i++) {
      int low = (block->nibbles[i] & 15) | (int)(high >> i & 1) << 4;
      int upper = block->nibbles[i] >> 4 | (int)(high >> (i + 16) & 1) << 4;
      out[i] = scale * (float)(low - 16);
      out[i + 16] = scale * (float)(upper - 16);
    }
  }
}

void decode_q5_1(const void *blocks, float *out, int64_t elements) {
  const ck_q5_1 *block = blocks;
  for (int64_t b = 0; b < elements / 32; b++, block++, out += 32) {
    float scale = half_to_float(block->scale), minimum = half_to_float(block->minimum);
    uint32_t high = fifth_bits(block->high_bits);
    for (int i = 0; i < 16; i++) {
      int low = (block->nibbles[i] & 15) | (int)(high >> i & 1) << 4;
      int upper = block->nibbles[i] >> 4 | (int)(high >> (i + 16) & 1) << 4;
      float product = scale * (float)low, upper_product = scale * (float)upper;
      out[i] = product + minimum;
      out[i + 16] = upper_product + minimum;
    }
  }
}

void decode_q8_0(const void *blocks, float *out, int64_t elements) {
  const ck_q8_0 *block = blocks;
  for (int64_t b = 0; b < elements / 32; b++, block++, out += 32) {
    float scale = half_to_float(block->scale);
    for (int i = 0; i < 32; i++) out[i] = (float)block->values[i] * scale;
  }
}

void decode_q8_1(const void *blocks, float *out, int64_t elements) {
  const ck_q8_1 *block = blocks;
  for (int64_t b = 0; b < elements / 32; b++, block++, out += 32) {
    float scale = half_to_float(block->scale);
    for (int i = 0; i < 32; i++) out[i] = (float)block->values[i] * scale;
  }
}

// Four-bit codes into a fixed table of levels that are denser near zero.
const int8_t nonlinear_levels[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

void decode_iq4_nl(const void *blocks, float *out, int64_t elements) {
  const ck_iq4_nl *block = blocks;
  for (int64_t b = 0; b < elements / 32; b++, block++, out += 32) {
    float scale = half_to_float(block->scale);
    for (int i = 0; i < 16; i++) {
      out[i] = scale * (float)nonlinear_levels[block->nibbles[i] & 15];
      out[i + 16] = scale * (float)nonlinear_levels[block->nibbles[i] >> 4];
    }
  }
}

// E2M1 floats, doubled so that they are whole (OCP Microscaling Formats 1.0); the scale below is halved in return.
const int8_t e2m1_doubled[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

// 2^(exponent - 128): a power of two from its biased exponent, subnormal for the two smallest.
static float half_of_power(uint8_t exponent) {
  return float_from_bits(exponent < 2 ? 0x00200000u << exponent : (uint32_t)(exponent - 1) << 23);
}

void decode_mxfp4(const void *blocks, float *out, int64_t elements) {
  const ck_mxfp4 *block = blocks;
  for (int64_t b = 0; b < elements / 32; b++, block++, out += 32) {
    float scale = half_of_power(block->exponent);
    for (int i = 0; i < 16; i++) {
      out[i] = scale * (float)e2m1_doubled[block->nibbles[i] & 15];
      out[i + 16] = scale * (float)e2m1_doubled[block->nibbles[i] >> 4];
    }
  }
}
