// SPDX-License-Identifier: Apache-2.0
// The layout of interleaved rows, by field tables; and the portable products over it, which take each row's blocks back
// to the file's order and decode them: the definition of every other panel kernel.
#include <string.h>
#include "half.h"
#include "panels.h"

// Fields of a block in the file: so many units of so many bytes each, in this order without a gap.
typedef struct { uint8_t unit, count; } field;
enum { MOST_FIELDS = 3 };
typedef struct { field fields[MOST_FIELDS]; } field_list;

static const field_list layouts[CK_TYPE_COUNT] = {
  [CK_F32] = {{{4, 1}}}, [CK_F16] = {{{2, 1}}}, [CK_BF16] = {{{2, 1}}},
  [CK_Q4_0] = {{{2, 1}, {4, 4}}}, [CK_Q4_1] = {{{4, 5}}}, [CK_Q5_0] = {{{2, 1}, {4, 5}}}, [CK_Q5_1] = {{{4, 6}}},
  [CK_Q8_0] = {{{2, 1}, {4, 8}}}, [CK_IQ4_NL] = {{{2, 1}, {4, 4}}}, [CK_MXFP4] = {{{1, 1}, {4, 4}}},
  [CK_Q2_K] = {{{4, 21}}}, [CK_Q3_K] = {{{4, 27}, {2, 1}}}, [CK_Q4_K] = {{{4, 36}}}, [CK_Q5_K] = {{{4, 44}}},
  [CK_Q6_K] = {{{4, 52}, {2, 1}}}, [CK_IQ4_XS] = {{{4, 34}}},
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
static void gather(const uint8_t *rows, size_t row_bytes, int unit, uint8_t *out) {
  for (size_t row = 0; row < CK_PANEL_ROWS; row++) {
    switch (unit) {
      case 4: memcpy(out + row * 4, rows + row * row_bytes, 4); break;
      case 2: memcpy(out + row * 2, rows + row * row_bytes, 2); break;
      default: out[row] = rows[row * row_bytes];
    }
  }
}

void ck_interleave(int type, const void *rows, int64_t blocks, void *panel) {
  size_t row_bytes = (size_t)(blocks * ck_block_bytes(type));
  const uint8_t *in = rows;
  uint8_t *out = panel;
  for (int64_t b = 0; b < blocks; b++) {
    for (int f = 0; f < MOST_FIELDS; f++) {
      field field = layouts[type].fields[f];
      for (int i = 0; i < field.count; i++, in += field.unit, out += field.unit * CK_PANEL_ROWS) {
        gather(in, row_bytes, field.unit, out);
      }
    }
  }
}

void ck_panel_row(int type, const void *panel, int64_t row, int64_t blocks, void *out) {
  const uint8_t *in = panel;
  uint8_t *to = out;
  for (int64_t b = 0; b < blocks; b++) {
    for (int f = 0; f < MOST_FIELDS; f++) {
      field field = layouts[type].fields[f];
      for (int i = 0; i < field.count; i++, to += field.unit, in += field.unit * CK_PANEL_ROWS) {
        memcpy(to, in + row * field.unit, field.unit);
      }
    }
  }
}

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
