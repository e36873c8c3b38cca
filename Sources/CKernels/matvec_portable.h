// SPDX-License-Identifier: Apache-2.0
#ifndef ANPROBE_MATVEC_PORTABLE_H
#define ANPROBE_MATVEC_PORTABLE_H
#include "rows.h"

void matvec_decoded_portable(ck_decoder decode, int64_t block_bytes, const void *weights, size_t row_bytes,
                             const float *x, float *y, int64_t begin, int64_t end, int64_t columns,
                             int64_t block_elements);
void matvec_f32_portable(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                         int64_t end, int64_t columns);
void matvec_f16_portable(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                         int64_t end, int64_t columns);
void matvec_bf16_portable(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                          int64_t end, int64_t columns);
void matvec_q8_0_portable(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                          int64_t end, int64_t columns);
void matvec_q4_0_portable(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                          int64_t end, int64_t columns);
void matvec_q4_k_portable(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                          int64_t end, int64_t columns);
void matvec_q6_k_portable(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                          int64_t end, int64_t columns);

#endif
