// SPDX-License-Identifier: Apache-2.0
// Compares every kernel of every row that this processor can run with the portable twin or with doubles, on seeded random
// blocks: a program of its own, so that rows of another architecture run under an emulator. It prints one line for each:
//   <row> <kernel> <largest error as a fraction of its bound>
// Bounds are those of the Swift tests beside it; exact kernels have a bound of nothing, and print 0 or inf.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "CKernels.h"

// SplitMix64.
static uint64_t seed = 1;
static uint64_t random_word(void) {
  uint64_t z = seed += 0x9E3779B97F4A7C15;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}
static float random_float(float most) { return most * (float)((double)(random_word() >> 11) * 0x1p-52 - 1); }
static float *random_floats(int64_t count, float most) {
  float *x = malloc((size_t)(count + 16) * sizeof(float));
  for (int64_t i = 0; i < count + 16; i++) x[i] = random_float(most);
  return x;
}

static const char *const names[CK_TYPE_COUNT] = {
  [CK_F32] = "f32", [CK_F16] = "f16", [CK_Q4_0] = "q4_0", [CK_Q4_1] = "q4_1", [CK_Q5_0] = "q5_0", [CK_Q5_1] = "q5_1",
  [CK_Q8_0] = "q8_0", [CK_Q8_1] = "q8_1", [CK_Q2_K] = "q2_k", [CK_Q3_K] = "q3_k", [CK_Q4_K] = "q4_k",
  [CK_Q5_K] = "q5_k", [CK_Q6_K] = "q6_k", [CK_Q8_K] = "q8_k", [CK_IQ2_XXS] = "iq2_xxs", [CK_IQ2_XS] = "iq2_xs",
  [CK_IQ3_XXS] = "iq3_xxs", [CK_IQ1_S] = "iq1_s", [CK_IQ4_NL] = "iq4_nl", [CK_IQ3_S] = "iq3_s", [CK_IQ2_S] = "iq2_s",
  [CK_IQ4_XS] = "iq4_xs", [CK_IQ1_M] = "iq1_m", [CK_BF16] = "bf16", [CK_TQ1_0] = "tq1_0", [CK_TQ2_0] = "tq2_0",
  [CK_MXFP4] = "mxfp4", [CK_INT4_G32] = "int4_g32", [CK_INT4_G64] = "int4_g64", [CK_INT4_G128] = "int4_g128",
  [CK_UINT8_G32] = "uint8_g32", [CK_UINT8_G128] = "uint8_g128", [CK_INT8_G128] = "int8_g128", [CK_NF4] = "nf4",
  [CK_FP4] = "fp4", [CK_FP8] = "fp8", [CK_SPARSE_2_4] = "sparse_2_4", [CK_SPARSE_4_8] = "sparse_4_8",
  [CK_KEPT_MASK] = "kept_mask", [CK_KEPT_LIST] = "kept_list",
};

// Where a block's half-precision scales stand; −1 for none.
static void scale_places(int type, int places[2]) {
  places[0] = 0;
  places[1] = -1;
  switch (type) {
    case CK_Q4_1: case CK_Q5_1: case CK_Q8_1: case CK_Q4_K: case CK_Q5_K: places[1] = 2; break;
    case CK_Q2_K: places[0] = 80; places[1] = 82; break;
    case CK_Q3_K: places[0] = 108; break;
    case CK_Q6_K: places[0] = 208; break;
    case CK_TQ1_0: places[0] = 52; break;
    case CK_TQ2_0: places[0] = 64; break;
    case CK_IQ1_M: case CK_MXFP4: case CK_F32: case CK_F16: case CK_BF16: case CK_Q8_K: case CK_SPARSE_2_4:
    case CK_SPARSE_4_8: places[0] = -1; break;
    default: break;
  }
}

