// SPDX-License-Identifier: Apache-2.0
// The layout of interleaved rows, by field tables; and the portable products over it, which take each row's blocks back
// to the file's order and decode them: the definition of every other panel kernel.
#include <string.h>
#include "half.h"
#include "panel_layout.h"
#include "panels.h"

static const panel_layout layouts[CK_TYPE_COUNT] = {
  [CK_F32] = {{{4, 1}}}, [CK_F16] = {{{2, 1}}}, [CK_BF16] = {{{2, 1}}},
  [CK_Q4_0] = {{{2, 1}, {4, 4}}}, [CK_Q4_1] = {{{4, 5}}}, [CK_Q5_0] = {{{2, 1}, {4, 5}}}, [CK_Q5_1] = {{{4, 6}}},
  [CK_Q8_0] = {{{2, 1}, {4, 8}}}, [CK_IQ4_NL] = {{{2, 1}, {4, 4}}}, [CK_MXFP4] = {{{1, 1}, {4, 4}}},
  [CK_Q2_K] = {{{4, 21}}}, [CK_Q3_K] = {{{4, 27}, {2, 1}}}, [CK_Q4_K] = {{{4, 36}}}, [CK_Q5_K] = {{{4, 44}}},
  [CK_Q6_K] = {{{4, 52}, {2, 1}}}, [CK_IQ4_XS] = {{{4, 34}}},
  [CK_IQ2_XXS] = {{{2, 1}, {4, 16}}}, [CK_IQ2_XS] = {{{2, 1}, {4, 18}}}, [CK_IQ2_S] = {{{2, 1}, {4, 20}}},
  [CK_IQ3_XXS] = {{{2, 1}, {4, 24}}}, [CK_IQ3_S] = {{{2, 1}, {4, 27}}}, [CK_IQ1_S] = {{{2, 1}, {4, 12}}},
  [CK_IQ1_M] = {{{4, 14}}}, [CK_TQ1_0] = {{{4, 13}, {2, 1}}}, [CK_TQ2_0] = {{{4, 16}, {2, 1}}},
  [CK_INT4_G32] = {{{2, 1}, {1, 1}, {4, 4}}}, [CK_INT4_G64] = {{{2, 1}, {1, 1}, {4, 8}}},
  [CK_INT4_G128] = {{{2, 1}, {1, 1}, {4, 16}}}, [CK_UINT8_G32] = {{{2, 1}, {1, 1}, {4, 8}}},
  [CK_UINT8_G128] = {{{2, 1}, {1, 1}, {4, 32}}}, [CK_INT8_G128] = {{{2, 1}, {4, 32}}},
  [CK_NF4] = {{{2, 1}, {4, 8}}}, [CK_FP4] = {{{2, 1}, {4, 8}}}, [CK_FP8] = {{{2, 1}, {1, 128}}},
  [CK_SPARSE_2_4] = {{{4, 1}, {2, 16}}}, [CK_SPARSE_4_8] = {{{4, 2}, {2, 16}}},
};

int ck_has_panels(int type) { return type >= 0 && type < CK_TYPE_COUNT && layouts[type].fields[0].count > 0; }

enum ck_input ck_panel_input(int type) {
  switch (type) {
    case CK_F32: case CK_F16: case CK_BF16: case CK_FP8: case CK_SPARSE_2_4: case CK_SPARSE_4_8: return CK_INPUT_F32;
    default: return CK_INPUT_RECORDS;
  }
}

// Sixteen units from rows that lie row_bytes apart to neighbours.
static inline void gather(const uint8_t *rows, size_t row_bytes, size_t unit, uint8_t *out) {
  for (size_t row = 0; row < CK_PANEL_ROWS; row++) memcpy(out + row * unit, rows + row * row_bytes, unit);
}

// Sixteen bytes in a register of any architecture: four rows' words, or eight rows' halves, change places in memory's
// order, so that neither a unit is loaded nor stored alone.
typedef uint32_t words4 __attribute__((vector_size(16)));
typedef uint16_t halves8 __attribute__((vector_size(16)));

