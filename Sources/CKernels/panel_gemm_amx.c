// SPDX-License-Identifier: Apache-2.0
// Products of many tokens over panels for AMX: both sides are rounded to 16-bit floats (bf16), sums have 32 bits.
//
//   for each 256 rows, for each 512 tokens, for each chunk of 512 columns:
//     for each 32 rows: unpack their chunk to tiles (32 KiB: first cache): pair i of 32 columns of sixteen rows is row i
//       for each 32 tokens: four tiles of sums, for each 32 columns four products
// A chunk of the tokens (512 KiB) stays in the second cache for all rows, and passes the first one by; the next one is
// fetched meanwhile. The sums of a chunk wait in the scratch in the order of tiles; those of the last go to their places.
// A format is only its unpacking: scales are in the weights, so that no sum is scaled. Rows and tokens that a block lacks
// are those of its first half again, and nobody reads their sums.
#if defined(__x86_64__)
#include "panels.h"
#include "tiles.h"

#pragma clang attribute push(__attribute__((target(TILES_TARGET))), apply_to = function)

#include "panel_words_avx512.h"
#include "panel_formats.h"
#include "panel_groups.h"
#include "panel_codebooks.h"
#include "panel_fp8.h"
#include "exp_avx512.h"

enum {
  BLOCK_ROWS = 256, BLOCK_TOKENS = 512, CHUNK = 512, PAIR = 2 * TILE_SIDE,
  STEPS = CHUNK / TILE_DEPTH,
  QUAD_FLOATS = PAIR * PAIR, // sums of 32 tokens and 32 rows: four tiles
};

typedef struct {
  uint8_t weights[2][STEPS][TILE_BYTES];
  float sums[BLOCK_ROWS / PAIR][BLOCK_TOKENS / PAIR][QUAD_FLOATS];
} tile_scratch;
_Static_assert(sizeof(tile_scratch) == TILES_SCRATCH_BYTES, "the plan's scratch holds a block");

// Neighbouring columns of sixteen rows, each rounded: the earlier one is the lower half.
static inline vec pair(floats even, floats odd) { return side_by_side(rounded(even), rounded(odd)); }

// Four columns of sixteen rows to two rows of a tile.
static inline void store_codes(vec codes, floats scale, floats minimum, uint8_t *tile) {
  floats column[4];
#pragma clang loop unroll(full)
  for (int i = 0; i < 4; i++) {
    vec code = i == 3 ? lane_shifted(codes, 24) : lane_bits(lane_shifted(codes, 8 * i), 255);
    column[i] = _mm512_fmadd_ps(scale, to_floats(code), minimum);
  }
  _mm512_store_si512(tile, pair(column[0], column[1]));
  _mm512_store_si512(tile + TILE_STRIDE, pair(column[2], column[3]));
}

// One panel's chunk of quantised columns.
static inline __attribute__((always_inline)) void unpack(
    const panel_format *format, const uint8_t *block, int64_t steps, uint8_t *tile) {
  int in_block = format->elements / 32;
  for (int64_t first = 0; first < steps; first += in_block, block += format->bytes * CK_PANEL_ROWS) {
#pragma clang loop unroll(full)
    for (int g = 0; g < in_block; g++, tile += TILE_BYTES) {
      vec w[8];
      floats scale[2], minimum[2];
      format->codes(block, g, w);
      format->scales(block, g, scale, minimum);
      for (int half = 0; half < format->halves; half++) {
        if (!format->has_minima) minimum[half] = times(scale[half], _mm512_set1_ps(-128));
      }
#pragma clang loop unroll(full)
      for (int j = 0; j < 8; j++) {
        int half = format->halves == 2 ? j / 4 : 0;
        store_codes(w[j], scale[half], minimum[half], tile + j * 2 * TILE_STRIDE);
      }
    }
  }
}

// 16-bit floats of either kind: two columns of sixteen rows lie side by side.
static void unpack_halves(int type, const uint8_t *panel, int64_t steps, uint8_t *tile) {
  for (int64_t i = 0; i < steps * TILE_SIDE; i++, panel += 2 * HALF_BYTES, tile += TILE_STRIDE) {
    if (type == CK_F16) {
      _mm512_store_si512(tile, pair(halves_at(panel), halves_at(panel + HALF_BYTES)));
    } else {
      vec even = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)panel));
      vec odd = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(panel + HALF_BYTES)));
      _mm512_store_si512(tile, either(even, lane_shifted_left(odd, 16)));
    }
  }
}