// Rows of random blocks with sane scales.
static uint8_t *random_blocks(int type, int64_t elements) {
  int64_t blocks = elements / ck_block_elements(type), size = ck_block_bytes(type);
  uint8_t *bytes = malloc((size_t)(blocks * size + 16));
  int places[2];
  scale_places(type, places);
  for (int64_t i = 0; i < blocks * size; i++) bytes[i] = (uint8_t)random_word();
  for (int64_t b = 0; b < blocks; b++) {
    uint8_t *block = bytes + b * size;
    float value = random_float(1);
    uint32_t bits;
    memcpy(&bits, &value, 4);
    uint16_t half = type == CK_BF16 ? (uint16_t)(bits >> 16) : ck_float_to_half(value);
    for (int i = 0; i < 2 && places[i] >= 0; i++) {
      uint16_t scale = ck_float_to_half(random_float(0.02f));
      memcpy(block + places[i], &scale, 2);
    }
    // Every kept half of a sparse block.
    for (int64_t i = size - 32; i < size && (type == CK_SPARSE_2_4 || type == CK_SPARSE_4_8); i += 2) {
      uint16_t kept = ck_float_to_half(random_float(0.02f));
      memcpy(block + i, &kept, 2);
    }
    if (type == CK_F32 || type == CK_Q8_K) memcpy(block, &value, 4);
    if (type == CK_F16 || type == CK_BF16) memcpy(block, &half, 2);
    if (type == CK_IQ1_M) block[55] &= 0x3f;             // its scale stays finite
    if (type == CK_MXFP4) block[0] = 120 + block[0] % 8; // its exponent stays near one
  }
  return bytes;
}

static double larger(double a, double b) { return a > b || isnan(a) ? a : b; }
static double fraction(double error, double bound) { return error == 0 ? 0 : fabs(error) / bound; }
// Nothing where all bytes agree, infinity otherwise.
static double difference(const void *a, const void *b, size_t bytes) { return memcmp(a, b, bytes) ? INFINITY : 0; }
static void report(const ck_kernels *row, const char *kernel, const char *type, double worst) {
  printf("%s %s%s%s %.3g\n", row->name, kernel, *type ? "_" : "", type, worst);
}

typedef struct {
  int type;
  int64_t rows, columns;
  size_t row_bytes;
  uint8_t *blocks;
  uint8_t *panels;
  float *decoded;
  double largest;
} matrix;

// Rows of which about a third of the weights is kept, with room for one more than the fullest has.
static matrix random_kept_matrix(int type, int64_t rows, int64_t columns) {
  matrix m = {.type = type, .rows = rows, .columns = columns};
  m.decoded = calloc((size_t)(rows * columns), sizeof(float));
  uint64_t room = 1;
  for (int64_t row = 0; row < rows; row++) {
    uint64_t kept = 1;
    for (int64_t k = 0; k < columns; k++) {
      float value = ck_half_to_float(ck_float_to_half(random_float(0.02f)));
      if (random_word() % 3 == 0) m.decoded[row * columns + k] = value, kept++;
      m.largest = larger(fabs((double)value), m.largest);
    }
    room = kept > room ? kept : room;
  }
  m.row_bytes = room * (type == CK_KEPT_MASK ? 2 : 4) + (type == CK_KEPT_MASK ? (size_t)columns / 8 : 0);
  m.blocks = calloc((size_t)rows, m.row_bytes);
  for (int64_t row = 0; row < rows; row++) {
    uint8_t *bytes = m.blocks + (size_t)row * m.row_bytes;
    uint16_t *values = (uint16_t *)(void *)bytes, *places = values + room;
    for (size_t i = 0; type == CK_KEPT_LIST && i < room; i++) places[i] = (uint16_t)(columns - 1);
    for (int64_t k = 0; k < columns; k++) {
      float value = m.decoded[row * columns + k];
      if (value == 0) continue;
      *values++ = ck_float_to_half(value);
      if (type == CK_KEPT_LIST) *places++ = (uint16_t)k;
      if (type == CK_KEPT_MASK) bytes[room * 2 + (size_t)k / 8] |= (uint8_t)(1 << k % 8);
    }
  }
  return m;
}

