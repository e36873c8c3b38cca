// SPDX-License-Identifier: Apache-2.0
// Products of many tokens over panels for NEON: the structure of the AVX-512 twin, one panel and four tokens at a time.
// A format is only its unpacking; an extension only how a tile's codes lie and how they are multiplied.
#if defined(__aarch64__)
#include "dots_neon.h"
#include "panel_words_neon.h"
#include "rows_neon.h"
#include "panel_formats.h"
#include "panel_groups.h"
#include "panel_codebooks.h"

enum { PANELS = 4, CHUNK = 256, TOKENS = NEON_GROUP, MOST_SCALES = CHUNK / 16 };

// A chunk of one panel.
typedef struct {
  vec codes[CHUNK / 4];
  floats scales[MOST_SCALES];
  floats minima[MOST_SCALES];
} panel_tile;

_Static_assert(PANELS * sizeof(panel_tile) <= GEMM_SCRATCH_BYTES, "the plan's scratch holds the tiles");

// dots[token] = Σ codes · values over `quads` words; a line of values holds a word of each token.
typedef void (*product)(const vec *codes, const int32_t *values, int quads, sums dots[TOKENS]);

CK_INLINE void multiply_words(quad_dot dot, const vec *codes, const int32_t *values, int quads, sums dots[TOKENS]) {
  for (int t = 0; t < TOKENS; t++) {
    for (int p = 0; p < PARTS; p++) dots[t].q[p] = vdupq_n_s32(0);
  }
  for (int j = 0; j < quads; j++) {
    int32x4_t line = vld1q_s32(values + j * TOKENS);
    for (int t = 0; t < TOKENS; t++) {
      int8x16_t q = vreinterpretq_s8_s32(vdupq_n_s32(line[t]));
      for (int p = 0; p < PARTS; p++) dots[t].q[p] = dot(dots[t].q[p], vreinterpretq_s8_u8(codes[j].q[p]), q);
    }
  }
}
static inline void multiply_widening(const vec *codes, const int32_t *values, int quads, sums dots[TOKENS]) {
  multiply_words(dot_widening, codes, values, quads, dots);
}
CK_DOTPROD static inline void multiply_quads(const vec *codes, const int32_t *values, int quads, sums dots[TOKENS]) {
  multiply_words(dot_quads, codes, values, quads, dots);
}

// SMMLA multiplies eight columns of two rows with eight columns of two tokens: a register holds two rows' words j and
// j + 1, and a panel's sixteen rows lie in the parts of both words.
static void pair_words(panel_tile *tile, int64_t words) {
  for (int64_t j = 0; j < words; j += 2) {
    vec even = tile->codes[j], odd = tile->codes[j + 1];
    for (int p = 0; p < PARTS; p++) {
      tile->codes[j].q[p] = bytes(vzip1q_u32(lanes(even.q[p]), lanes(odd.q[p])));
      tile->codes[j + 1].q[p] = bytes(vzip2q_u32(lanes(even.q[p]), lanes(odd.q[p])));
    }
  }
}
CK_I8MM static inline void multiply_pairs(const vec *codes, const int32_t *values, int quads, sums dots[TOKENS]) {
  int32x4_t squares[TOKENS / 2][PARTS][2]; // two rows of either half of a part, by two tokens
  for (int t = 0; t < TOKENS / 2; t++) {
    for (int p = 0; p < PARTS; p++) squares[t][p][0] = squares[t][p][1] = vdupq_n_s32(0);
  }
  for (int j = 0; j < quads; j += 2) {
    int32x4_t even = vld1q_s32(values + j * TOKENS), odd = vld1q_s32(values + (j + 1) * TOKENS);
    int8x16_t q[2] = {vreinterpretq_s8_s32(vzip1q_s32(even, odd)), vreinterpretq_s8_s32(vzip2q_s32(even, odd))};
    for (int p = 0; p < PARTS; p++) {
      for (int side = 0; side < 2; side++) {
        int8x16_t rows = vreinterpretq_s8_u8(codes[j + side].q[p]);
        for (int t = 0; t < TOKENS / 2; t++) squares[t][p][side] = vmmlaq_s32(squares[t][p][side], rows, q[t]);
      }
    }
  }
  for (int t = 0; t < TOKENS / 2; t++) {
    for (int p = 0; p < PARTS; p++) {
      dots[2 * t].q[p] = vuzp1q_s32(squares[t][p][0], squares[t][p][1]);
      dots[2 * t + 1].q[p] = vuzp2q_s32(squares[t][p][0], squares[t][p][1]);
    }
  }
}

CK_INLINE void unpack(const panel_format *format, const uint8_t *block, int64_t groups, panel_tile *tile) {
  int in_block = format->elements / 32;
  for (int64_t first = 0; first < groups; first += in_block, block += format->bytes * CK_PANEL_ROWS) {
#pragma GCC unroll 8
    for (int g = 0; g < in_block; g++) {
      vec w[8];
      floats scale[2], minimum[2];
      format->codes(block, g, w);
      format->scales(block, g, scale, minimum);
      for (int j = 0; j < 8; j++) tile->codes[(first + g) * 8 + j] = signed_codes(format->has_minima, w[j]);
      for (int half = 0; half < format->halves; half++) {
        int64_t at = (first + g) * format->halves + half;
        tile->scales[at] = scale[half];
        if (format->has_minima) tile->minima[at] = minimum[half];
      }
    }
  }
}

#define UNPACK(type, format) case type: return unpack(&format, block, groups, tile);
static void unpack_panel(int type, const uint8_t *block, int64_t groups, panel_tile *tile) {
  switch (type) {
    EACH_PANEL_FORMAT(UNPACK)
  }
}

