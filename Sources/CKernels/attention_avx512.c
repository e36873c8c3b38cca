// SPDX-License-Identifier: Apache-2.0
// Softmax attention in one pass for AVX-512: the tiles of the AVX2 twin. A tile's keys are transposed, so that a lane is a
// position: eight queries' scores of 32 positions grow in registers, then four queries' outputs.
#if defined(__x86_64__)
#include <immintrin.h>
#include <math.h>
#include "rows.h"

// From so many heads or queries on, transposing a tile of keys costs less than adding up lanes.
enum { TILE = 32, LANES = 16, MANY_HEADS = 4, MANY_QUERIES = 16 };

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c"))), apply_to = function)

// exp_avx2.h in sixteen lanes.
static inline __m512 exp_avx512(__m512 x) {
  x = _mm512_min_ps(_mm512_max_ps(x, _mm512_set1_ps(-87.0f)), _mm512_set1_ps(87.0f));
  __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)), _MM_FROUND_TO_NEAREST_INT);
  __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693359375f), x);
  r = _mm512_fnmadd_ps(n, _mm512_set1_ps(-2.12194440e-4f), r);
  __m512 p = _mm512_set1_ps(1.0f / 5040);
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 720));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 120));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 24));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 6));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.5f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f));
  return _mm512_scalef_ps(p, n);
}

typedef struct { ck_decoder decode; int64_t elements, bytes; } row_format; // bytes of so many elements

static void decode_f16_avx512(const void *blocks, float *out, int64_t elements) {
  const uint16_t *x = blocks;
  for (int64_t i = 0; i < elements; i += LANES) {
    _mm512_storeu_ps(out + i, _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(x + i))));
  }
}

// Decodes a tile and asks for the rows of the next one, which lie too far apart for the hardware to foresee.
static void decode_tile(const void *rows, const ck_attention *job, int64_t begin, int64_t end, int64_t last,
                        const row_format *format, float *out) {
  size_t row_bytes = (size_t)(job->width / format->elements * format->bytes);
  for (int64_t p = begin; p < end; p++) {
    const uint8_t *row = (const uint8_t *)rows + (size_t)p * job->position_bytes;
    if (p + TILE < last) {
      const char *next = (const char *)row + TILE * job->position_bytes;
      for (size_t line = 0; line < row_bytes; line += 64) _mm_prefetch(next + line, _MM_HINT_T0);
    }
    format->decode(row, out + (p - begin) * job->width, job->width);
  }
}

// Four rows' four floats from `x` on, those of rows 4, 8 and 12 further in the other lanes.
static inline __m512 quarters(const float *x, int64_t stride) {
  __m512 v = _mm512_castps128_ps512(_mm_loadu_ps(x));
  v = _mm512_mask_broadcast_f32x4(v, 0x00f0, _mm_loadu_ps(x + 4 * stride));
  v = _mm512_mask_broadcast_f32x4(v, 0x0f00, _mm_loadu_ps(x + 8 * stride));
  return _mm512_mask_broadcast_f32x4(v, 0xf000, _mm_loadu_ps(x + 12 * stride));
}

// [TILE][width] to [width][TILE].
static void transpose_tile(const float *rows, int64_t width, float *columns) {
  for (int64_t part = 0; part < TILE; part += LANES) {
    for (int64_t k = 0; k < width; k += 4) {
      const float *x = rows + part * width + k;
      __m512 a = quarters(x, width), b = quarters(x + width, width);
      __m512 c = quarters(x + 2 * width, width), d = quarters(x + 3 * width, width);
      __m512 ab_low = _mm512_unpacklo_ps(a, b), ab_high = _mm512_unpackhi_ps(a, b);
      __m512 cd_low = _mm512_unpacklo_ps(c, d), cd_high = _mm512_unpackhi_ps(c, d);
      float *y = columns + k * TILE + part;
      _mm512_storeu_ps(y, _mm512_shuffle_ps(ab_low, cd_low, 0x44));
      _mm512_storeu_ps(y + TILE, _mm512_shuffle_ps(ab_low, cd_low, 0xee));
      _mm512_storeu_ps(y + 2 * TILE, _mm512_shuffle_ps(ab_high, cd_high, 0x44));
      _mm512_storeu_ps(y + 3 * TILE, _mm512_shuffle_ps(ab_high, cd_high, 0xee));
    }
  }
}