static void unpack_fp8(const uint8_t *block, int64_t steps, uint8_t *tile) {
  for (int64_t i = 0; i < steps * TILE_SIDE; i++, tile += TILE_STRIDE) {
    int64_t column = i * 2 % FP8_COLUMNS;
    if (i && column == 0) block += FP8_BYTES * CK_PANEL_ROWS;
    floats scale = halves_at(block);
    _mm512_store_si512(tile, pair(times(fp8_at(block, column), scale), times(fp8_at(block, column + 1), scale)));
  }
}

#define UNPACK(type, format) case type: return unpack(&format, block, steps, tile);
static void unpack_panel(int type, const uint8_t *block, int64_t steps, uint8_t *tile) {
  switch (type) {
    case CK_F16: case CK_BF16: return unpack_halves(type, block, steps, tile);
    case CK_FP8: return unpack_fp8(block, steps, tile);
    EACH_PANEL_FORMAT(UNPACK)
  }
}

// Sixteen floats as 16-bit ones.
static inline __m256i narrowed(floats v) { return _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded(v), 16)); }

// Sixteen tokens' columns, each token a row: TILE_BYTES for every 32 columns.
void make_tiles_amx(const float *x, int64_t stride, int64_t tokens, int64_t columns, uint16_t *tiles) {
  for (int64_t k = 0; k < columns; k += TILE_DEPTH, tiles += TILE_BYTES / 2) {
    for (int64_t t = 0; t < TILE_SIDE; t++) {
      const float *row = x + t * stride + k;
      for (int64_t half = 0; half < 2; half++) {
        floats v = t < tokens ? _mm512_loadu_ps(row + half * 16) : _mm512_setzero_ps();
        _mm256_storeu_si256((__m256i *)(tiles + t * TILE_DEPTH + half * 16), narrowed(v));
      }
    }
  }
}

// Where 32 tokens' sums for 32 rows come from and go to, and what is fetched meanwhile.
typedef struct {
  const uint8_t *tokens[2], *rows[2]; // tiles, one after the other
  int64_t steps;
  float *sums;            // in the scratch, from one chunk to the next
  float *y;               // of the last chunk, where outputs go or are added to; null for the others
  int64_t y_stride;
  int is_direct;          // whether y takes whole tiles as they are
  const uint8_t *next_sums;               // 64 lines of the next quad's, to the first cache
  const uint8_t *next_tokens, *next_rows; // 64 and 32 lines of the next chunk's and the next rows', to the second cache
} quad;

static inline void start_sums(const quad *q, int is_first) {
  if (is_first) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  } else {
    LOAD_TILE_ONCE(0, q->sums);
    LOAD_TILE_ONCE(1, q->sums + QUAD_FLOATS / 4);
    LOAD_TILE_ONCE(2, q->sums + QUAD_FLOATS / 2);
    LOAD_TILE_ONCE(3, q->sums + QUAD_FLOATS / 4 * 3);
  }
}

static inline void end_sums(const quad *q) {
  if (q->is_direct) {
    int64_t stride = q->y_stride * 4;
    STORE_TILE(0, q->y, stride);
    STORE_TILE(1, q->y + TILE_SIDE, stride);
    STORE_TILE(2, q->y + TILE_SIDE * q->y_stride, stride);
    STORE_TILE(3, q->y + TILE_SIDE * q->y_stride + TILE_SIDE, stride);
  } else {
    STORE_TILE(0, q->sums, TILE_STRIDE);
    STORE_TILE(1, q->sums + QUAD_FLOATS / 4, TILE_STRIDE);
    STORE_TILE(2, q->sums + QUAD_FLOATS / 2, TILE_STRIDE);
    STORE_TILE(3, q->sums + QUAD_FLOATS / 4 * 3, TILE_STRIDE);
  }
}

