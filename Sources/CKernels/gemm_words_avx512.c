// SPDX-License-Identifier: Apache-2.0
// Products of many tokens in 16-bit integers for AVX-512 VNNI: Y[token][row] = X[token] · W[row] of weights that are
// floats or decoded to floats, at twice the multiply-adds of an instruction on floats.
//
//   for each panel of 64 rows, for each chunk of 256 columns:
//     decode the panel's chunk to floats, then to words: a row's chunk over its 2-norm, times 32,767
//     for each group of 12 tokens, for each 32 rows:
//       24 registers hold 12 × 32 sums; per pair of columns 2 loads, 12 broadcasts
// Sums of several chunks wait in the scratch.
//
// Words w of a norm of at most 32,767 (1 + 2⁻¹¹) and x alike cannot overflow a sum: |Σ w·x| ≤ ‖w‖·‖x‖ < 2³¹, of all
// columns as of some (Cauchy and Schwarz). A chunk loses at most 2⁻¹¹·‖w‖·‖x‖, about as much as rounding both to half
// precision does.
#if defined(__x86_64__)
#include <immintrin.h>
#include "panels.h"

#pragma clang attribute push(                                                                 \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c"))), apply_to = function)

#include "gemm_tile_avx512.h"

enum { CHUNK_PAIRS = DECODE_CHUNK / 2, CHUNK_WORDS = (CHUNK_PAIRS + 1) * TILE_TOKENS };
#define LARGEST 32767.0f

enum { TILES = PANEL_ROWS / TILE_ROWS };

typedef struct {
  int32_t pairs[CHUNK_PAIRS][TILE_ROWS];
  float scales[TILE_ROWS];
} word_tile;

// Of a group of tokens with 32 rows, over the chunks so far.
typedef struct { float rows[TILE_TOKENS][TILE_ROWS]; } group_sums;

typedef struct {
  word_tile tiles[TILES];
  float floats[DECODE_CHUNK * TILE_ROWS], decoded[HALF_TILE * DECODE_CHUNK];
  group_sums kept[KEPT_TOKENS / TILE_TOKENS][TILES];
} word_scratch;

_Static_assert(KEPT_TOKENS % TILE_TOKENS == 0 && sizeof(word_scratch) <= GEMM_SCRATCH_BYTES, "the plan's scratch holds it");

static inline float inverse_of(float norm) { return norm > 0 ? LARGEST / norm : 0; }

// A token's chunk as pairs of words, and what one step of them stands for.
static inline float token_words(const float *x, int64_t count, int32_t pairs[CHUNK_PAIRS]) {
  __m512 squares = _mm512_setzero_ps();
  for (int64_t k = 0; k < count; k += 16) {
    __m512 v = _mm512_loadu_ps(x + k);
    squares = _mm512_fmadd_ps(v, v, squares);
  }
  float norm = sqrtf(_mm512_reduce_add_ps(squares));
  __m512 inverse = _mm512_set1_ps(inverse_of(norm));
  for (int64_t k = 0; k < count; k += 16) {
    __m512i words = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x + k), inverse));
    _mm256_storeu_si256((__m256i *)(pairs + k / 2), _mm512_cvtepi32_epi16(words));
  }
  return norm / LARGEST;
}

// Four tokens' pairs to [pair][token], four pairs at a time.
static inline void transpose_tokens(const int32_t pairs[4][CHUNK_PAIRS], int64_t count, int32_t *out) {
  for (int64_t j = 0; j < count; j += 4) {
    __m128i a = _mm_loadu_si128((const __m128i *)(pairs[0] + j)), b = _mm_loadu_si128((const __m128i *)(pairs[1] + j));
    __m128i c = _mm_loadu_si128((const __m128i *)(pairs[2] + j)), d = _mm_loadu_si128((const __m128i *)(pairs[3] + j));
    __m128i ab_low = _mm_unpacklo_epi32(a, b), ab_high = _mm_unpackhi_epi32(a, b);
    __m128i cd_low = _mm_unpacklo_epi32(c, d), cd_high = _mm_unpackhi_epi32(c, d);
    int32_t *to = out + j * TILE_TOKENS;
    _mm_storeu_si128((__m128i *)to, _mm_unpacklo_epi64(ab_low, cd_low));
    _mm_storeu_si128((__m128i *)(to + TILE_TOKENS), _mm_unpackhi_epi64(ab_low, cd_low));
    _mm_storeu_si128((__m128i *)(to + 2 * TILE_TOKENS), _mm_unpacklo_epi64(ab_high, cd_high));
    _mm_storeu_si128((__m128i *)(to + 3 * TILE_TOKENS), _mm_unpackhi_epi64(ab_high, cd_high));
  }
}

