// SPDX-License-Identifier: Apache-2.0
// The integer products of NEON: each lane of 32 bits gains four products of signed bytes. A loop takes one of them as
// a constant argument, so that it is written once and compiled for each extension.
#ifndef ANPROBE_DOTS_NEON_H
#define ANPROBE_DOTS_NEON_H
#include <arm_neon.h>

// Both compilers' spelling; GCC wants the architecture named as well.
#define CK_DOTPROD __attribute__((target("arch=armv8.2-a+dotprod")))
#define CK_I8MM __attribute__((target("arch=armv8.2-a+dotprod+i8mm")))
#define CK_INLINE static inline __attribute__((always_inline))

typedef int32x4_t (*quad_dot)(int32x4_t sum, int8x16_t a, int8x16_t b);

// Armv8.0. Two products are added in 16 bits: a reaches −128, b is an input's ±127, and 2 · 128 · 127 < 2^15.
static inline int32x4_t dot_widening(int32x4_t sum, int8x16_t a, int8x16_t b) {
  int16x8_t low = vmull_s8(vget_low_s8(a), vget_low_s8(b)), high = vmull_high_s8(a, b);
  return vpadalq_s16(sum, vpaddq_s16(low, high));
}

// FEAT_DotProd.
CK_DOTPROD static inline int32x4_t dot_quads(int32x4_t sum, int8x16_t a, int8x16_t b) { return vdotq_s32(sum, a, b); }

#endif