// Lane i of the result is the sum of the lanes of v[i]: four rounds, each halving the vectors and doubling their lanes.
static inline __m512 sums_of(__m512 v[LANES]) {
  for (int i = 0; i < 8; i++) { // pairs (i, i + 8): the low lanes of one beside those of the other
    __m512 low = _mm512_shuffle_f32x4(v[i], v[i + 8], 0x44), high = _mm512_shuffle_f32x4(v[i], v[i + 8], 0xee);
    v[i] = _mm512_add_ps(low, high);
  }
  for (int i = 0; i < 4; i++) {
    __m512 low = _mm512_shuffle_f32x4(v[i], v[i + 4], 0x88), high = _mm512_shuffle_f32x4(v[i], v[i + 4], 0xdd);
    v[i] = _mm512_add_ps(low, high);
  }
  for (int i = 0; i < 2; i++) {
    __m512 low = _mm512_unpacklo_ps(v[i], v[i + 2]), high = _mm512_unpackhi_ps(v[i], v[i + 2]);
    v[i] = _mm512_add_ps(low, high);
  }
  __m512 low = _mm512_unpacklo_ps(v[0], v[1]), high = _mm512_unpackhi_ps(v[0], v[1]);
  __m512 sums = _mm512_add_ps(low, high);
  // 128-bit lane L holds the rows r, r + 1, r + 2, r + 3 for r of 0, 8, 4, 12.
  return _mm512_shuffle_f32x4(sums, sums, 0xd8);
}

// What one query keeps between tiles; offset: where it and its output begin, in floats.
typedef struct { float largest, total; size_t offset; float scores[TILE]; } query_state;

// Sixteen positions' products with one query.
static inline __m512 scores_of(const float *query, const float *keys, int64_t width) {
  __m512 sums[LANES];
  for (int p = 0; p < LANES; p++) sums[p] = _mm512_setzero_ps();
  for (int64_t k = 0; k < width; k += LANES) {
    __m512 q = _mm512_loadu_ps(query + k);
#pragma clang loop unroll(full)
    for (int p = 0; p < LANES; p++) sums[p] = _mm512_fmadd_ps(q, _mm512_loadu_ps(keys + p * width + k), sums[p]);
  }
  return sums_of(sums);
}

static __m512 capped(__m512 scores, float cap) {
  float lanes[LANES];
  _mm512_storeu_ps(lanes, scores);
  for (int p = 0; p < LANES; p++) lanes[p] = soft_capped(lanes[p], cap);
  return _mm512_loadu_ps(lanes);
}

static inline __mmask16 lanes_between(int64_t from, int64_t to) {
  int64_t low = from < 0 ? 0 : from > 16 ? 16 : from, high = to < 0 ? 0 : to > 16 ? 16 : to;
  return (__mmask16)(((1u << high) - 1) & ~((1u << low) - 1));
}

static inline void scale_row(float *x, float factor, int64_t n) {
  for (int64_t i = 0; i < n; i += LANES) {
    _mm512_storeu_ps(x + i, _mm512_mul_ps(_mm512_loadu_ps(x + i), _mm512_set1_ps(factor)));
  }
}

// The distance biases of sixteen positions from `first` on.
static inline __m512 distance_biases(const ck_attention *job, int64_t i, int64_t first) {
  __m512 steps = _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  __m512 distances = _mm512_add_ps(steps, _mm512_set1_ps((float)(first - (job->last[i] - 1))));
  return _mm512_mul_ps(distances, _mm512_set1_ps(job->slopes[i]));
}