// A group's chunk: its pairs, and behind them the tokens' scales.
static void chunk_words(const float *x, int64_t stride, int64_t tokens, int64_t count, int32_t *out) {
  float *scales = (float *)(out + count / 2 * TILE_TOKENS);
  for (int64_t first = 0; first < TILE_TOKENS; first += 4) {
    int32_t pairs[4][CHUNK_PAIRS];
    for (int64_t t = 0; t < 4; t++) {
      if (first + t < tokens) {
        scales[first + t] = token_words(x + (first + t) * stride, count, pairs[t]);
      } else {
        scales[first + t] = 0;
        for (int64_t j = 0; j < count / 2; j++) pairs[t][j] = 0;
      }
    }
    transpose_tokens(pairs, count / 2, out + first);
  }
}

static inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

void make_words_avx512(const float *x, int64_t stride, int64_t tokens, int64_t columns, int32_t *words) {
  for (int64_t k = 0; k < columns; k += DECODE_CHUNK, words += CHUNK_WORDS) {
    chunk_words(x + k, stride, tokens, smaller(DECODE_CHUNK, columns - k), words);
  }
}

// Sixteen rows' chunk of floats to words.
static void fill_half(const float *floats, int64_t count, int part, word_tile *tile) {
  __m512 squares[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()};
  for (int64_t k = 0; k < count; k += 2) {
    for (int i = 0; i < 2; i++) {
      __m512 v = _mm512_loadu_ps(floats + (k + i) * TILE_ROWS);
      squares[i] = _mm512_fmadd_ps(v, v, squares[i]);
    }
  }
  __m512 norm = _mm512_sqrt_ps(_mm512_add_ps(squares[0], squares[1]));
  __mmask16 filled = _mm512_cmp_ps_mask(norm, _mm512_setzero_ps(), _CMP_GT_OQ);
  __m512 inverse = _mm512_maskz_div_ps(filled, _mm512_set1_ps(LARGEST), norm);
  _mm512_storeu_ps(tile->scales + part * HALF_TILE, _mm512_mul_ps(norm, _mm512_set1_ps(1 / LARGEST)));
  for (int64_t j = 0; j < count / 2; j++) {
    const float *v = floats + 2 * j * TILE_ROWS;
    __m512i even = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(v), inverse));
    __m512i odd = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(v + TILE_ROWS), inverse));
    __m512i pair = _mm512_mask_blend_epi16(0xaaaaaaaa, even, _mm512_slli_epi32(odd, 16));
    _mm512_storeu_si512(tile->pairs[j] + part * HALF_TILE, pair);
  }
}

// `ahead` is the distance to the next tokens' words.
static inline void multiply_words(const word_tile *tile, const int32_t *words, int64_t pairs, int64_t ahead,
                                  __m512i sums[TILE_TOKENS][2]) {
  for (int64_t j = 0; j < pairs; j++) {
    _mm_prefetch((const char *)(words + j * TILE_TOKENS + ahead), _MM_HINT_T0);
    __m512i low = _mm512_loadu_si512(tile->pairs[j]), high = _mm512_loadu_si512(tile->pairs[j] + HALF_TILE);
#pragma clang loop unroll(full)
    for (int t = 0; t < TILE_TOKENS; t++) {
      __m512i pair = _mm512_set1_epi32(words[j * TILE_TOKENS + t]);
      sums[t][0] = _mm512_dpwssd_epi32(sums[t][0], low, pair);
      sums[t][1] = _mm512_dpwssd_epi32(sums[t][1], high, pair);
    }
  }
}

static inline void prefetch_kept(const group_sums *kept) {
  for (int t = 0; t < TILE_TOKENS; t++) {
    _mm_prefetch((const char *)kept->rows[t], _MM_HINT_T0);
    _mm_prefetch((const char *)(kept->rows[t] + HALF_TILE), _MM_HINT_T0);
  }
}

