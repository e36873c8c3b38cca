// SPDX-License-Identifier: Apache-2.0
// Products with rows of which any weights are kept, plain: the loops that every other instruction set is compared with.
#include "half.h"
#include "kept_rows.h"

int ck_is_kept(int type) { return type == CK_KEPT_MASK || type == CK_KEPT_LIST; }

static void decode_mask(const uint8_t *row, size_t row_bytes, int64_t columns, int64_t first, int64_t count,
                        float *out) {
  const uint8_t *mask = kept_mask(row, row_bytes, columns);
  const uint16_t *value = (const uint16_t *)row + kept_before(mask, first);
  for (int64_t k = 0; k < count; k += 64) {
    for (uint64_t bits = mask_word(mask, first + k); bits; bits &= bits - 1) {
      out[k + __builtin_ctzll(bits)] = half_to_float(*value++);
    }
  }
}

void ck_decode_kept(int type, const void *row, size_t row_bytes, int64_t columns, int64_t first, int64_t count,
                    float *out) {
  for (int64_t k = 0; k < count; k++) out[k] = 0;
  if (type == CK_KEPT_MASK) return decode_mask(row, row_bytes, columns, first, count, out);
  int64_t entries = kept_entries(row_bytes);
  const uint16_t *value = row, *column = kept_columns(row, row_bytes);
  for (int64_t i = first_entry(column, entries, first); i < entries && column[i] < first + count; i++) {
    out[column[i] - first] += half_to_float(value[i]);
  }
}

void matvec_mask_portable(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                          int64_t end, int64_t columns) {
  for (int64_t row = begin; row < end; row++) {
    const uint8_t *bytes = kept_row(weights, row_bytes, row), *mask = kept_mask(bytes, row_bytes, columns);
    const uint16_t *value = (const uint16_t *)bytes;
    float sum = 0;
    for (int64_t k = 0; k < columns; k += 64) {
      for (uint64_t bits = mask_word(mask, k); bits; bits &= bits - 1) {
        sum += half_to_float(*value++) * x->f32[k + __builtin_ctzll(bits)];
      }
    }
    y[row] = sum;
  }
}

void matvec_list_portable(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                          int64_t end, int64_t columns) {
  (void)columns;
  for (int64_t row = begin; row < end; row++) {
    const uint8_t *bytes = kept_row(weights, row_bytes, row);
    const uint16_t *value = (const uint16_t *)bytes, *column = kept_columns(bytes, row_bytes);
    float sum = 0;
    for (int64_t i = 0; i < kept_entries(row_bytes); i++) sum += half_to_float(value[i]) * x->f32[column[i]];
    y[row] = sum;
  }
}
