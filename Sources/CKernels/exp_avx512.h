// SPDX-License-Identifier: Apache-2.0
// Powers of two in sixteen lanes. The whole part of x is left to VSCALEF; 2 to the rest, in [0, 1), is a polynomial of the
// sixth degree, exact at zero, with a relative error below 2^-28 and of 2^-24 with its roundings. Below 2^-64 there is zero:
// beside a largest weight of one the rest is lost in rounding, and denormal numbers would take a hundred cycles each.
#ifndef ANPROBE_EXP_AVX512_H
#define ANPROBE_EXP_AVX512_H
#include <immintrin.h>

static inline __attribute__((target("avx512f,avx512dq"), always_inline)) __m512 exp2_avx512(__m512 x) {
  __m512 rest = _mm512_reduce_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
  __m512 p = _mm512_set1_ps(0x1.c54174p-13f);
  p = _mm512_fmadd_ps(p, rest, _mm512_set1_ps(0x1.46d64cp-10f));
  p = _mm512_fmadd_ps(p, rest, _mm512_set1_ps(0x1.3d0b92p-7f));
  p = _mm512_fmadd_ps(p, rest, _mm512_set1_ps(0x1.c68912p-5f));
  p = _mm512_fmadd_ps(p, rest, _mm512_set1_ps(0x1.ebfd58p-3f));
  p = _mm512_fmadd_ps(p, rest, _mm512_set1_ps(0x1.62e42cp-1f));
  p = _mm512_fmadd_ps(p, rest, _mm512_set1_ps(1.0f));
  return _mm512_maskz_scalef_ps(_mm512_cmp_ps_mask(x, _mm512_set1_ps(-64), _CMP_NLT_UQ), p, x);
}
#endif
