// SPDX-License-Identifier: Apache-2.0
// What the NEON files define for their rows of the kernel table. Names ending in neon need Armv8.0 alone; the integer
// products exist a second time for FEAT_DotProd, and products of many tokens a third time for FEAT_I8MM.
#ifndef ANPROBE_ROWS_NEON_H
#define ANPROBE_ROWS_NEON_H
#include "panels.h"
#if defined(__aarch64__)

void matvec_f32_neon(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                     int64_t end, int64_t columns);
void matvec_f16_neon(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                     int64_t end, int64_t columns);
void matvec_bf16_neon(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                      int64_t end, int64_t columns);
void matvec_decoded_neon(ck_decoder decode, int64_t block_bytes, const void *weights, size_t row_bytes, const float *x,
                         float *y, int64_t begin, int64_t end, int64_t columns, int64_t block_elements);
void matvec_q8_0_neon(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                      int64_t end, int64_t columns);
void matvec_q4_0_neon(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                      int64_t end, int64_t columns);
void matvec_q4_k_neon(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                      int64_t end, int64_t columns);
void matvec_q6_k_neon(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                      int64_t end, int64_t columns);
void matvec_q8_0_dotprod(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                         int64_t end, int64_t columns);
void matvec_q4_0_dotprod(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                         int64_t end, int64_t columns);
void matvec_q4_k_dotprod(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                         int64_t end, int64_t columns);
void matvec_q6_k_dotprod(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                         int64_t end, int64_t columns);
void gemm_neon(const ck_gemm *job, int64_t begin, int64_t end);
void pack_neon(const float *x, int64_t stride, int64_t tokens, int64_t columns, float *packed, int64_t first_group,
               int64_t last_group);
void make_records_neon(const float *x, int64_t stride, int64_t tokens, int64_t columns, int64_t group_tokens,
                       int32_t *records, int64_t first_group, int64_t last_group);
void quantize_32_neon(const float *x, int64_t n, int8_t *q, float *d, float *s);
void quantize_256_neon(const float *x, int64_t n, int8_t *q, float *d, int16_t *sums);
void panel_matvec_neon(const ck_panel_job *job, int64_t begin, int64_t end);
void panel_matvec_dotprod(const ck_panel_job *job, int64_t begin, int64_t end);
void panel_gemm_neon(const ck_panel_job *job, int64_t begin, int64_t end);
void panel_gemm_dotprod(const ck_panel_job *job, int64_t begin, int64_t end);
void panel_gemm_i8mm(const ck_panel_job *job, int64_t begin, int64_t end);
void decode_f16_neon(const void *blocks, float *out, int64_t elements);
void decode_q8_0_neon(const void *blocks, float *out, int64_t elements);
void decode_q4_0_neon(const void *blocks, float *out, int64_t elements);
void decode_q4_k_neon(const void *blocks, float *out, int64_t elements);
void attention_f32_neon(const ck_attention *job);
void attention_f16_neon(const ck_attention *job);
void attention_q8_0_neon(const ck_attention *job);
void silu_mul_neon(const float *gate, const float *up, float *y, int64_t n);
void activate_neon(enum ck_activation kind, const float *gate, const float *up, float *y, int64_t n);
float multiply_add_peak_neon(int64_t rounds, double *operations);

extern const ck_kernels kernels_neon;
extern const ck_kernels kernels_neon_dotprod;
extern const ck_kernels kernels_neon_i8mm;

// Tokens of a group, of packed floats as of records: one register holds a word of each.
enum { NEON_GROUP = 4 };

#endif
#endif
