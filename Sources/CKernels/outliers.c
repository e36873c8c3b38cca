// SPDX-License-Identifier: Apache-2.0
// Inputs too large to share a scale with others: they are taken out of a vector before it is rounded to 8 bits, and their
// products are added in floats. Few inputs are so large, and which follows from the input alone.
#include <math.h>
#include "half.h"
#include "panels.h"

int ck_split_outliers(const float *x, float *rest, int64_t n, float threshold) {
  int found = 0;
  for (int64_t k = 0; k < n; k++) {
    int is_outlier = fabsf(x[k]) >= threshold;
    rest[k] = is_outlier ? 0 : x[k];
    found |= is_outlier;
  }
  return found;
}

// One weight of sixteen rows: of a panel, or of `count` rows in the file's order.
static void column_of_panel(const uint8_t *block, int64_t k, float out[CK_PANEL_ROWS]) {
  const uint16_t *scales = (const uint16_t *)block;
  const int8_t *words = (const int8_t *)(block + CK_PANEL_ROWS * 2) + k / 4 * CK_PANEL_ROWS * 4 + k % 4;
  for (int row = 0; row < CK_PANEL_ROWS; row++) out[row] = half_to_float(scales[row]) * (float)words[row * 4];
}
static void column_of_rows(const uint8_t *block, size_t row_bytes, int64_t k, int64_t count, float *out) {
  for (int64_t row = 0; row < count; row++, block += row_bytes) {
    uint16_t scale;
    memcpy(&scale, block, sizeof scale);
    out[row] = half_to_float(scale) * (float)((const int8_t *)block)[2 + k];
  }
}

void ck_add_outliers(int type, int is_interleaved, const void *weights, size_t row_bytes, const float *x,
                     int64_t columns, float threshold, float *y, int64_t begin, int64_t end) {
  int64_t elements = ck_block_elements(type), bytes = ck_block_bytes(type);
  for (int64_t k = 0; k < columns; k++) {
    if (!(fabsf(x[k]) >= threshold)) continue;
    for (int64_t row = begin; row < end; row += CK_PANEL_ROWS) {
      int64_t count = end - row < CK_PANEL_ROWS ? end - row : CK_PANEL_ROWS;
      const uint8_t *start = (const uint8_t *)weights + (size_t)row * row_bytes;
      float column[CK_PANEL_ROWS];
      if (is_interleaved) {
        column_of_panel(start + k / elements * bytes * CK_PANEL_ROWS, k % elements, column);
      } else {
        column_of_rows(start + k / elements * bytes, row_bytes, k % elements, count, column);
      }
      for (int64_t r = 0; r < count; r++) y[row + r] += x[k] * column[r];
    }
  }
}