static matrix random_matrix(int type, int64_t rows, int64_t columns) {
  if (ck_is_kept(type)) return random_kept_matrix(type, rows, columns);
  matrix m = {.type = type, .rows = rows, .columns = columns, .blocks = random_blocks(type, rows * columns)};
  m.row_bytes = (size_t)(columns / ck_block_elements(type) * ck_block_bytes(type));
  m.decoded = malloc((size_t)(rows * columns) * sizeof(float));
  m.panels = malloc(m.row_bytes * (size_t)rows);
  ck_decoder_of(ck_kernels_for(CK_PORTABLE), type)(m.blocks, m.decoded, rows * columns);
  for (int64_t i = 0; i < rows * columns; i++) m.largest = larger(fabs((double)m.decoded[i]), m.largest);
  if (ck_has_panels(type)) {
    for (int64_t row = 0; row + CK_PANEL_ROWS <= rows; row += CK_PANEL_ROWS) {
      size_t at = (size_t)row * m.row_bytes;
      ck_interleave(type, m.blocks + at, columns / ck_block_elements(type), m.panels + at);
    }
  }
  return m;
}
static void release(matrix *m) {
  free(m->blocks);
  free(m->panels);
  free(m->decoded);
}

// y's distance from the sum in doubles over its bound on any order of float sums (see PanelTests and ProductTests).
// Vector products round levels that are no whole numbers to steps of a hundred-and-twentieth or less.
static double product_error(const matrix *m, int64_t row, const double *x, float y) {
  double sum = 0, magnitude = 0, inputs = 0, level = m->type == CK_NF4 || m->type == CK_FP4 ? 0.5 / 120 : 0;
  for (int64_t k = 0; k < m->columns; k++) {
    double w = (double)m->decoded[row * m->columns + k];
    sum += w * x[k];
    magnitude += (fabs(w) + m->largest) * fabs(x[k]);
    inputs += fabs(x[k]);
  }
  double roundings = (double)(m->columns / 8 + 16) * 0x1p-23 * magnitude;
  return fraction((double)y - sum, roundings + level * m->largest * inputs + 1e-30);
}

// What a row's matvec of one input reads, and what that stands for.
typedef struct {
  ck_activations forms;
  double *represented[CK_INPUT_RECORDS];
} input;

static input quantized(const ck_kernels *row, const float *x, int64_t columns) {
  int8_t *q32 = calloc((size_t)columns, 1), *q256 = calloc((size_t)columns, 1);
  float *d32 = calloc((size_t)columns, 4), *s32 = calloc((size_t)columns, 4), *d256 = calloc((size_t)columns, 4);
  int16_t *sums = calloc((size_t)columns, 2);
  row->quantize_32(x, columns, q32, d32, s32);
  row->quantize_256(x, columns, q256, d256, sums);
  input in = {.forms = {x, q32, d32, s32, q256, d256, sums}};
  for (int form = 0; form < CK_INPUT_RECORDS; form++) in.represented[form] = calloc((size_t)columns, sizeof(double));
  for (int64_t k = 0; k < columns; k++) {
    in.represented[CK_INPUT_F32][k] = (double)x[k];
    in.represented[CK_INPUT_BLOCKS_32][k] = (double)q32[k] * (double)d32[k / 32];
    in.represented[CK_INPUT_BLOCKS_256][k] = (double)q256[k] * (double)d256[k / 256];
  }
  return in;
}

static void compare_decoders(const ck_kernels *row) {
  for (int type = 0; type < CK_TYPE_COUNT; type++) {
    ck_decoder decode = ck_decoder_of(row, type), twin = ck_decoder_of(ck_kernels_for(CK_PORTABLE), type);
    if (!decode) continue;
    uint8_t *blocks = random_blocks(type, 768);
    float out[768 + 8], expected[768 + 8];
    for (int i = 0; i < 768 + 8; i++) out[i] = expected[i] = 777;
    decode(blocks, out, 768);
    twin(blocks, expected, 768);
    report(row, "decode", names[type], difference(out, expected, sizeof out));
    free(blocks);
  }
}

