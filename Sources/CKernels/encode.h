// SPDX-License-Identifier: Apache-2.0
// The quantisers, one function per format.
#ifndef ANPROBE_ENCODE_H
#define ANPROBE_ENCODE_H
#include <stdint.h>

void encode_f32(const float *x, const float *weights, void *blocks, int64_t elements);
void encode_f16(const float *x, const float *weights, void *blocks, int64_t elements);
void encode_bf16(const float *x, const float *weights, void *blocks, int64_t elements);
void encode_q4_0(const float *x, const float *weights, void *blocks, int64_t elements);
void encode_q4_1(const float *x, const float *weights, void *blocks, int64_t elements);
void encode_q5_0(const float *x, const float *weights, void *blocks, int64_t elements);
void encode_q5_1(const float *x, const float *weights, void *blocks, int64_t elements);
void encode_q8_0(const float *x, const float *weights, void *blocks, int64_t elements);
void encode_tq1_0(const float *x, const float *weights, void *blocks, int64_t elements);
void encode_tq2_0(const float *x, const float *weights, void *blocks, int64_t elements);
void encode_mxfp4(const float *x, const float *weights, void *blocks, int64_t elements);
void encode_iq1_s(const float *x, const float *weights, void *blocks, int64_t elements);
void encode_iq1_m(const float *x, const float *weights, void *blocks, int64_t elements);
void encode_iq2_xxs(const float *x, const float *weights, void *blocks, int64_t elements);
void encode_iq2_xs(const float *x, const float *weights, void *blocks, int64_t elements);
void encode_iq2_s(const float *x, const float *weights, void *blocks, int64_t elements);
void encode_iq3_xxs(const float *x, const float *weights, void *blocks, int64_t elements);
void encode_iq3_s(const float *x, const float *weights, void *blocks, int64_t elements);
void encode_iq4_nl(const float *x, const float *weights, void *blocks, int64_t elements);
void encode_iq4_xs(const float *x, const float *weights, void *blocks, int64_t elements);
void encode_q2_k(const float *x, const float *weights, void *blocks, int64_t elements);
void encode_q3_k(const float *x, const float *weights, void *blocks, int64_t elements);
void encode_q4_k(const float *x, const float *weights, void *blocks, int64_t elements);
void encode_q5_k(const float *x, const float *weights, void *blocks, int64_t elements);
void encode_q6_k(const float *x, const float *weights, void *blocks, int64_t elements);

#endif
