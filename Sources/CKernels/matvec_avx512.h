// SPDX-License-Identifier: Apache-2.0
#ifndef ANPROBE_MATVEC_AVX512_H
#define ANPROBE_MATVEC_AVX512_H
#include "rows.h"

void matvec_f32_avx512(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                       int64_t end, int64_t columns);
void matvec_f16_avx512(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                       int64_t end, int64_t columns);
void matvec_bf16_avx512(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                        int64_t end, int64_t columns);

#endif