static void compare_quantisers(const ck_kernels *row) {
  enum { COLUMNS = 1280 };
  const ck_kernels *portable = ck_kernels_for(CK_PORTABLE);
  float *x = random_floats(COLUMNS, 3);
  memset(x + 512, 0, 256 * sizeof(float));
  input mine = quantized(row, x, COLUMNS), twin = quantized(portable, x, COLUMNS);
  double worst = difference(mine.forms.q32, twin.forms.q32, COLUMNS);
  worst = larger(worst, difference(mine.forms.d32, twin.forms.d32, COLUMNS * 4));
  report(row, "quantize_32", "", larger(worst, difference(mine.forms.s32, twin.forms.s32, COLUMNS * 4)));
  worst = difference(mine.forms.q256, twin.forms.q256, COLUMNS);
  worst = larger(worst, difference(mine.forms.d256, twin.forms.d256, COLUMNS * 4));
  report(row, "quantize_256", "", larger(worst, difference(mine.forms.sums256, twin.forms.sums256, COLUMNS * 2)));
  uint16_t halves[COLUMNS + 3];
  worst = 0;
  row->encode_f16(x, halves, COLUMNS + 3);
  for (int i = 0; i < COLUMNS + 3; i++) worst = halves[i] == ck_float_to_half(x[i]) ? worst : INFINITY;
  report(row, "encode_f16", "", worst);
  uint8_t mine_q8[COLUMNS / 32 * 34], twin_q8[sizeof mine_q8];
  row->encode_q8_0(x, mine_q8, COLUMNS);
  portable->encode_q8_0(x, twin_q8, COLUMNS);
  report(row, "encode_q8_0", "", difference(mine_q8, twin_q8, sizeof mine_q8));
  int32_t records[3 * 4 * 3 * CK_RECORD_WORDS], twins[3 * 4 * 3 * CK_RECORD_WORDS];
  row->make_records(x, 96, 10, 96, 4, records, 0, 3);
  portable->make_records(x, 96, 10, 96, 4, twins, 0, 3);
  report(row, "make_records", "", difference(records, twins, sizeof records));
  free(x);
}

static void compare_matvecs(const ck_kernels *row) {
  for (int type = 0; type < CK_TYPE_COUNT; type++) {
    if (!ck_is_direct(row, type) && type != CK_Q5_K) continue; // one that decodes
    double worst = 0;
    for (int64_t blocks = 1; blocks < 8; blocks += 3) {
      // quantize_256 wants whole blocks of 256.
      matrix m = random_matrix(type, 5, blocks * 256);
      float *x = random_floats(m.columns, 2), y[5];
      input in = quantized(row, x, m.columns);
      ck_run_matvec(row, type, m.blocks, m.row_bytes, &in.forms, y, 0, 5, m.columns);
      const double *represented = in.represented[ck_input_of(row, type)];
      for (int r = 0; r < 5; r++) worst = larger(worst, product_error(&m, r, represented, y[r]));
      release(&m);
    }
    report(row, ck_is_direct(row, type) ? "matvec" : "matvec_decoded", names[type], worst);
  }
}

static float *packed(const ck_kernels *row, const float *x, int64_t tokens, int64_t columns) {
  float *packed = malloc(ck_packed_bytes(row, tokens, columns));
  row->pack(x, columns, tokens, columns, packed, 0, (tokens + row->token_group - 1) / row->token_group);
  return packed;
}

// The product of many tokens in y, rows begin ..< end, against the sums in doubles.
static double gemm_error(const matrix *m, const float *y, const double *x, int64_t tokens, int64_t begin, int64_t end) {
  double worst = 0;
  for (int64_t token = 0; token < tokens; token++) {
    for (int64_t r = begin; r < end; r += 3) {
      worst = larger(worst, product_error(m, r, x + token * m->columns, y[token * (m->rows + 1) + r]));
    }
    if (y[token * (m->rows + 1) + m->rows] != 777 || y[token * (m->rows + 1) + begin - 1] != 777) worst = INFINITY;
  }
  return worst;
}