// Four words of each of sixteen rows.
static inline void gather_4_words(const uint8_t *rows, size_t row_bytes, uint8_t *out) {
  for (size_t first = 0; first < CK_PANEL_ROWS; first += 4) {
    words4 r[4], t[4];
    for (size_t i = 0; i < 4; i++) memcpy(&r[i], rows + (first + i) * row_bytes, 16);
    for (int i = 0; i < 2; i++) {
      t[i] = __builtin_shufflevector(r[i], r[i + 2], 0, 4, 1, 5);
      t[i + 2] = __builtin_shufflevector(r[i], r[i + 2], 2, 6, 3, 7);
    }
    for (size_t i = 0; i < 2; i++) {
      words4 even = __builtin_shufflevector(t[2 * i], t[2 * i + 1], 0, 4, 1, 5);
      words4 odd = __builtin_shufflevector(t[2 * i], t[2 * i + 1], 2, 6, 3, 7);
      memcpy(out + 2 * i * 64 + first * 4, &even, 16);
      memcpy(out + (2 * i + 1) * 64 + first * 4, &odd, 16);
    }
  }
}

// Units of a and b by turns, from the first or from the fifth of each.
static inline halves8 riffled(halves8 a, halves8 b) { return __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11); }
static inline halves8 riffled_high(halves8 a, halves8 b) {
  return __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
}

// Eight halves of each of sixteen rows: three rounds of riffles transpose eight rows.
static inline void gather_8_halves(const uint8_t *rows, size_t row_bytes, uint8_t *out) {
  for (size_t first = 0; first < CK_PANEL_ROWS; first += 8) {
    halves8 r[8], t[8];
    for (size_t i = 0; i < 8; i++) memcpy(&r[i], rows + (first + i) * row_bytes, 16);
    for (int round = 0; round < 3; round++) {
      for (int i = 0; i < 4; i++) {
        t[2 * i] = riffled(r[i], r[i + 4]);
        t[2 * i + 1] = riffled_high(r[i], r[i + 4]);
      }
      memcpy(r, t, sizeof r);
    }
    for (size_t i = 0; i < 8; i++) memcpy(out + i * 32 + first * 2, &r[i], 16);
  }
}

// `count` units of one field, of all rows.
static inline void gather_field(size_t unit, int64_t count, const uint8_t *in, size_t row_bytes, uint8_t *out) {
  int64_t i = 0, at_once = unit == 4 ? 4 : unit == 2 ? 8 : 1;
  for (; at_once > 1 && i + at_once <= count; i += at_once, in += 16, out += 16 * CK_PANEL_ROWS) {
    if (unit == 4) gather_4_words(in, row_bytes, out);
    else gather_8_halves(in, row_bytes, out);
  }
  for (; i < count; i++, in += unit, out += unit * CK_PANEL_ROWS) {
    if (unit == 4) gather(in, row_bytes, 4, out);
    else if (unit == 2) gather(in, row_bytes, 2, out);
    else gather(in, row_bytes, 1, out);
  }
}

void ck_interleave(int type, const void *rows, int64_t blocks, void *panel) {
  size_t row_bytes = (size_t)(blocks * ck_block_bytes(type));
#if defined(__x86_64__)
  // Bytes only change places: whatever the kernels are, the processor may do it as it does it best.
  int is_wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
  if (is_wide) return interleave_avx512(&layouts[type], rows, row_bytes, blocks, panel);
#endif
  panel_field first = layouts[type].fields[0];
  const uint8_t *in = rows;
  uint8_t *out = panel;
  // Blocks of one field are one long field.
  if (layouts[type].fields[1].count == 0) return gather_field(first.unit, blocks * first.count, in, row_bytes, out);
  for (int64_t b = 0; b < blocks; b++) {
    for (int f = 0; f < MOST_PANEL_FIELDS; f++) {
      panel_field field = layouts[type].fields[f];
      gather_field(field.unit, field.count, in, row_bytes, out);
      in += field.unit * field.count;
      out += field.unit * field.count * CK_PANEL_ROWS;
    }
  }
}

