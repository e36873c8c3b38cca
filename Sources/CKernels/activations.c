// SPDX-License-Identifier: Apache-2.0
// Activations, norms and small sums that no instruction set needs a row of its own for.
#include "rows.h"

static float silu(float x) { return x / (1.0f + expf(-x)); }

// x / 2 · (1 + tanh u) = x · σ(2u) with u = √(2/π) · (x + 0.044715 x³).
static float gelu_tanh(float x) { return x / (1.0f + expf(-1.5957691216f * (x + 0.044715f * x * x * x))); }

static float gelu(float x) { return 0.5f * x * (1.0f + erff(x * 0.7071067812f)); }

static float clamped(float x, float low, float high) { return x < low ? low : x > high ? high : x; }

static float activated(enum ck_activation kind, float x) {
  switch (kind) {
    case CK_SILU: return silu(x);
    case CK_GELU_TANH: return gelu_tanh(x);
    case CK_GELU: return gelu(x);
    case CK_RELU: return x > 0 ? x : 0;
    case CK_SQUARED_RELU: return x > 0 ? x * x : 0;
    default: return x;
  }
}

static float clamped_swiglu(float gate, float up) {
  gate = gate > 7.0f ? 7.0f : gate;
  return gate / (1.0f + expf(-1.702f * gate)) * (clamped(up, -7.0f, 7.0f) + 1.0f);
}

void activate_portable(enum ck_activation kind, const float *gate, const float *up, float *y, int64_t n) {
  if (kind == CK_CLAMPED_SWIGLU) {
    for (int64_t i = 0; i < n; i++) y[i] = clamped_swiglu(gate[i], up[i]);
  } else if (up) {
    for (int64_t i = 0; i < n; i++) y[i] = activated(kind, gate[i]) * up[i];
  } else {
    for (int64_t i = 0; i < n; i++) y[i] = activated(kind, gate[i]);
  }
}

void ck_layer_norm(const float *x, const float *weight, const float *bias, float *y, int64_t n, float epsilon) {
  double sum = 0, squares = 0;
  for (int64_t i = 0; i < n; i++) sum += (double)x[i];
  double mean = sum / (double)n;
  for (int64_t i = 0; i < n; i++) squares += ((double)x[i] - mean) * ((double)x[i] - mean);
  float scale = 1.0f / sqrtf((float)(squares / (double)n) + epsilon);
  for (int64_t i = 0; i < n; i++) y[i] = (x[i] - (float)mean) * scale * weight[i] + (bias ? bias[i] : 0);
}

void ck_soft_cap(float *x, int64_t n, float cap) {
  for (int64_t i = 0; i < n; i++) x[i] = soft_capped(x[i], cap);
}

float ck_dot(const float *x, const float *y, int64_t n) {
  float sum = 0;
  for (int64_t i = 0; i < n; i++) sum += x[i] * y[i];
  return sum;
}

void ck_add_scaled(const float *x, float factor, float *y, int64_t n) {
  for (int64_t i = 0; i < n; i++) y[i] += factor * x[i];
}

void ck_scale(float *x, float factor, int64_t n) {
  for (int64_t i = 0; i < n; i++) x[i] *= factor;
}
