// SPDX-License-Identifier: Apache-2.0
// IEEE 754 half precision in plain C.
#ifndef ANPROBE_HALF_H
#define ANPROBE_HALF_H
#include <stdint.h>
#include <string.h>

static inline float float_from_bits(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static inline uint32_t bits_of_float(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

// Exact for every half: normals shift into place, subnormals are a multiple of 2^-24, infinities and NaNs keep theirs.
static inline float half_to_float(uint16_t half) {
  uint32_t sign = (uint32_t)(half & 0x8000) << 16;
  uint32_t exponent = (half >> 10) & 0x1f;
  uint32_t fraction = half & 0x3ff;
  if (exponent == 0) {
    float magnitude = (float)fraction * 5.9604644775390625e-8f;
    return float_from_bits(bits_of_float(magnitude) | sign);
  }
  uint32_t wide = exponent == 31 ? 255 : exponent + 112;
  return float_from_bits(sign | wide << 23 | fraction << 13);
}

// Rounds to nearest, ties to even, as the hardware's conversion does.
static inline uint16_t float_to_half(float value) {
  uint32_t bits = bits_of_float(value);
  uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
  uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude >= 0x7f800000) { // infinity or NaN (kept quiet)
    return sign | (magnitude > 0x7f800000 ? (uint16_t)(0x7e00 | (magnitude >> 13 & 0x3ff)) : 0x7c00);
  }
  if (magnitude >= 0x477ff000) return sign | 0x7c00; // rounds above the largest half
  if (magnitude < 0x38800000) {                      // subnormal: count units of 2^-24
    float units = float_from_bits(magnitude) * 16777216.0f;
    uint32_t whole = (uint32_t)units;
    float rest = units - (float)whole;
    whole += rest > 0.5f || (rest == 0.5f && (whole & 1));
    return sign | (uint16_t)whole;
  }
  uint32_t rounded = magnitude + 0xfff + (magnitude >> 13 & 1);
  return sign | (uint16_t)((rounded - 0x38000000) >> 13);
}

#endif