// Four tokens times a panel's chunk.
CK_INLINE void multiply(product dots_of, const panel_tile *tile, const int32_t *record, int64_t groups, int halves,
                        int has_minima, floats y[TOKENS]) {
  int quads = 8 / halves;
  for (int64_t part = 0; part < groups * halves; part++) {
    int half = halves == 2 ? (int)(part & 1) : 0, sum_line = halves == 1 ? 1 : 2 + half;
    sums dots[TOKENS];
    dots_of(tile->codes + part * quads, record + (7 + half * 4) * TOKENS, quads, dots);
    for (int t = 0; t < TOKENS; t++) {
      y[t] = fused(y[t], scaled(tile->scales[part], dots[t]), float_of(record + t));
      if (has_minima) y[t] = fused(y[t], tile->minima[part], float_of(record + sum_line * TOKENS + t));
    }
    if (half == halves - 1) record += CK_RECORD_WORDS * TOKENS;
  }
}

CK_INLINE void multiply_tile(product dots_of, int type, const panel_tile *tile, const int32_t *record, int64_t groups,
                             floats y[TOKENS]) {
  switch (type) {
    case CK_Q4_1: case CK_Q5_1: case CK_Q4_K: case CK_Q5_K: case CK_INT4_G32: case CK_INT4_G64: case CK_INT4_G128:
    case CK_UINT8_G32: case CK_UINT8_G128:
      return multiply(dots_of, tile, record, groups, 1, 1, y);
    case CK_Q3_K: case CK_Q6_K: case CK_IQ2_XS: case CK_IQ2_S: case CK_IQ1_M:
      return multiply(dots_of, tile, record, groups, 2, 0, y);
    case CK_Q2_K: return multiply(dots_of, tile, record, groups, 2, 1, y);
    default: return multiply(dots_of, tile, record, groups, 1, 0, y);
  }
}

static inline void store(const ck_panel_job *job, int64_t token, int64_t row, int is_first, const floats y[TOKENS]) {
  for (int t = 0; t < TOKENS && token + t < job->tokens; t++) {
    float *out = job->y + (token + t) * job->y_stride + row;
    for (int p = 0; p < PARTS; p++) vst1q_f32(out + 4 * p, is_first ? y[t].q[p] : vld1q_f32(out + 4 * p) + y[t].q[p]);
  }
}

static void multiply_floats(const ck_panel_job *job, int64_t begin, int64_t end) {
  ck_gemm gemm = {
    .weights = job->panels, .is_interleaved = 1, .panel_type = job->type,
    .decode = ck_decoder_of(&kernels_neon, job->type),
    .packed = job->input, .tokens = job->tokens, .columns = job->columns, .y = job->y, .y_stride = job->y_stride,
    .scratch = job->scratch, .block_elements = 1, .block_bytes = ck_block_bytes(job->type),
  };
  gemm_neon(&gemm, begin, end);
}

// Up to four panels' chunk, unpacked.
static inline int64_t unpack_tiles(const ck_panel_job *job, int64_t row, int64_t end, int64_t k, int64_t groups) {
  panel_tile *tiles = job->scratch;
  int64_t elements = ck_block_elements(job->type), bytes = ck_block_bytes(job->type) * CK_PANEL_ROWS, panel = 0;
  for (; panel < PANELS && row + panel * CK_PANEL_ROWS < end; panel++) {
    int64_t block = (row / CK_PANEL_ROWS + panel) * (job->columns / elements) + k / elements;
    unpack_panel(job->type, (const uint8_t *)job->panels + block * bytes, groups, tiles + panel);
  }
  return panel;
}

CK_INLINE void multiply_rows(product dots_of, int is_paired, const ck_panel_job *job, int64_t begin, int64_t end) {
  if (ck_panel_input(job->type) == CK_INPUT_F32) return multiply_floats(job, begin, end);
  panel_tile *tiles = job->scratch;
  int64_t record_words = job->columns / 32 * CK_RECORD_WORDS;
  for (int64_t row = begin; row < end; row += PANELS * CK_PANEL_ROWS) {
    for (int64_t k = 0; k < job->columns; k += CHUNK) {
      int64_t groups = (job->columns - k < CHUNK ? job->columns - k : CHUNK) / 32;
      int64_t panels = unpack_tiles(job, row, end, k, groups);
      for (int64_t panel = 0; panel < panels && is_paired; panel++) pair_words(tiles + panel, groups * 8);
      for (int64_t token = 0; token < job->tokens; token += TOKENS) {
        const int32_t *record = (const int32_t *)job->input + token * record_words + k / 32 * CK_RECORD_WORDS * TOKENS;
        for (int64_t panel = 0; panel < panels; panel++) {
          floats y[TOKENS];
          for (int t = 0; t < TOKENS; t++) y[t] = zero();
          multiply_tile(dots_of, job->type, tiles + panel, record, groups, y);
          store(job, token, row + panel * CK_PANEL_ROWS, k == 0, y);
        }
      }
    }
  }
}

void panel_gemm_neon(const ck_panel_job *job, int64_t begin, int64_t end) {
  multiply_rows(multiply_widening, 0, job, begin, end);
}
CK_DOTPROD void panel_gemm_dotprod(const ck_panel_job *job, int64_t begin, int64_t end) {
  multiply_rows(multiply_quads, 0, job, begin, end);
}
CK_I8MM void panel_gemm_i8mm(const ck_panel_job *job, int64_t begin, int64_t end) {
  multiply_rows(multiply_pairs, 1, job, begin, end);
}
#endif
