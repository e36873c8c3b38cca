// SPDX-License-Identifier: Apache-2.0
// The rows of the kernel table: what each instruction set's files define.
#ifndef ANPROBE_ROWS_H
#define ANPROBE_ROWS_H
#include <math.h>
#include "decode.h"
#include "include/block_formats.h"
#include "include/kernels.h"

// Elements decoded at a time: a multiple of every block, small enough for a buffer on the stack and the first cache.
enum { DECODE_CHUNK = 256 };
// Tokens whose sums a thread keeps beside each other until all columns are multiplied: in y they lie a row's bytes apart,
// often a power of two, of which the caches hold few. A multiple of every group of tokens, not less than a micro-batch.
enum { KEPT_TOKENS = 516 };
// A thread's scratch of a product of many tokens: 80 rows of one decoded chunk, their scales, and sums with 128 rows.
enum { GEMM_SCRATCH_BYTES = (64 + 16) * DECODE_CHUNK * 4 + 64 * 4 + KEPT_TOKENS * 128 * 4 };
// The same of a product by tiles: 512 columns of 32 rows in 16 bits, and the sums of 512 tokens with 256 rows.
enum { TILES_SCRATCH_BYTES = 32 * 512 * 2 + 512 * 256 * 4 };
// Attention by tiles: queries that share what is made of keys and values, and positions of which that is made at a time.
enum { ATTENTION_LANES = 192, ATTENTION_SPAN = 256 };

extern const ck_kernels kernels_portable;
#if defined(__x86_64__)
extern const ck_kernels kernels_avx2;
extern const ck_kernels kernels_avx512_vnni;
extern const ck_kernels kernels_amx;
// XCR0: the register states that the system saves; 0 where it cannot be asked.
uint64_t ck_saved_states(void);

void matvec_q4_k_avx2(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                      int64_t end, int64_t columns);
void matvec_q6_k_avx2(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                      int64_t end, int64_t columns);
void matvec_f32_avx2(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                     int64_t end, int64_t columns);
void matvec_f16_avx2(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                     int64_t end, int64_t columns);
void matvec_bf16_avx2(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                      int64_t end, int64_t columns);
void matvec_q8_0_avx2(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                      int64_t end, int64_t columns);
void matvec_q4_0_avx2(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                      int64_t end, int64_t columns);
void matvec_decoded_avx2(ck_decoder decode, int64_t block_bytes, const void *weights, size_t row_bytes, const float *x,
                         float *y, int64_t begin, int64_t end, int64_t columns, int64_t block_elements);
void gemm_avx2(const ck_gemm *job, int64_t begin, int64_t end);
void pack_avx2(const float *x, int64_t stride, int64_t tokens, int64_t columns, float *packed, int64_t first_group,
               int64_t last_group);
void decode_f16_avx2(const void *blocks, float *out, int64_t elements);
void decode_q8_0_avx2(const void *blocks, float *out, int64_t elements);
void decode_q4_0_avx2(const void *blocks, float *out, int64_t elements);
void decode_q4_k_avx2(const void *blocks, float *out, int64_t elements);
void quantize_32_avx2(const float *x, int64_t n, int8_t *q, float *d, float *s);
void quantize_256_avx2(const float *x, int64_t n, int8_t *q, float *d, int16_t *sums);
void attention_f32_avx2(const ck_attention *job);
void attention_f16_avx2(const ck_attention *job);
void attention_q8_0_avx2(const ck_attention *job);
void attention_f32_avx512(const ck_attention *job);
void attention_f16_avx512(const ck_attention *job);
void attention_q8_0_avx512(const ck_attention *job);
void attention_f32_amx(const ck_attention *job);
void attention_f16_amx(const ck_attention *job);
void attention_q8_0_amx(const ck_attention *job);
void rms_norm_avx2(const float *x, const float *weight, float *y, int64_t n, float epsilon);
void add_avx2(const float *x, float *y, int64_t n);
void activate_avx2(enum ck_activation kind, const float *gate, const float *up, float *y, int64_t n);
void silu_mul_avx2(const float *gate, const float *up, float *y, int64_t n);
void encode_f16_avx2(const float *x, uint16_t *y, int64_t n);
uint64_t read_avx2(const void *bytes, size_t count);
float multiply_add_peak_avx2(int64_t rounds, double *operations);
#endif

void activate_portable(enum ck_activation kind, const float *gate, const float *up, float *y, int64_t n);
// The score of a capped attention; without a cap the score itself.
static inline float soft_capped(float score, float cap) { return cap > 0 ? cap * tanhf(score / cap) : score; }

// Where query i and its output begin, in floats.
static inline size_t query_offset(const ck_attention *job, int64_t i) {
  return (size_t)(i / job->group) * job->query_stride + (size_t)(i % job->group * job->width);
}

// What a score gains by its distance: nothing at the query's own position, less than nothing before it.
static inline float distance_bias(const ck_attention *job, int64_t query, int64_t position) {
  return job->slopes ? job->slopes[query] * (float)(position - (job->last[query] - 1)) : 0;
}

// Shared by every row: rounding to the nearest code, and a block of the q8_0 cache.
void encode_q8_0_portable(const float *x, void *blocks, int64_t n);

#endif
