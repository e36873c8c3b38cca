// SPDX-License-Identifier: Apache-2.0
// Many queries as lanes of vectors: what attention of prompts by AVX-512 and by tiles share.
#ifndef ANPROBE_ATTENTION_LANES_AVX512_H
#define ANPROBE_ATTENTION_LANES_AVX512_H
#include <float.h>
#include "attention_tile_avx512.h"

// Some queries of a job from `query` on, sixteen to a part; lanes beyond them repeat the first one and are not stored.
typedef struct {
  const ck_attention *job;
  int64_t query, count, parts;
  int64_t begin, end;           // positions that one of them sees
  int64_t all_begin, all_end;   // positions that all of them see
  float *largest, *total, *slopes;   // [lanes]
  int32_t *first, *last;
  int64_t *offsets;             // where queries and outputs begin, in floats
} query_lanes;

enum { LANE_FLOATS = 7 }; // of a lane's state

// As many queries as there are, up to `most`, a multiple of sixteen; their state takes most · LANE_FLOATS floats.
static query_lanes lanes_at(const ck_attention *job, int64_t query, int64_t most, float *state) {
  query_lanes l = {.job = job, .query = query, .count = smaller(job->count - query, most)};
  l.parts = (l.count + LANES - 1) / LANES;
  l.largest = state;
  l.total = l.largest + most;
  l.slopes = l.total + most;
  l.first = (int32_t *)(l.slopes + most);
  l.last = l.first + most;
  l.offsets = (int64_t *)(l.last + most);
  l.begin = l.all_begin = job->first[query];
  l.end = l.all_end = job->last[query];
  for (int64_t i = 0; i < most; i++) {
    int64_t own = i < l.count ? query + i : query;
    l.first[i] = (int32_t)job->first[own];
    l.last[i] = (int32_t)job->last[own];
    l.slopes[i] = job->slopes ? LOG2_E * job->slopes[own] : 0;
    l.largest[i] = -FLT_MAX; // not −∞, of which differences are no numbers
    l.total[i] = 0;
    l.begin = smaller(l.begin, l.first[i]), l.all_begin = larger(l.all_begin, l.first[i]);
    l.end = larger(l.end, l.last[i]), l.all_end = smaller(l.all_end, l.last[i]);
  }
  int64_t token = query / job->group, head = query % job->group;
  for (int64_t i = 0; i < most; i++) {
    l.offsets[i] = i < l.count ? token * (int64_t)job->query_stride + head * job->width : l.offsets[0];
    if (++head == job->group) token++, head = 0;
  }
  return l;
}

// Rows to columns, in place: pairs, fours, then 128-bit lanes by fours.
static inline void transpose(__m512 v[LANES]) {
  __m512 t[LANES];
  for (int i = 0; i < LANES; i += 4) {
    __m512 a = _mm512_unpacklo_ps(v[i], v[i + 1]), b = _mm512_unpackhi_ps(v[i], v[i + 1]);
    __m512 c = _mm512_unpacklo_ps(v[i + 2], v[i + 3]), d = _mm512_unpackhi_ps(v[i + 2], v[i + 3]);
    t[i] = _mm512_shuffle_ps(a, c, 0x44), t[i + 1] = _mm512_shuffle_ps(a, c, 0xee);
    t[i + 2] = _mm512_shuffle_ps(b, d, 0x44), t[i + 3] = _mm512_shuffle_ps(b, d, 0xee);
  }
  for (int i = 0; i < 4; i++) {
    __m512 a = _mm512_shuffle_f32x4(t[i], t[i + 4], 0x88), b = _mm512_shuffle_f32x4(t[i], t[i + 4], 0xdd);
    __m512 c = _mm512_shuffle_f32x4(t[i + 8], t[i + 12], 0x88), d = _mm512_shuffle_f32x4(t[i + 8], t[i + 12], 0xdd);
    v[i] = _mm512_shuffle_f32x4(a, c, 0x88), v[i + 8] = _mm512_shuffle_f32x4(a, c, 0xdd);
    v[i + 4] = _mm512_shuffle_f32x4(b, d, 0x88), v[i + 12] = _mm512_shuffle_f32x4(b, d, 0xdd);
  }
}

// Sixteen columns from k on of a part's queries: a vector is a column.
static inline void load_columns(const query_lanes *l, int64_t part, int64_t k, __m512 v[LANES]) {
  __m512 factor = _mm512_set1_ps(query_factor(l->job));
  for (int64_t i = 0; i < LANES; i++) {
    v[i] = _mm512_mul_ps(_mm512_loadu_ps(l->job->queries + l->offsets[part * LANES + i] + k), factor);
  }
  transpose(v);
}

// Sixteen columns from k on of a part's sums, [column][stride], as shares of the weights' totals.
static inline void store_columns(const query_lanes *l, int64_t part, int64_t k, const float *sums, int64_t stride) {
  __m512 v[LANES], shares = _mm512_div_ps(_mm512_set1_ps(1), _mm512_load_ps(l->total + part * LANES));
  for (int64_t i = 0; i < LANES; i++) v[i] = _mm512_mul_ps(_mm512_load_ps(sums + i * stride), shares);
  transpose(v);
  for (int64_t i = 0; i < LANES && part * LANES + i < l->count; i++) {
    _mm512_storeu_ps(l->job->out + l->offsets[part * LANES + i] + k, v[i]);
  }
}

// Caps, biases and −∞ for the queries that do not see a position, in a part's scores of `count` positions: [count][stride].
static inline void limit_scores(
    const query_lanes *l, int64_t part, int64_t position, int64_t count, float *scores, int64_t stride) {
  __m512i first = _mm512_load_si512(l->first + part * LANES), last = _mm512_load_si512(l->last + part * LANES);
  __m512i own = _mm512_sub_epi32(last, _mm512_set1_epi32(1));
  __m512 slopes = _mm512_load_ps(l->slopes + part * LANES);
  for (int64_t i = 0; i < count; i++, scores += stride) {
    __m512i at = _mm512_set1_epi32((int32_t)(position + i));
    __mmask16 seen = _mm512_mask_cmplt_epi32_mask(_mm512_cmpge_epi32_mask(at, first), at, last);
    __m512 distances = _mm512_cvtepi32_ps(_mm512_sub_epi32(at, own));
    __m512 limits = limited(l->job, _mm512_load_ps(scores), slopes, distances);
    _mm512_store_ps(scores, _mm512_mask_mov_ps(_mm512_set1_ps(-INFINITY), seen, limits));
  }
}

// Whether any of these positions' scores have to be limited.
static inline int has_limits(const query_lanes *l, int64_t position, int64_t count) {
  return l->job->cap > 0 || l->job->slopes || position < l->all_begin || position + count > l->all_end;
}

static void add_sinks(const query_lanes *l) {
  for (int64_t i = 0; l->job->sinks && i < l->count; i++) {
    l->total[i] += exp2f(LOG2_E * l->job->sinks[l->query + i] - l->largest[i]);
  }
}

#endif