// One of sixteen steps' share of what will be wanted: outputs and sums soon, tokens and rows later.
static inline void fetch_ahead(const quad *q, int64_t step) {
  if (q->y) {
    const float *y = q->y + step * 2 * q->y_stride;
    __builtin_prefetch(y, 1);
    __builtin_prefetch(y + TILE_SIDE, 1);
    __builtin_prefetch(y + q->y_stride, 1);
    __builtin_prefetch(y + q->y_stride + TILE_SIDE, 1);
  }
#pragma clang loop unroll(full)
  for (int i = 0; i < 4; i++) {
    __builtin_prefetch(q->next_sums + (step * 4 + i) * 64, 1);
    _mm_prefetch(q->next_tokens + (step * 4 + i) * 64, _MM_HINT_T1);
  }
#pragma clang loop unroll(full)
  for (int i = 0; i < 2; i++) _mm_prefetch(q->next_rows + (step * 2 + i) * 64, _MM_HINT_T1);
}

// 32 tokens times 32 rows: tokens in tiles 4 and 5, which pass the first cache by, rows in 6 and 7.
static inline void multiply_quad(const quad *q, int is_first) {
  start_sums(q, is_first);
  for (int64_t step = 0, at = 0; step < q->steps; step++, at += TILE_BYTES) {
    LOAD_TILE(6, q->rows[0] + at);
    LOAD_TILE_ONCE(4, q->tokens[0] + at);
    LOAD_TILE(7, q->rows[1] + at);
    LOAD_TILE_ONCE(5, q->tokens[1] + at);
    ADD_PRODUCTS(0, 4, 6);
    ADD_PRODUCTS(1, 4, 7);
    ADD_PRODUCTS(2, 5, 6);
    ADD_PRODUCTS(3, 5, 7);
    fetch_ahead(q, step);
  }
  end_sums(q);
}

// Sixteen rows' sums of one token.
static inline floats *sums_at(float *sums, int64_t t, int64_t panel) {
  return (floats *)(sums + (t / TILE_SIDE * 2 + panel) * (QUAD_FLOATS / 4) + t % TILE_SIDE * TILE_SIDE);
}

// The sums of 32 tokens and 32 rows that are not all there, or are added to what is, to their places.
static void store_sums(const quad *q, int adds, int64_t tokens, int64_t panels) {
  for (int64_t t = 0; t < tokens; t++) {
    for (int64_t p = 0; p < panels; p++) {
      float *y = q->y + t * q->y_stride + p * CK_PANEL_ROWS;
      floats sum = *sums_at(q->sums, t, p);
      _mm512_storeu_ps(y, adds ? _mm512_add_ps(_mm512_loadu_ps(y), sum) : sum);
    }
  }
}

// g / (1 + e^-g), the quotient by a reciprocal of fourteen bits and a step of Newton's. Beyond 2^-126 it is zero to all.
static inline floats silu(floats g) {
  floats power = _mm512_min_ps(_mm512_mul_ps(g, _mm512_set1_ps(-1.44269504f)), _mm512_set1_ps(126));
  floats below = _mm512_add_ps(_mm512_set1_ps(1), exp2_avx512(power));
  floats share = _mm512_rcp14_ps(below);
  share = _mm512_mul_ps(share, _mm512_fnmadd_ps(below, share, _mm512_set1_ps(2)));
  return _mm512_mul_ps(g, share);
}

// Gated sums of 32 tokens to the tiles that the next product reads: rows here are columns there. Those of the gate lie in
// the scratch before those of the rows that it gates. Nobody reads these tiles soon: they pass the caches by.
static void store_gated(const quad *q, uint8_t *tiles, int64_t tokens, int64_t panels) {
  float *gates = q->sums - BLOCK_TOKENS / PAIR * QUAD_FLOATS;
  for (int64_t t = 0; t < (tokens + TILE_SIDE - 1) / TILE_SIDE * TILE_SIDE; t++) {
    __m256i half[2];
    for (int64_t p = 0; p < panels; p++) {
      floats gated = _mm512_mul_ps(silu(*sums_at(gates, t, p)), *sums_at(q->sums, t, p));
      half[p] = narrowed(gated);
    }
    uint8_t *to = tiles + t / TILE_SIDE * q->y_stride * TILE_STRIDE / 2 + t % TILE_SIDE * TILE_STRIDE;
    if (panels == 2) _mm512_stream_si512((vec *)to, _mm512_inserti64x4(_mm512_castsi256_si512(half[0]), half[1], 1));
    else _mm256_store_si256((__m256i *)to, half[0]);
  }
}