static inline void keep(const float scales[TILE_ROWS], const float *steps, int is_first, __m512i sums[TILE_TOKENS][2],
                        group_sums *kept) {
  for (int part = 0; part < 2; part++) {
    __m512 scale = _mm512_loadu_ps(scales + part * HALF_TILE);
    for (int t = 0; t < TILE_TOKENS; t++) {
      float *spot = kept->rows[t] + part * HALF_TILE;
      __m512 factor = _mm512_mul_ps(scale, _mm512_set1_ps(steps[t]));
      __m512 before = is_first ? _mm512_setzero_ps() : _mm512_loadu_ps(spot);
      _mm512_storeu_ps(spot, _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums[t][part]), factor, before));
    }
  }
}

static void store_kept(const ck_gemm *job, int64_t token, int64_t row, int64_t end, const group_sums *kept) {
  for (int t = 0; t < TILE_TOKENS && token + t < job->tokens; t++) {
    float *y = job->y + (token + t) * job->y_stride + row;
    for (int part = 0; part < 2; part++) {
      __m512 sums = _mm512_loadu_ps(kept->rows[t] + part * HALF_TILE);
      _mm512_mask_storeu_ps(y + part * HALF_TILE, lanes_left(end - row - part * HALF_TILE), sums);
    }
  }
}

static void load_tile(const ck_gemm *job, int64_t row, int64_t end, int64_t k, int64_t count, word_scratch *scratch,
                      word_tile *tile) {
  for (int part = 0; part < 2; part++) {
    float *half = scratch->floats + part * HALF_TILE;
    load_half_tile(job, row + part * HALF_TILE, end, k, count, scratch->decoded, half);
    fill_half(half, count, part, tile);
  }
}

// A chunk of a panel's rows times the tokens from `first` on.
static void multiply_chunk(const ck_gemm *job, int64_t first, int64_t last, int64_t tiles, int64_t k, int64_t count,
                           word_scratch *scratch) {
  int64_t group_words = (job->columns / 2 + (job->columns + DECODE_CHUNK - 1) / DECODE_CHUNK) * TILE_TOKENS;
  for (int64_t token = first; token < last; token += TILE_TOKENS) {
    const int32_t *words = job->words + token / TILE_TOKENS * group_words + k / DECODE_CHUNK * CHUNK_WORDS;
    group_sums *kept = scratch->kept[(token - first) / TILE_TOKENS];
    for (int64_t i = 0; i < tiles; i++) {
      __m512i sums[TILE_TOKENS][2];
      for (int t = 0; t < TILE_TOKENS; t++) sums[t][0] = sums[t][1] = _mm512_setzero_si512();
      prefetch_kept(kept + i);
      multiply_words(scratch->tiles + i, words, count / 2, group_words, sums);
      keep(scratch->tiles[i].scales, (const float *)(words + count / 2 * TILE_TOKENS), k == 0, sums, kept + i);
    }
  }
}

void gemm_words_avx512(const ck_gemm *job, int64_t begin, int64_t end) {
  word_scratch *scratch = (word_scratch *)job->scratch;
  for (int64_t first = 0; first < job->tokens; first += KEPT_TOKENS) {
    int64_t last = smaller(first + KEPT_TOKENS, job->tokens);
    for (int64_t row = begin; row < end; row += PANEL_ROWS) {
      int64_t tiles = (smaller(end - row, PANEL_ROWS) + TILE_ROWS - 1) / TILE_ROWS;
      for (int64_t k = 0; k < job->columns; k += DECODE_CHUNK) {
        int64_t count = smaller(job->columns - k, DECODE_CHUNK);
        for (int64_t i = 0; i < tiles; i++) load_tile(job, row + i * TILE_ROWS, end, k, count, scratch, scratch->tiles + i);
        multiply_chunk(job, first, last, tiles, k, count, scratch);
      }
      for (int64_t token = first; token < last; token += TILE_TOKENS) {
        const group_sums *kept = scratch->kept[(token - first) / TILE_TOKENS];
        for (int64_t i = 0; i < tiles; i++) store_kept(job, token, row + i * TILE_ROWS, end, kept + i);
      }
    }
  }
}

#pragma clang attribute pop
#endif