void ck_panel_row(int type, const void *panel, int64_t row, int64_t blocks, void *out) {
  const uint8_t *in = panel;
  uint8_t *to = out;
  for (int64_t b = 0; b < blocks; b++) {
    for (int f = 0; f < MOST_PANEL_FIELDS; f++) {
      panel_field field = layouts[type].fields[f];
      for (int i = 0; i < field.count; i++, to += field.unit, in += field.unit * CK_PANEL_ROWS) {
        memcpy(to, in + row * field.unit, field.unit);
      }
    }
  }
}

int ck_takes_tiles(const ck_kernels *kernels, int type, int64_t columns) {
  if (!kernels->panel_tiles || columns % 32 || !ck_has_panels(type)) return 0;
  return type != CK_F32 && type != CK_SPARSE_2_4 && type != CK_SPARSE_4_8;
}
enum ck_input ck_many_input(const ck_kernels *kernels, int type, int is_interleaved, int64_t columns, int64_t tokens) {
  if (is_interleaved && ck_takes_tiles(kernels, type, columns)) return CK_INPUT_TILES;
  if (is_interleaved && ck_panel_input(type) == CK_INPUT_RECORDS) {
    int is_wide = kernels->make_wide_records && ck_block_elements(type) == 256;
    return is_wide ? CK_INPUT_WIDE_RECORDS : CK_INPUT_RECORDS;
  }
  // Who keeps weights of 32 bits wants them whole.
  int is_worthwhile = type != CK_F32 && columns % 32 == 0 && tokens > CK_FEW_TOKENS;
  return kernels->make_words && is_worthwhile ? CK_INPUT_WORDS : CK_INPUT_F32;
}
size_t ck_tile_bytes(int64_t tokens, int64_t columns) { return (size_t)((tokens + 15) / 16 * 16 * columns * 2); }

// 8-bit floats and sparse matrices have no loop for a few vectors.
int ck_has_few(int type) {
  return ck_has_panels(type) && type != CK_FP8 && type != CK_SPARSE_2_4 && type != CK_SPARSE_4_8;
}
int64_t ck_few_group(int64_t tokens) { return tokens <= 2 ? 2 : tokens <= 4 ? 4 : 8; }

size_t ck_record_bytes(int64_t group_tokens, int64_t tokens, int64_t columns) {
  int64_t groups = (tokens + group_tokens - 1) / group_tokens;
  return (size_t)(groups * group_tokens * (columns / 32) * CK_RECORD_WORDS) * sizeof(int32_t);
}

static int32_t sum_of(const int8_t *q, int count) {
  int32_t sum = 0;
  for (int i = 0; i < count; i++) sum += q[i];
  return sum;
}

// One token's 32 values into its place in a record of T tokens.
static void make_record(const float *x, int64_t T, int32_t *record) {
  float largest = 0;
  for (int i = 0; i < 32; i++) largest = x[i] > largest ? x[i] : -x[i] > largest ? -x[i] : largest;
  float inverse = largest > 0 ? 127.0f / largest : 0, d = largest / 127.0f;
  int8_t q[32];
  for (int i = 0; i < 32; i++) q[i] = (int8_t)(x[i] < 0 ? x[i] * inverse - 0.5f : x[i] * inverse + 0.5f);
  int32_t low = sum_of(q, 16), high = sum_of(q + 16, 16);
  float floats[4] = {d, d * (float)(low + high), d * (float)low, d * (float)high};
  int32_t offsets[3] = {-128 * (low + high), -128 * low, -128 * high};
  for (int i = 0; i < 4; i++) memcpy(record + i * T, floats + i, 4);
  for (int i = 0; i < 3; i++) record[(4 + i) * T] = offsets[i];
  for (int i = 0; i < 8; i++) memcpy(record + (7 + i) * T, q + 4 * i, 4);
}

