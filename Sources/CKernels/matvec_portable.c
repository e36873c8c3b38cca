// SPDX-License-Identifier: Apache-2.0
// Matrix-vector products, plain: y[row] = Σ w · x, with integer sums inside a block where the format allows them.
// These loops are what every other instruction set is compared with.
#include "half.h"
#include "matvec_portable.h"

static float dot_f32(const float *a, const float *b, int64_t n) {
  float sum = 0;
  for (int64_t i = 0; i < n; i++) sum += a[i] * b[i];
  return sum;
}

void matvec_decoded_portable(ck_decoder decode, int64_t block_bytes, const void *weights, size_t row_bytes,
                             const float *x, float *y, int64_t begin, int64_t end, int64_t columns,
                             int64_t block_elements) {
  float chunk[DECODE_CHUNK];
  for (int64_t row = begin; row < end; row++) {
    const uint8_t *blocks = (const uint8_t *)weights + (size_t)row * row_bytes;
    float sum = 0;
    for (int64_t k = 0; k < columns; k += DECODE_CHUNK) {
      int64_t count = columns - k < DECODE_CHUNK ? columns - k : DECODE_CHUNK;
      decode(blocks + k / block_elements * block_bytes, chunk, count);
      sum += dot_f32(chunk, x + k, count);
    }
    y[row] = sum;
  }
}

void matvec_f32_portable(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                         int64_t end, int64_t columns) {
  for (int64_t row = begin; row < end; row++) {
    y[row] = dot_f32((const float *)((const uint8_t *)weights + (size_t)row * row_bytes), x->f32, columns);
  }
}

void matvec_f16_portable(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                         int64_t end, int64_t columns) {
  matvec_decoded_portable(decode_f16, 2, weights, row_bytes, x->f32, y, begin, end, columns, 1);
}

void matvec_bf16_portable(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                          int64_t end, int64_t columns) {
  matvec_decoded_portable(decode_bf16, 2, weights, row_bytes, x->f32, y, begin, end, columns, 1);
}

void matvec_q8_0_portable(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                          int64_t end, int64_t columns) {
  for (int64_t row = begin; row < end; row++) {
    const ck_q8_0 *block = (const ck_q8_0 *)((const uint8_t *)weights + (size_t)row * row_bytes);
    float sum = 0;
    for (int64_t b = 0; b < columns / 32; b++) {
      int32_t dot = 0;
      for (int i = 0; i < 32; i++) dot += block[b].values[i] * x->q32[b * 32 + i];
      sum += (float)dot * (half_to_float(block[b].scale) * x->d32[b]);
    }
    y[row] = sum;
  }
}

void matvec_q4_0_portable(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                          int64_t end, int64_t columns) {
  for (int64_t row = begin; row < end; row++) {
    const ck_q4_0 *block = (const ck_q4_0 *)((const uint8_t *)weights + (size_t)row * row_bytes);
    float sum = 0;
    for (int64_t b = 0; b < columns / 32; b++) {
      const int8_t *q = x->q32 + b * 32;
      int32_t dot = 0;
      for (int i = 0; i < 16; i++) {
        dot += ((block[b].nibbles[i] & 15) - 8) * q[i] + ((block[b].nibbles[i] >> 4) - 8) * q[i + 16];
      }
      sum += (float)dot * (half_to_float(block[b].scale) * x->d32[b]);
    }
    y[row] = sum;
  }
}

void matvec_q4_k_portable(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                          int64_t end, int64_t columns) {
  for (int64_t row = begin; row < end; row++) {
    const ck_q4_k *block = (const ck_q4_k *)((const uint8_t *)weights + (size_t)row * row_bytes);
    float sum = 0;
    for (int64_t b = 0; b < columns / 256; b++) {
      uint8_t scales[8], minima[8];
      unpack_q4_k_scales(block[b].scales, scales, minima);
      int32_t scaled = 0, shift = 0;
      for (int group = 0; group < 8; group++) {
        const uint8_t *nibbles = block[b].nibbles + group / 2 * 32;
        const int8_t *q = x->q256 + b * 256 + group * 32;
        int32_t dot = 0;
        for (int i = 0; i < 32; i++) dot += (nibbles[i] >> (group % 2 * 4) & 15) * q[i];
        scaled += dot * scales[group];
        shift += minima[group] * (x->sums256[b * 16 + group * 2] + x->sums256[b * 16 + group * 2 + 1]);
      }
      float d = x->d256[b];
      sum += half_to_float(block[b].scale) * d * (float)scaled - half_to_float(block[b].minimum) * d * (float)shift;
    }
    y[row] = sum;
  }
}

void matvec_q6_k_portable(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                          int64_t end, int64_t columns) {
  for (int64_t row = begin; row < end; row++) {
    const ck_q6_k *block = (const ck_q6_k *)((const uint8_t *)weights + (size_t)row * row_bytes);
    float sum = 0;
    for (int64_t b = 0; b < columns / 256; b++) {
      int32_t scaled = 0;
      for (int i = 0; i < 256; i++) {
        int half = i / 128, within = i % 128;
        int low = block[b].nibbles[half * 64 + within % 64] >> (within / 64 * 4) & 15;
        int high = block[b].high_bits[half * 32 + within % 32] >> (within / 32 * 2) & 3;
        scaled += ((low | high << 4) - 32) * x->q256[b * 256 + i] * block[b].scales[i / 16];
      }
      sum += half_to_float(block[b].scale) * x->d256[b] * (float)scaled;
    }
    y[row] = sum;
  }
}