static void compare_gemms(const ck_kernels *row) {
  static const int types[] = {CK_F32, CK_F16, CK_BF16, CK_Q8_0, CK_Q4_0, CK_Q4_K, CK_Q6_K, CK_Q2_K, CK_KEPT_MASK,
                              CK_KEPT_LIST};
  for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
    enum { TOKENS = 7, ROWS = 83 };
    matrix m = random_matrix(types[i], ROWS, 512);
    float *x = random_floats(TOKENS * m.columns, 2), *pack = packed(row, x, TOKENS, m.columns), y[TOKENS * (ROWS + 1)];
    double *exact = malloc((size_t)(TOKENS * m.columns) * sizeof(double));
    for (int64_t k = 0; k < TOKENS * m.columns; k++) exact[k] = (double)x[k];
    for (int k = 0; k < TOKENS * (ROWS + 1); k++) y[k] = 777;
    ck_gemm job = {
      .weights = m.blocks, .row_bytes = m.row_bytes, .decode = ck_decoder_of(row, m.type), .packed = pack,
      .tokens = TOKENS, .columns = m.columns, .y = y, .y_stride = ROWS + 1,
      .scratch = aligned_alloc(64, ck_gemm_scratch_bytes(row)), .block_elements = ck_block_elements(m.type),
      .block_bytes = ck_block_bytes(m.type), .panel_type = m.type,
    };
    row->gemm(&job, 2, ROWS);
    report(row, "gemm", names[m.type], gemm_error(&m, y, exact, TOKENS, 2, ROWS));
    release(&m);
  }
}

// A token's value k as its record stands for it, groups of T tokens.
static double recorded(const int32_t *records, int64_t T, int64_t columns, int64_t token, int64_t k) {
  const int32_t *record = records + (token / T * (columns / 32) + k / 32) * T * CK_RECORD_WORDS + token % T;
  float d;
  memcpy(&d, record, 4);
  return (double)d * (double)(int8_t)(record[(7 + k % 32 / 4) * T] >> (k % 4 * 8));
}

static double panel_error(const ck_kernels *row, int type, int64_t tokens, int64_t columns) {
  matrix m = random_matrix(type, 112, columns);
  int64_t T = tokens == 1 ? 1 : row->record_tokens;
  float *x = random_floats(tokens * columns, 2), *y = malloc((size_t)(tokens * 113) * sizeof(float));
  int32_t *records = malloc(ck_record_bytes(T, tokens, columns));
  row->make_records(x, columns, tokens, columns, T, records, 0, (tokens + T - 1) / T);
  double *exact = malloc((size_t)(tokens * columns) * sizeof(double));
  int reads_floats = ck_panel_input(type) == CK_INPUT_F32;
  for (int64_t i = 0; i < tokens * columns; i++) {
    exact[i] = reads_floats ? (double)x[i] : recorded(records, T, columns, i / columns, i % columns);
  }
  for (int64_t i = 0; i < tokens * 113; i++) y[i] = 777;
  const float *floats = tokens == 1 ? x : packed(row, x, tokens, columns);
  ck_panel_job job = {
    .type = type, .panels = m.panels, .input = reads_floats ? (const void *)floats : records, .tokens = tokens,
    .columns = columns, .y = y, .y_stride = 113, .scratch = aligned_alloc(64, ck_gemm_scratch_bytes(row)),
  };
  (tokens == 1 ? row->panel_matvec : row->panel_gemm)(&job, 16, 112);
  double worst = gemm_error(&m, y, exact, tokens, 16, 112);
  release(&m);
  return worst;
}

static void compare_panels(const ck_kernels *row) {
  for (int type = 0; type < CK_TYPE_COUNT; type++) {
    if (!ck_has_panels(type)) continue;
    int64_t block = ck_block_elements(type) < 32 ? 32 : ck_block_elements(type);
    double one = larger(panel_error(row, type, 1, 3 * block), panel_error(row, type, 1, 256));
    report(row, "panel_matvec", names[type], one);
    double many = larger(panel_error(row, type, 2, 256), panel_error(row, type, 7, 256 + block));
    report(row, "panel_gemm", names[type], many);
  }
}