// The products of a tile's positions with a few queries, by transposed keys.
static inline __attribute__((always_inline)) void score_columns(
    const ck_attention *job, int64_t first, int queries, const float *columns, query_state *states) {
  const float *query[8];
  __m512 low[8], high[8];
  for (int q = 0; q < queries; q++) {
    query[q] = job->queries + states[first + q].offset;
    low[q] = high[q] = _mm512_setzero_ps();
  }
  for (int64_t k = 0; k < job->width; k++) {
    __m512 a = _mm512_loadu_ps(columns + k * TILE), b = _mm512_loadu_ps(columns + k * TILE + LANES);
#pragma clang loop unroll(full)
    for (int q = 0; q < queries; q++) {
      __m512 x = _mm512_set1_ps(query[q][k]);
      low[q] = _mm512_fmadd_ps(x, a, low[q]);
      high[q] = _mm512_fmadd_ps(x, b, high[q]);
    }
  }
  for (int q = 0; q < queries; q++) {
    _mm512_storeu_ps(states[first + q].scores, low[q]);
    _mm512_storeu_ps(states[first + q].scores + LANES, high[q]);
  }
}

static void score_many(const ck_attention *job, const float *columns, query_state *states) {
  int64_t i = 0;
  for (; i + 8 <= job->count; i += 8) score_columns(job, i, 8, columns, states);
  for (; i + 2 <= job->count; i += 2) score_columns(job, i, 2, columns, states);
  if (i < job->count) score_columns(job, i, 1, columns, states);
}

static void score_few(const ck_attention *job, const float *keys, query_state *states) {
  for (int64_t i = 0; i < job->count; i++) {
    const float *query = job->queries + states[i].offset;
    for (int part = 0; part < TILE; part += LANES) {
      _mm512_storeu_ps(states[i].scores + part, scores_of(query, keys + part * job->width, job->width));
    }
  }
}

// from and to count from the tile's first position; the products become weights, zero outside of them.
static void weigh(const ck_attention *job, int64_t i, int64_t tile, int64_t from, int64_t to, query_state *state) {
  __m512 scores[TILE / LANES], highest = _mm512_set1_ps(state->largest), sum = _mm512_setzero_ps();
  for (int part = 0; part < TILE / LANES; part++) {
    __mmask16 seen = lanes_between(from - part * LANES, to - part * LANES);
    __m512 score = _mm512_mul_ps(_mm512_loadu_ps(state->scores + part * LANES), _mm512_set1_ps(job->scale));
    if (job->cap != 0) score = capped(score, job->cap);
    if (job->slopes) score = _mm512_add_ps(score, distance_biases(job, i, tile + part * LANES));
    scores[part] = _mm512_mask_mov_ps(_mm512_set1_ps(-INFINITY), seen, score);
    highest = _mm512_max_ps(highest, scores[part]);
  }
  float largest = _mm512_reduce_max_ps(highest);
  for (int part = 0; part < TILE / LANES; part++) {
    __mmask16 seen = lanes_between(from - part * LANES, to - part * LANES);
    __m512 weights = _mm512_maskz_mov_ps(seen, exp_avx512(_mm512_sub_ps(scores[part], _mm512_set1_ps(largest))));
    _mm512_storeu_ps(state->scores + part * LANES, weights);
    sum = _mm512_add_ps(sum, weights);
  }
  if (largest != state->largest) {
    float rescale = state->total > 0 ? expf(state->largest - largest) : 0;
    scale_row(job->out + state->offset, rescale, job->width);
    state->total *= rescale;
    state->largest = largest;
  }
  state->total += _mm512_reduce_add_ps(sum);
}

// out += weights · values for `queries` queries, 16 · parts columns.
static inline __attribute__((always_inline)) void add_values(
    const ck_attention *job, const float *values, int64_t count, const query_state *states, int64_t first, int queries,
    int64_t k, int parts) {
  __m512 sums[4][4];
  for (int q = 0; q < queries; q++) {
    const float *out = job->out + states[first + q].offset + k;
    for (int c = 0; c < parts; c++) sums[q][c] = _mm512_loadu_ps(out + c * LANES);
  }
  for (int64_t p = 0; p < count; p++) {
    __m512 weight[4];
    for (int q = 0; q < queries; q++) weight[q] = _mm512_set1_ps(states[first + q].scores[p]);
    for (int c = 0; c < parts; c++) {
      __m512 value = _mm512_loadu_ps(values + p * job->width + k + c * LANES);
      for (int q = 0; q < queries; q++) sums[q][c] = _mm512_fmadd_ps(weight[q], value, sums[q][c]);
    }
  }
  for (int q = 0; q < queries; q++) {
    float *out = job->out + states[first + q].offset + k;
    for (int c = 0; c < parts; c++) _mm512_storeu_ps(out + c * LANES, sums[q][c]);
  }
}

