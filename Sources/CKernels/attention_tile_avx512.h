// SPDX-License-Identifier: Apache-2.0
// What both attentions of AVX-512 share: cached rows as floats, tiles of them, scores in powers of two.
#ifndef ANPROBE_ATTENTION_TILE_AVX512_H
#define ANPROBE_ATTENTION_TILE_AVX512_H
#include <immintrin.h>
#include <math.h>
#include <string.h>
#include "exp_avx512.h"
#include "rows.h"

// TILE positions get their weights together; keys are decoded KEYS at a time, so that they stay in the nearest cache.
enum { LANES = 16, TILE = 128, KEYS = 16 };

// Scores are kept times log2 e: weights are powers of two.
static const float LOG2_E = 1.44269504f;

static inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

// Sixteen values of a cached row, from k on.
static inline __attribute__((always_inline)) __m512 cached(const uint8_t *row, int64_t k, int type) {
  if (type == CK_F32) return _mm512_loadu_ps(row + 4 * k);
  if (type == CK_F16) return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(row + 2 * k)));
  const uint8_t *block = row + k / 32 * 34;
  uint16_t scale;
  memcpy(&scale, block, sizeof scale);
  __m512i codes = _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(block + 2 + k % 32)));
  return _mm512_mul_ps(_mm512_cvtepi32_ps(codes), _mm512_set1_ps(_cvtsh_ss(scale)));
}

static inline const uint8_t *cache_row(const ck_attention *job, const void *cache, int64_t position) {
  return (const uint8_t *)cache + (size_t)position * job->position_bytes;
}

static inline __attribute__((always_inline)) void load_keys_as(
    const ck_attention *job, int64_t position, int64_t count, int type, float *keys) {
  for (int64_t k = 0; k < job->width; k += LANES) {
    const uint8_t *row = cache_row(job, job->keys, position);
    for (int64_t p = 0; p < count; p++, row += job->position_bytes) {
      _mm512_store_ps(keys + k * KEYS + p * LANES, cached(row, k, type));
    }
  }
}

// Up to sixteen positions' keys as floats: [width / 16][KEYS][16].
static inline void load_keys(const ck_attention *job, int64_t position, int64_t count, int type, float *keys) {
  if (type == CK_F32) load_keys_as(job, position, count, CK_F32, keys);
  if (type == CK_F16) load_keys_as(job, position, count, CK_F16, keys);
  if (type == CK_Q8_0) load_keys_as(job, position, count, CK_Q8_0, keys);
}

// What queries are multiplied by, so that their products with keys are what `limited` takes.
static inline float query_factor(const ck_attention *job) {
  return job->cap > 0 ? 2 * LOG2_E * job->scale / job->cap : LOG2_E * job->scale;
}

// The cap of products and the bias of distances (positions behind the query's, negative), in powers of two:
// tanh x = 1 − 2 / (1 + e^2x).
static inline __m512 limited(const ck_attention *job, __m512 products, __m512 slopes, __m512 distances) {
  if (job->cap > 0) {
    __m512 one = _mm512_set1_ps(1), two = _mm512_set1_ps(2);
    __m512 ratio = _mm512_div_ps(two, _mm512_add_ps(one, exp2_avx512(products)));
    products = _mm512_mul_ps(_mm512_sub_ps(one, ratio), _mm512_set1_ps(LOG2_E * job->cap));
  }
  return job->slopes ? _mm512_fmadd_ps(slopes, distances, products) : products;
}

// Scratch begins at a multiple of 64 bytes: vectors that cross lines would be loaded twice.
static inline float *aligned(float *scratch) { return (float *)(((uintptr_t)scratch + 63) & ~(uintptr_t)63); }

#endif
