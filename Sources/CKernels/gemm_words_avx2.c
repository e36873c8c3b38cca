// SPDX-License-Identifier: Apache-2.0
// Products of many tokens in 16-bit integers for AVX2, at twice the multiply-adds of an instruction on floats; see
// gemm_words_avx512.c for why no sum overflows and what is lost.
//
//   for each panel of 64 rows, for each chunk of 256 columns:
//     decode the panel's chunk to floats, then to words: a row's chunk over its 2-norm, times 32,767 (32 KiB)
//     for each group of 6 tokens, for each 16 rows: 12 registers hold 6 × 16 sums; per pair of columns 2 loads, 6 broadcasts
// Sums of several chunks wait in the scratch.
#if defined(__x86_64__)
#include <immintrin.h>
#include <math.h>
#include <string.h>
#include "kept_rows.h"
#include "panels.h"

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

#include "gemm_tile_avx2.h"

enum { CHUNK_PAIRS = DECODE_CHUNK / 2, CHUNK_WORDS = (CHUNK_PAIRS + 1) * TILE_TOKENS, TILES = PANEL_ROWS / TILE_ROWS };
#define LARGEST 32767.0f

typedef struct {
  int32_t pairs[CHUNK_PAIRS][TILE_ROWS];
  float scales[TILE_ROWS];
} word_tile;

// Of a group of tokens with sixteen rows, over the chunks so far.
typedef struct { float rows[TILE_TOKENS][TILE_ROWS]; } group_sums;

typedef struct {
  word_tile tiles[TILES];
  float floats[DECODE_CHUNK * TILE_ROWS], decoded[TILE_ROWS * DECODE_CHUNK];
  group_sums kept[KEPT_TOKENS / TILE_TOKENS][TILES];
} word_scratch;

_Static_assert(KEPT_TOKENS % TILE_TOKENS == 0 && sizeof(word_scratch) <= GEMM_SCRATCH_BYTES, "the plan's scratch holds it");

static inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

static inline float sum_lanes(__m256 v) {
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

// A token's chunk as words, and what one step of them stands for.
static inline float token_words(const float *x, int64_t count, int16_t words[DECODE_CHUNK]) {
  __m256 squares = _mm256_setzero_ps();
  for (int64_t k = 0; k < count; k += 8) {
    __m256 v = _mm256_loadu_ps(x + k);
    squares = _mm256_fmadd_ps(v, v, squares);
  }
  float norm = sqrtf(sum_lanes(squares));
  __m256 inverse = _mm256_set1_ps(norm > 0 ? LARGEST / norm : 0);
  for (int64_t k = 0; k < count; k += 8) {
    __m256i whole = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + k), inverse));
    __m128i eight = _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1));
    _mm_storeu_si128((__m128i *)(words + k), eight);
  }
  return norm / LARGEST;
}

void make_words_avx2(const float *x, int64_t stride, int64_t tokens, int64_t columns, int32_t *words) {
  for (int64_t k = 0; k < columns; k += DECODE_CHUNK, words += CHUNK_WORDS) {
    int64_t count = smaller(DECODE_CHUNK, columns - k);
    float *scales = (float *)(words + count / 2 * TILE_TOKENS);
    for (int64_t t = 0; t < TILE_TOKENS; t++) {
      int16_t own[DECODE_CHUNK] = {0};
      scales[t] = t < tokens ? token_words(x + t * stride + k, count, own) : 0;
      for (int64_t j = 0; j < count / 2; j++) memcpy(words + j * TILE_TOKENS + t, own + 2 * j, sizeof *words);
    }
  }
}

// Eight rows' chunk of floats to words.
static inline void fill_half(const float *floats, int64_t count, int half, word_tile *tile) {
  __m256 squares[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
  for (int64_t k = 0; k < count; k += 2) {
    for (int i = 0; i < 2; i++) {
      __m256 v = _mm256_loadu_ps(floats + (k + i) * TILE_ROWS);
      squares[i] = _mm256_fmadd_ps(v, v, squares[i]);
    }
  }
  __m256 norm = _mm256_sqrt_ps(_mm256_add_ps(squares[0], squares[1]));
  __m256 filled = _mm256_cmp_ps(norm, _mm256_setzero_ps(), _CMP_GT_OQ);
  __m256 inverse = _mm256_and_ps(filled, _mm256_div_ps(_mm256_set1_ps(LARGEST), norm));
  _mm256_storeu_ps(tile->scales + half * 8, _mm256_mul_ps(norm, _mm256_set1_ps(1 / LARGEST)));
  for (int64_t j = 0; j < count / 2; j++) {
    const float *v = floats + 2 * j * TILE_ROWS;
    __m256i even = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(v), inverse));
    __m256i odd = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(v + TILE_ROWS), inverse));
    __m256i pair = _mm256_blend_epi16(even, _mm256_slli_epi32(odd, 16), 0xaa);
    _mm256_storeu_si256((__m256i *)(tile->pairs[j] + half * 8), pair);
  }
}

