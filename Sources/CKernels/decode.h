// SPDX-License-Identifier: Apache-2.0
// The portable decoders: the definition of every format, one function each.
#ifndef ANPROBE_DECODE_H
#define ANPROBE_DECODE_H
#include <stdint.h>

void decode_f32(const void *blocks, float *out, int64_t elements);
void decode_f16(const void *blocks, float *out, int64_t elements);
void decode_bf16(const void *blocks, float *out, int64_t elements);
void decode_q4_0(const void *blocks, float *out, int64_t elements);
void decode_q4_1(const void *blocks, float *out, int64_t elements);
void decode_q5_0(const void *blocks, float *out, int64_t elements);
void decode_q5_1(const void *blocks, float *out, int64_t elements);
void decode_q8_0(const void *blocks, float *out, int64_t elements);
void decode_q8_1(const void *blocks, float *out, int64_t elements);
void decode_q2_k(const void *blocks, float *out, int64_t elements);
void decode_q3_k(const void *blocks, float *out, int64_t elements);
void decode_q4_k(const void *blocks, float *out, int64_t elements);
void decode_q5_k(const void *blocks, float *out, int64_t elements);
void decode_q6_k(const void *blocks, float *out, int64_t elements);
void decode_q8_k(const void *blocks, float *out, int64_t elements);
void decode_tq1_0(const void *blocks, float *out, int64_t elements);
void decode_tq2_0(const void *blocks, float *out, int64_t elements);
void decode_mxfp4(const void *blocks, float *out, int64_t elements);
void decode_iq4_nl(const void *blocks, float *out, int64_t elements);
void decode_iq4_xs(const void *blocks, float *out, int64_t elements);
void decode_iq2_xxs(const void *blocks, float *out, int64_t elements);
void decode_iq2_xs(const void *blocks, float *out, int64_t elements);
void decode_iq2_s(const void *blocks, float *out, int64_t elements);
void decode_iq3_xxs(const void *blocks, float *out, int64_t elements);
void decode_iq3_s(const void *blocks, float *out, int64_t elements);
void decode_iq1_s(const void *blocks, float *out, int64_t elements);
void decode_iq1_m(const void *blocks, float *out, int64_t elements);
void decode_int4_g32(const void *blocks, float *out, int64_t elements);
void decode_int4_g64(const void *blocks, float *out, int64_t elements);
void decode_int4_g128(const void *blocks, float *out, int64_t elements);
void decode_uint8_g32(const void *blocks, float *out, int64_t elements);
void decode_uint8_g128(const void *blocks, float *out, int64_t elements);
void decode_int8_g128(const void *blocks, float *out, int64_t elements);
void decode_nf4(const void *blocks, float *out, int64_t elements);
void decode_fp4(const void *blocks, float *out, int64_t elements);
void decode_sparse_2_4(const void *blocks, float *out, int64_t elements);
void decode_sparse_4_8(const void *blocks, float *out, int64_t elements);
void decode_fp8(const void *blocks, float *out, int64_t elements);

void unpack_q4_k_scales(const uint8_t *packed, uint8_t *scales, uint8_t *minima);
extern const int8_t nonlinear_levels[16];
extern const int8_t e2m1_doubled[16];
extern const int8_t nf4_levels[16];
extern const int8_t fp4_levels[16];
#define NF4_LEVEL_STEPS 123.26f
#define FP4_LEVEL_STEPS 120.0f

// The table of decoders: one for every type; the four that an instruction set may replace are parameters.
#define CK_DECODERS(f16, q4_0, q8_0, q4_k) \
  { \
    [CK_F32] = decode_f32, \
    [CK_F16] = f16, \
    [CK_BF16] = decode_bf16, \
    [CK_Q4_0] = q4_0, \
    [CK_Q4_1] = decode_q4_1, \
    [CK_Q5_0] = decode_q5_0, \
    [CK_Q5_1] = decode_q5_1, \
    [CK_Q8_0] = q8_0, \
    [CK_Q8_1] = decode_q8_1, \
    [CK_Q2_K] = decode_q2_k, \
    [CK_Q3_K] = decode_q3_k, \
    [CK_Q4_K] = q4_k, \
    [CK_Q5_K] = decode_q5_k, \
    [CK_Q6_K] = decode_q6_k, \
    [CK_Q8_K] = decode_q8_k, \
    [CK_IQ2_XXS] = decode_iq2_xxs, \
    [CK_IQ2_XS] = decode_iq2_xs, \
    [CK_IQ2_S] = decode_iq2_s, \
    [CK_IQ3_XXS] = decode_iq3_xxs, \
    [CK_IQ3_S] = decode_iq3_s, \
    [CK_IQ1_S] = decode_iq1_s, \
    [CK_IQ1_M] = decode_iq1_m, \
    [CK_IQ4_NL] = decode_iq4_nl, \
    [CK_IQ4_XS] = decode_iq4_xs, \
    [CK_TQ1_0] = decode_tq1_0, \
    [CK_TQ2_0] = decode_tq2_0, \
    [CK_MXFP4] = decode_mxfp4, \
    [CK_INT4_G32] = decode_int4_g32, \
    [CK_INT4_G64] = decode_int4_g64, \
    [CK_INT4_G128] = decode_int4_g128, \
    [CK_UINT8_G32] = decode_uint8_g32, \
    [CK_UINT8_G128] = decode_uint8_g128, \
    [CK_INT8_G128] = decode_int8_g128, \
    [CK_NF4] = decode_nf4, \
    [CK_FP4] = decode_fp4, \
    [CK_FP8] = decode_fp8, \
    [CK_SPARSE_2_4] = decode_sparse_2_4, \
    [CK_SPARSE_4_8] = decode_sparse_4_8, \
  }

#endif
