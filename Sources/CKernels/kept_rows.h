// SPDX-License-Identifier: Apache-2.0
// Rows of which any weights are kept, found by a mask or by a list of columns: where their parts lie, and the kernels of
// each instruction set. Only kept weights are read and multiplied.
#ifndef ANPROBE_KEPT_ROWS_H
#define ANPROBE_KEPT_ROWS_H
#include <stddef.h>
#include <string.h>
#include "include/block_formats.h"
#include "include/kernels.h"

static inline const uint8_t *kept_row(const void *weights, size_t row_bytes, int64_t row) {
  return (const uint8_t *)weights + (size_t)row * row_bytes;
}

// The bits of a row, and those of 64 columns from k on.
static inline const uint8_t *kept_mask(const uint8_t *row, size_t row_bytes, int64_t columns) {
  return row + row_bytes - (size_t)(columns / 8);
}
static inline uint64_t mask_word(const uint8_t *mask, int64_t k) {
  uint64_t bits;
  memcpy(&bits, mask + k / 8, sizeof bits);
  return bits;
}
// Kept weights in front of a column.
static inline int64_t kept_before(const uint8_t *mask, int64_t column) {
  int64_t count = 0;
  for (int64_t k = 0; k < column; k += 64) count += __builtin_popcountll(mask_word(mask, k));
  return count;
}

// The entries of a list, and the first of them that stands at a column or behind it.
static inline int64_t kept_entries(size_t row_bytes) { return (int64_t)(row_bytes / 4); }
static inline const uint16_t *kept_columns(const uint8_t *row, size_t row_bytes) {
  return (const uint16_t *)row + kept_entries(row_bytes);
}
static inline int64_t first_entry(const uint16_t *columns, int64_t entries, int64_t column) {
  int64_t low = 0, high = entries;
  while (low < high) {
    int64_t middle = (low + high) / 2;
    if (columns[middle] < column) low = middle + 1; else high = middle;
  }
  return low;
}

typedef void (*kept_decoder)(int type, const void *row, size_t row_bytes, int64_t columns, int64_t first, int64_t count,
                             float *out);

// A chunk of a row that lies in the file's order, as floats.
static inline void decode_chunk(const ck_gemm *job, kept_decoder kept, int64_t row, int64_t k, int64_t count,
                                float *out) {
  const uint8_t *bytes = (const uint8_t *)job->weights + (size_t)row * job->row_bytes;
  if (!job->decode) return kept(job->panel_type, bytes, job->row_bytes, job->columns, k, count, out);
  job->decode(bytes + k / job->block_elements * job->block_bytes, out, count);
}

void matvec_mask_portable(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                          int64_t end, int64_t columns);
void matvec_list_portable(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                          int64_t end, int64_t columns);
#if defined(__x86_64__)
void matvec_mask_avx2(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                      int64_t end, int64_t columns);
void matvec_list_avx2(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                      int64_t end, int64_t columns);
void decode_kept_avx2(int type, const void *row, size_t row_bytes, int64_t columns, int64_t first, int64_t count,
                      float *out);
void matvec_mask_avx512(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                        int64_t end, int64_t columns);
void matvec_list_avx512(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                        int64_t end, int64_t columns);
void decode_kept_avx512(int type, const void *row, size_t row_bytes, int64_t columns, int64_t first, int64_t count,
                        float *out);
#endif

#endif