// A chunk of a block's columns: from which on and how many steps of 32.
typedef struct {
  const ck_panel_job *job;
  int64_t row, panels, token, tokens, column, steps;
} chunk;

// Two panels of a chunk: whose weights, and where their sums wait. A gate's come before those of the rows it gates.
typedef struct {
  const void *weights;
  int64_t panel, place;
  int is_gate;
} rows_pair;

static inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

// Tiles of sixteen tokens from a column on.
static inline const uint8_t *tiles_at(const ck_panel_job *job, int64_t token, int64_t column) {
  return (const uint8_t *)job->input + (token / TILE_SIDE * job->columns + column) * TILE_SIDE * 2;
}

// The same of the tiles that gated sums become, where a panel's columns may be the second half of a tile's.
static inline uint8_t *gated_at(const ck_panel_job *job, int64_t token, int64_t row) {
  int64_t in_tile = row % TILE_DEPTH, first = row - in_tile;
  return (uint8_t *)job->gated + (token / TILE_SIDE * job->y_stride + first) * TILE_SIDE * 2 + in_tile * 2;
}

// Two panels' chunk times the tokens. The next rows' panels, of which the chunk's bytes are fetched by eighths, lie
// panel_bytes apart.
static void multiply_pair(const chunk *c, const rows_pair *rows, const uint8_t *next_rows, int64_t panel_bytes,
                          tile_scratch *scratch) {
  const ck_panel_job *job = c->job;
  int64_t next_column = c->column + CHUNK < job->columns ? c->column + CHUNK : 0;
  int64_t row = c->row + rows->panel * CK_PANEL_ROWS, panels = smaller(c->panels - rows->panel, 2);
  int64_t eighth = panel_bytes / job->columns * c->steps * TILE_DEPTH / 8;
  int is_last = next_column == 0 && !rows->is_gate;
  float *sums = scratch->sums[rows->place][0];
  for (int64_t t = 0; t < c->tokens; t += PAIR, sums += QUAD_FLOATS) {
    int64_t token = c->token + t, tokens = smaller(c->tokens - t, PAIR);
    int64_t quarter = rows->place * (BLOCK_TOKENS / PAIR) + t / PAIR; // of sixteen tokens' chunk, 64 lines
    const uint8_t *input = tiles_at(job, token, c->column);
    quad q = {
      .tokens = {input, tokens > TILE_SIDE ? tiles_at(job, token + TILE_SIDE, c->column) : input},
      .rows = {scratch->weights[0][0], scratch->weights[panels - 1][0]},
      .steps = c->steps, .sums = sums, .y_stride = job->y_stride,
      .y = is_last && !job->gate ? job->y + token * job->y_stride + row : 0,
      .is_direct = is_last && !job->gate && !job->adds && panels == 2 && tokens == PAIR,
      .next_sums = (const uint8_t *)(t + PAIR < c->tokens ? sums + QUAD_FLOATS : sums),
      .next_tokens = tiles_at(job, c->token + quarter / 4 * TILE_SIDE, next_column) + quarter % 4 * 64 * 64,
      .next_rows = next_rows + t / PAIR % 8 * eighth + t / PAIR / 8 * panel_bytes,
    };
    multiply_quad(&q, c->column == 0);
    if (is_last && job->gate) store_gated(&q, gated_at(job, token, row), tokens, panels);
    else if (is_last && !q.is_direct) store_sums(&q, job->adds, tokens, panels);
  }
}