static inline __attribute__((always_inline)) void add_row(
    const ck_attention *job, const float *values, int64_t count, const query_state *states, int64_t i, int queries) {
  int64_t k = 0;
  for (; k + 63 < job->width; k += 64) add_values(job, values, count, states, i, queries, k, 4);
  for (; k < job->width; k += LANES) add_values(job, values, count, states, i, queries, k, 1);
}

static void add_tile(const ck_attention *job, const float *values, int64_t count, const query_state *states) {
  int64_t i = 0;
  for (; i + 4 <= job->count; i += 4) add_row(job, values, count, states, i, 4);
  for (; i < job->count; i++) add_row(job, values, count, states, i, 1);
}

static inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

static void begin_queries(const ck_attention *job, query_state *states, int64_t *begin, int64_t *end) {
  *begin = job->first[0], *end = job->last[0];
  for (int64_t i = 0; i < job->count; i++) {
    states[i].largest = -INFINITY;
    states[i].total = 0;
    states[i].offset = query_offset(job, i);
    for (int64_t k = 0; k < job->width; k++) job->out[states[i].offset + (size_t)k] = 0;
    *begin = smaller(*begin, job->first[i]);
    *end = larger(*end, job->last[i]);
  }
}

static void attend(const ck_attention *job, const row_format *format) {
  query_state *states = (query_state *)job->scratch;
  float *rows = job->scratch + job->count * (int64_t)(sizeof(query_state) / sizeof(float));
  float *columns = rows + TILE * job->width;
  // By the heads of a token, not by how many of them one thread got: the sums are the same with any count of threads.
  int is_many = job->group >= MANY_HEADS || job->count >= MANY_QUERIES;
  int64_t begin, end;
  begin_queries(job, states, &begin, &end);
  for (int64_t tile = begin; tile < end; tile += TILE) {
    int64_t tile_end = smaller(tile + TILE, end);
    decode_tile(job->keys, job, tile, tile_end, end, format, rows);
    if (is_many) {
      transpose_tile(rows, job->width, columns);
      score_many(job, columns, states);
    } else {
      score_few(job, rows, states);
    }
    for (int64_t i = 0; i < job->count; i++) {
      int64_t from = larger(job->first[i], tile), to = smaller(job->last[i], tile_end);
      if (from < to) {
        weigh(job, i, tile, from - tile, to - tile, states + i);
      } else {
        for (int p = 0; p < TILE; p++) states[i].scores[p] = 0;
      }
    }
    decode_tile(job->values, job, tile, tile_end, end, format, rows);
    add_tile(job, rows, tile_end - tile, states);
  }
  for (int64_t i = 0; i < job->count; i++) {
    if (job->sinks) states[i].total += expf(job->sinks[i] - states[i].largest);
    scale_row(job->out + states[i].offset, 1 / states[i].total, job->width);
  }
}

static const row_format format_f32 = {decode_f32, 1, 4};
static const row_format format_f16 = {decode_f16_avx512, 1, 2};
static const row_format format_q8_0 = {decode_q8_0_avx2, 32, 34};

// Widths that are no multiple of sixteen are rare: the AVX2 twin takes eight.
void attention_f32_avx512(const ck_attention *job) {
  if (job->width % LANES) return attention_f32_avx2(job);
  attend(job, &format_f32);
}
void attention_f16_avx512(const ck_attention *job) {
  if (job->width % LANES) return attention_f16_avx2(job);
  attend(job, &format_f16);
}
void attention_q8_0_avx512(const ck_attention *job) { attend(job, &format_q8_0); }

#pragma clang attribute pop
#endif