void make_records_portable(const float *x, int64_t stride, int64_t tokens, int64_t columns, int64_t T,
                           int32_t *records, int64_t first_group, int64_t last_group) {
  int64_t record_words = T * CK_RECORD_WORDS;
  for (int64_t group = first_group; group < last_group; group++) {
    for (int64_t b = 0; b < columns / 32; b++) {
      int32_t *record = records + (group * (columns / 32) + b) * record_words;
      for (int64_t t = 0; t < T; t++) {
        int64_t token = group * T + t;
        if (token < tokens) {
          make_record(x + token * stride + b * 32, T, record + t);
        } else {
          for (int i = 0; i < CK_RECORD_WORDS; i++) record[i * T + t] = 0;
        }
      }
    }
  }
}

// One token's 32 values as its record stands for them; word i of the token is record[i * T].
static void expand_record(const int32_t *record, int64_t T, float *x) {
  float d;
  memcpy(&d, record, 4);
  for (int i = 0; i < 32; i++) x[i] = d * (float)(int8_t)(record[(7 + i / 4) * T] >> (i % 4 * 8));
}

// Elements k ..< k + count of one token's input, T tokens to a group.
static void expand_input(const ck_panel_job *job, int64_t T, int64_t token, int64_t k, int64_t count, float *x) {
  int64_t group = token / T, place = token % T;
  if (ck_panel_input(job->type) == CK_INPUT_F32) {
    const float *packed = (const float *)job->input + (group * job->columns + k) * T + place;
    for (int64_t i = 0; i < count; i++) x[i] = packed[i * T];
  } else {
    const int32_t *records = (const int32_t *)job->input + group * (job->columns / 32) * T * CK_RECORD_WORDS + place;
    for (int64_t i = 0; i < count; i += 32) expand_record(records + (k + i) / 32 * T * CK_RECORD_WORDS, T, x + i);
  }
}

void ck_decode_panel_row(const ck_gemm *job, int64_t row, int64_t r, int64_t k, int64_t count, float *out) {
  int64_t elements = ck_block_elements(job->panel_type), bytes = ck_block_bytes(job->panel_type);
  const uint8_t *panel = (const uint8_t *)job->weights + row * (job->columns / elements) * bytes;
  uint8_t blocks[DECODE_CHUNK * 4] __attribute__((aligned(8)));
  ck_panel_row(job->panel_type, panel + k / elements * bytes * CK_PANEL_ROWS, r, count / elements, blocks);
  ck_decoder_of(&kernels_portable, job->panel_type)(blocks, out, count);
}

static float row_dot(const ck_panel_job *job, int64_t T, int64_t row, int64_t token) {
  int64_t elements = ck_block_elements(job->type), bytes = ck_block_bytes(job->type);
  const uint8_t *panel = (const uint8_t *)job->panels + row / CK_PANEL_ROWS * CK_PANEL_ROWS * (job->columns / elements) * bytes;
  uint8_t blocks[DECODE_CHUNK * 4] __attribute__((aligned(8)));
  float w[DECODE_CHUNK], x[DECODE_CHUNK], sum = 0;
  for (int64_t k = 0; k < job->columns; k += DECODE_CHUNK) {
    int64_t count = job->columns - k < DECODE_CHUNK ? job->columns - k : DECODE_CHUNK;
    ck_panel_row(job->type, panel + k / elements * bytes * CK_PANEL_ROWS, row % CK_PANEL_ROWS, count / elements, blocks);
    ck_decoder_of(&kernels_portable, job->type)(blocks, w, count);
    expand_input(job, T, token, k, count, x);
    for (int64_t i = 0; i < count; i++) sum += w[i] * x[i];
  }
  return sum;
}

void panel_matvec_portable(const ck_panel_job *job, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; row++) job->y[row] = row_dot(job, 1, row, 0);
}

void panel_gemm_portable(const ck_panel_job *job, int64_t begin, int64_t end) {
  for (int64_t token = 0; token < job->tokens; token++) {
    for (int64_t row = begin; row < end; row++) {
      job->y[token * job->y_stride + row] = row_dot(job, PORTABLE_GROUP, row, token);
    }
  }
}