static void unpack_pair(const chunk *c, const rows_pair *rows, tile_scratch *scratch) {
  int64_t elements = ck_block_elements(c->job->type), bytes = ck_block_bytes(c->job->type) * CK_PANEL_ROWS;
  int64_t panel_bytes = c->job->columns / elements * bytes;
  const uint8_t *first = (const uint8_t *)rows->weights + (c->row / CK_PANEL_ROWS + rows->panel) * panel_bytes
    + c->column / elements * bytes;
  unpack_panel(c->job->type, first, c->steps, scratch->weights[0][0]);
  if (rows->panel + 1 < c->panels) unpack_panel(c->job->type, first + panel_bytes, c->steps, scratch->weights[1][0]);
  multiply_pair(c, rows, first + 2 * panel_bytes, panel_bytes, scratch);
}

static void multiply_chunk(const chunk *c, tile_scratch *scratch) {
  int64_t place = 0;
  for (int64_t panel = 0; panel < c->panels; panel += 2) {
    if (c->job->gate) {
      unpack_pair(c, &(rows_pair){.weights = c->job->gate, .panel = panel, .place = place++, .is_gate = 1}, scratch);
    }
    unpack_pair(c, &(rows_pair){.weights = c->job->panels, .panel = panel, .place = place++}, scratch);
  }
}

void panel_tiles_amx(const ck_panel_job *job, int64_t begin, int64_t end) {
  int64_t block_rows = job->gate ? BLOCK_ROWS / 2 : BLOCK_ROWS;
  begin_tiles();
  for (int64_t row = begin; row < end; row += block_rows) {
    for (int64_t token = 0; token < job->tokens; token += BLOCK_TOKENS) {
      for (int64_t k = 0; k < job->columns; k += CHUNK) {
        chunk c = {
          .job = job, .row = row, .panels = smaller(end - row, block_rows) / CK_PANEL_ROWS,
          .token = token, .tokens = smaller(job->tokens - token, BLOCK_TOKENS),
          .column = k, .steps = smaller(job->columns - k, CHUNK) / TILE_DEPTH,
        };
        multiply_chunk(&c, job->scratch);
      }
    }
  }
  if (job->gate) _mm_sfence(); // what passed the caches by is there when the job is joined
  end_tiles();
}

// From registers: 8,192 multiply-adds an instruction, on four chains of sums.
static void multiply_registers(int64_t rounds) {
  for (int64_t i = 0; i < rounds; i++) {
    ADD_PRODUCTS(0, 4, 5);
    ADD_PRODUCTS(1, 4, 5);
    ADD_PRODUCTS(2, 4, 5);
    ADD_PRODUCTS(3, 4, 5);
  }
}

// With the loads that no product of tiles is without, two of either side for four products: a chunk of 32 rows from the
// first cache, one of 512 tokens from the second.
static void multiply_loaded(const tile_scratch *room, int64_t rounds) {
  const uint8_t *tokens = (const uint8_t *)room->sums;
  for (int64_t i = 0; i < rounds; i++) {
    int64_t row = i % STEPS, token = i / STEPS % (BLOCK_TOKENS / PAIR) * 2 * STEPS + row;
    LOAD_TILE(6, room->weights[0][row]);
    LOAD_TILE_ONCE(4, tokens + token * TILE_BYTES);
    LOAD_TILE(7, room->weights[1][row]);
    LOAD_TILE_ONCE(5, tokens + (token + STEPS) * TILE_BYTES);
    ADD_PRODUCTS(0, 4, 6);
    ADD_PRODUCTS(1, 4, 7);
    ADD_PRODUCTS(2, 5, 6);
    ADD_PRODUCTS(3, 5, 7);
  }
}

// The ceiling of every product by tiles.
float tile_peak_amx(const void *room, int64_t rounds, double *operations) {
  float sums[TILE_SIDE * TILE_SIDE];
  for (int i = 0; i < TILE_SIDE * TILE_SIDE; i++) sums[i] = 0.0009765625f; // as pairs of 16-bit floats: 2^-10 and 0
  begin_tiles();
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  LOAD_TILE(4, sums);
  LOAD_TILE(5, sums);
  if (room) multiply_loaded(room, rounds);
  else multiply_registers(rounds);
  STORE_TILE(0, sums, TILE_STRIDE);
  end_tiles();
  *operations = (double)rounds * 4 * 2 * TILE_SIDE * TILE_SIDE * TILE_DEPTH;
  return sums[0];
}

#pragma clang attribute pop
#endif