// `ahead` is the distance to the next tokens' words.
static inline void multiply_words(const word_tile *tile, const int32_t *words, int64_t pairs, int64_t ahead,
                                  __m256i sums[TILE_TOKENS][2]) {
  for (int64_t j = 0; j < pairs; j++) {
    _mm_prefetch((const char *)(words + j * TILE_TOKENS + ahead), _MM_HINT_T0);
    __m256i low = _mm256_loadu_si256((const __m256i *)tile->pairs[j]);
    __m256i high = _mm256_loadu_si256((const __m256i *)(tile->pairs[j] + 8));
#pragma clang loop unroll(full)
    for (int t = 0; t < TILE_TOKENS; t++) {
      __m256i pair = _mm256_set1_epi32(words[j * TILE_TOKENS + t]);
      sums[t][0] = _mm256_add_epi32(sums[t][0], _mm256_madd_epi16(low, pair));
      sums[t][1] = _mm256_add_epi32(sums[t][1], _mm256_madd_epi16(high, pair));
    }
  }
}

static inline void keep(const float scales[TILE_ROWS], const float *steps, int is_first, __m256i sums[TILE_TOKENS][2],
                        group_sums *kept) {
#pragma clang loop unroll(full)
  for (int half = 0; half < 2; half++) {
    __m256 scale = _mm256_loadu_ps(scales + half * 8);
#pragma clang loop unroll(full)
    for (int t = 0; t < TILE_TOKENS; t++) {
      float *spot = kept->rows[t] + half * 8;
      __m256 factor = _mm256_mul_ps(scale, _mm256_broadcast_ss(steps + t));
      __m256 before = is_first ? _mm256_setzero_ps() : _mm256_loadu_ps(spot);
      _mm256_storeu_ps(spot, _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums[t][half]), factor, before));
    }
  }
}

static inline void store_kept(const ck_gemm *job, int64_t token, int64_t row, int64_t end, const group_sums *kept) {
  int64_t rows = smaller(TILE_ROWS, end - row);
  for (int t = 0; t < TILE_TOKENS && token + t < job->tokens; t++) {
    memcpy(job->y + (token + t) * job->y_stride + row, kept->rows[t], (size_t)rows * sizeof(float));
  }
}

static inline int64_t tiles_from(int64_t row, int64_t end) {
  return (smaller(end - row, PANEL_ROWS) + TILE_ROWS - 1) / TILE_ROWS;
}

static void load_tiles(const ck_gemm *job, int64_t row, int64_t end, int64_t k, word_scratch *scratch) {
  int64_t count = smaller(job->columns - k, DECODE_CHUNK);
  for (int64_t i = 0; i < tiles_from(row, end); i++) {
    load_tile(job, row + i * TILE_ROWS, end, k, count, scratch->decoded, scratch->floats);
    for (int half = 0; half < 2; half++) fill_half(scratch->floats + half * 8, count, half, scratch->tiles + i);
  }
}

// A chunk of a panel's rows times the tokens first ..< last; after the last chunk sums go to y while others are multiplied.
static void multiply_chunk(const ck_gemm *job, int64_t first, int64_t last, int64_t row, int64_t end, int64_t k,
                           word_scratch *scratch) {
  int64_t count = smaller(job->columns - k, DECODE_CHUNK), tiles = tiles_from(row, end);
  int64_t group_words = (job->columns / 2 + (job->columns + DECODE_CHUNK - 1) / DECODE_CHUNK) * TILE_TOKENS;
  for (int64_t token = first; token < last; token += TILE_TOKENS) {
    const int32_t *words = job->words + token / TILE_TOKENS * group_words + k / DECODE_CHUNK * CHUNK_WORDS;
    group_sums *kept = scratch->kept[(token - first) / TILE_TOKENS];
    for (int64_t i = 0; i < tiles; i++) {
      __m256i sums[TILE_TOKENS][2];
      for (int t = 0; t < TILE_TOKENS; t++) sums[t][0] = sums[t][1] = _mm256_setzero_si256();
      multiply_words(scratch->tiles + i, words, count / 2, group_words, sums);
      keep(scratch->tiles[i].scales, (const float *)(words + count / 2 * TILE_TOKENS), k == 0, sums, kept + i);
      if (k + count == job->columns) store_kept(job, token, row + i * TILE_ROWS, end, kept + i);
    }
  }
}

void gemm_words_avx2(const ck_gemm *job, int64_t begin, int64_t end) {
  word_scratch *scratch = (word_scratch *)job->scratch;
  for (int64_t first = 0; first < job->tokens; first += KEPT_TOKENS) {
    int64_t last = smaller(first + KEPT_TOKENS, job->tokens);
    for (int64_t row = begin; row < end; row += PANEL_ROWS) {
      for (int64_t k = 0; k < job->columns; k += DECODE_CHUNK) {
        load_tiles(job, row, end, k, scratch);
        multiply_chunk(job, first, last, row, end, k, scratch);
      }
    }
  }
}

#pragma clang attribute pop
#endif