// Two passes in doubles over decoded rows, with a cap, a sink and a slope.
static double attention_error(const ck_attention *job, const float *keys, const float *values) {
  double worst = 0;
  for (int64_t i = 0; i < job->count; i++) {
    const float *query = job->queries + i * job->width;
    double weights[80], largest = (double)job->sinks[i], total = 0;
    for (int64_t p = job->first[i]; p < job->last[i]; p++) {
      double score = 0;
      for (int64_t k = 0; k < job->width; k++) score += (double)query[k] * (double)keys[p * job->width + k];
      double distance = (double)(job->last[i] - 1 - p);
      weights[p] = (double)job->cap * tanh(score * (double)job->scale / (double)job->cap);
      weights[p] -= (double)job->slopes[i] * distance;
      largest = larger(weights[p], largest);
    }
    for (int64_t p = job->first[i]; p < job->last[i]; p++) total += weights[p] = exp(weights[p] - largest);
    total += exp((double)job->sinks[i] - largest);
    for (int64_t k = 0; k < job->width; k++) {
      double out = 0;
      for (int64_t p = job->first[i]; p < job->last[i]; p++) out += weights[p] * (double)values[p * job->width + k];
      double error = (double)job->out[i * job->width + k] - out / total;
      worst = larger(worst, fraction(error, (double)job->width * 0x1p-16));
    }
  }
  return worst;
}

// Positions of one kind of cache row: their bytes, and what they decode to.
static uint8_t *cache_rows(int type, int64_t positions, int64_t width, float **decoded) {
  const ck_kernels *portable = ck_kernels_for(CK_PORTABLE);
  size_t bytes = (size_t)(positions * width) / (size_t)ck_block_elements(type) * (size_t)ck_block_bytes(type);
  uint8_t *rows = malloc(bytes);
  float *x = random_floats(positions * width, 3);
  if (type == CK_F32) memcpy(rows, x, bytes);
  if (type == CK_F16) portable->encode_f16(x, (uint16_t *)rows, positions * width);
  if (type == CK_Q8_0) portable->encode_q8_0(x, rows, positions * width);
  *decoded = malloc((size_t)(positions * width) * sizeof(float));
  ck_decoder_of(portable, type)(rows, *decoded, positions * width);
  free(x);
  return rows;
}

static void compare_attention(const ck_kernels *row, int type, void (*kernel)(const ck_attention *)) {
  static const int64_t first[5] = {0, 0, 10, 40, 64}, last[5] = {1, 33, 64, 77, 70};
  static const float sinks[5] = {0, 1, -2, 3, 0.5f}, slopes[5] = {0.5f, 0.25f, 0, 0.03f, 1};
  double worst = 0;
  for (int64_t width = type == CK_Q8_0 ? 32 : 8; width <= 128; width *= 2) {
    float *keys, *values, out[5 * 128];
    ck_attention job = {
      .queries = random_floats(5 * width, 3), .query_stride = (size_t)width, .group = 1, .count = 5, .width = width,
      .keys = cache_rows(type, 77, width, &keys), .values = cache_rows(type, 77, width, &values),
      .position_bytes = (size_t)(width / ck_block_elements(type) * ck_block_bytes(type)), .first = first, .last = last,
      .scale = 1 / sqrtf((float)width), .cap = 20, .sinks = sinks, .slopes = slopes, .out = out,
      .scratch = malloc(ck_attention_scratch_bytes(5, width)),
    };
    kernel(&job);
    worst = larger(worst, attention_error(&job, keys, values));
  }
  report(row, "attention", names[type], worst);
}

