// SPDX-License-Identifier: Apache-2.0
// Activations in four lanes; the kinds without a vector form go to the portable twin.
#if defined(__aarch64__)
#include "exp_neon.h"
#include "rows_neon.h"

// x · σ(t), as x / (1 + e^−t).
static inline float32x4_t gated(float32x4_t x, float32x4_t t) {
  return vdivq_f32(x, vaddq_f32(vdupq_n_f32(1), exp_neon(vnegq_f32(t))));
}

static inline float32x4_t gelu_tanh(float32x4_t x) {
  float32x4_t inner = vfmaq_f32(vdupq_n_f32(1), vmulq_f32(x, x), vdupq_n_f32(0.044715f));
  return gated(x, vmulq_f32(vmulq_n_f32(x, 1.5957691216f), inner));
}

static inline float32x4_t clamped_swiglu(float32x4_t gate, float32x4_t up) {
  float32x4_t limit = vdupq_n_f32(7);
  gate = vminq_f32(gate, limit);
  up = vmaxq_f32(vminq_f32(up, limit), vnegq_f32(limit));
  return vmulq_f32(gated(gate, vmulq_n_f32(gate, 1.702f)), vaddq_f32(up, vdupq_n_f32(1)));
}

static inline float32x4_t activated(enum ck_activation kind, float32x4_t gate, const float *up) {
  if (kind == CK_CLAMPED_SWIGLU) return clamped_swiglu(gate, vld1q_f32(up));
  float32x4_t y = kind == CK_SILU ? gated(gate, gate) : gelu_tanh(gate);
  return up ? vmulq_f32(y, vld1q_f32(up)) : y;
}

void activate_neon(enum ck_activation kind, const float *gate, const float *up, float *y, int64_t n) {
  int64_t i = 0;
  if (kind == CK_SILU || kind == CK_GELU_TANH || kind == CK_CLAMPED_SWIGLU) {
    for (; i + 3 < n; i += 4) vst1q_f32(y + i, activated(kind, vld1q_f32(gate + i), up ? up + i : 0));
  }
  activate_portable(kind, gate + i, up ? up + i : 0, y + i, n - i);
}

void silu_mul_neon(const float *gate, const float *up, float *y, int64_t n) { activate_neon(CK_SILU, gate, up, y, n); }
#endif