static double activated(int kind, double x, double up) {
  switch (kind) {
    case CK_SILU: return x / (1 + exp(-x)) * up;
    case CK_GELU_TANH: return 0.5 * x * (1 + tanh(sqrt(2 / acos(-1)) * (x + 0.044715 * x * x * x))) * up;
    case CK_GELU: return 0.5 * x * (1 + erf(x / sqrt(2))) * up;
    case CK_RELU: return fmax(0, x) * up;
    case CK_SQUARED_RELU: return fmax(0, x) * fmax(0, x) * up;
    default: return fmin(x, 7) / (1 + exp(-1.702 * fmin(x, 7))) * (fmax(-7, fmin(7, up)) + 1);
  }
}

static void compare_activations(const ck_kernels *row) {
  static const char *const kinds[] = {"silu", "gelu_tanh", "gelu", "relu", "squared_relu", "clamped_swiglu"};
  enum { COUNT = 61 };
  float *gate = random_floats(COUNT, 9), *up = random_floats(COUNT, 9), y[COUNT];
  for (int kind = 0; kind < 6; kind++) {
    double worst = 0;
    for (int is_gated = kind == CK_CLAMPED_SWIGLU; is_gated < 2; is_gated++) {
      row->activate((enum ck_activation)kind, gate, is_gated ? up : 0, y, COUNT);
      for (int i = 0; i < COUNT; i++) {
        double exact = activated(kind, (double)gate[i], is_gated ? (double)up[i] : 1);
        worst = larger(worst, fraction((double)y[i] - exact, fabs(exact) * 4e-6 + 81 * 0x1p-24));
      }
    }
    report(row, "activate", kinds[kind], worst);
  }
}

static void compare_vectors(const ck_kernels *row) {
  enum { COUNT = 1027 };
  float *x = random_floats(COUNT, 3), *w = random_floats(COUNT, 3), y[COUNT], sum[COUNT], gated[COUNT];
  double square = 0, norm_worst = 0, add_worst = 0, silu_worst = 0;
  for (int i = 0; i < COUNT; i++) square += (double)x[i] * (double)x[i] / COUNT;
  row->rms_norm(x, w, y, COUNT, 1e-5f);
  row->silu_mul(x, w, gated, COUNT);
  memcpy(sum, w, sizeof sum);
  row->add(x, sum, COUNT);
  for (int i = 0; i < COUNT; i++) {
    double norm = (double)x[i] * (double)w[i] / sqrt(square + 1e-5), silu = activated(CK_SILU, (double)x[i], (double)w[i]);
    norm_worst = larger(norm_worst, fraction((double)y[i] - norm, fabs(norm) * (COUNT + 8) * 0x1p-24));
    silu_worst = larger(silu_worst, fraction((double)gated[i] - silu, fabs(silu) * 1e-6 + 1e-12));
    add_worst = larger(add_worst, sum[i] == x[i] + w[i] ? 0 : INFINITY);
  }
  report(row, "rms_norm", "", norm_worst);
  report(row, "add", "", add_worst);
  report(row, "silu_mul", "", silu_worst);
  uint64_t words[512], total = 0;
  for (int i = 0; i < 512; i++) total += words[i] = random_word();
  report(row, "read", "", row->read(words, sizeof words) == total ? 0 : INFINITY);
  double operations = 0;
  float peak = row->multiply_add_peak(3, &operations);
  report(row, "multiply_add_peak", "", isfinite(peak) && operations > 0 ? 0 : INFINITY);
}

int main(void) {
  for (int isa = 0; isa < CK_ISA_COUNT; isa++) {
    if (!ck_isa_supported((enum ck_isa)isa)) continue;
    const ck_kernels *row = ck_kernels_for((enum ck_isa)isa);
    compare_decoders(row);
    compare_quantisers(row);
    compare_matvecs(row);
    compare_gemms(row);
    compare_panels(row);
    compare_attention(row, CK_F32, row->attention_f32);
    compare_attention(row, CK_F16, row->attention_f16);
    compare_attention(row, CK_Q8_0, row->attention_q8_0);
    compare_activations(row);
    compare_vectors(row);
  }
  return 0;
}
