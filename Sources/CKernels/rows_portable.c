// SPDX-License-Identifier: Apache-2.0
// Everything but matrix products, plain; and the portable row of the table.
#include <math.h>
#include "half.h"
#include "kept_rows.h"
#include "matvec_portable.h"
#include "panels.h"

// Rounds half away from zero; |x| ≤ 127 by construction of the scale.
static int8_t rounded(float x) { return (int8_t)(x < 0 ? x - 0.5f : x + 0.5f); }

static float largest_magnitude(const float *x, int64_t n) {
  float largest = 0;
  for (int64_t i = 0; i < n; i++) largest = fabsf(x[i]) > largest ? fabsf(x[i]) : largest;
  return largest;
}

static void quantize_32_portable(const float *x, int64_t n, int8_t *q, float *d, float *s) {
  for (int64_t b = 0; b < n / 32; b++) {
    float largest = largest_magnitude(x + b * 32, 32);
    float inverse = largest > 0 ? 127.0f / largest : 0;
    int32_t sum = 0;
    for (int i = 0; i < 32; i++) sum += q[b * 32 + i] = rounded(x[b * 32 + i] * inverse);
    d[b] = largest / 127.0f;
    s[b] = d[b] * (float)sum;
  }
}

static void quantize_256_portable(const float *x, int64_t n, int8_t *q, float *d, int16_t *sums) {
  for (int64_t b = 0; b < n / 256; b++) {
    float largest = largest_magnitude(x + b * 256, 256);
    float inverse = largest > 0 ? 127.0f / largest : 0;
    for (int group = 0; group < 16; group++) {
      int32_t sum = 0;
      for (int64_t i = b * 256 + group * 16; i < b * 256 + group * 16 + 16; i++) sum += q[i] = rounded(x[i] * inverse);
      sums[b * 16 + group] = (int16_t)sum;
    }
    d[b] = largest / 127.0f;
  }
}

void encode_q8_0_portable(const float *x, void *blocks, int64_t n) {
  ck_q8_0 *block = blocks;
  for (int64_t b = 0; b < n / 32; b++) {
    float largest = largest_magnitude(x + b * 32, 32);
    block[b].scale = float_to_half(largest / 127.0f);
    float inverse = largest > 0 ? 127.0f / largest : 0;
    for (int i = 0; i < 32; i++) block[b].values[i] = rounded(x[b * 32 + i] * inverse);
  }
}

static void encode_f16_portable(const float *x, uint16_t *y, int64_t n) {
  for (int64_t i = 0; i < n; i++) y[i] = float_to_half(x[i]);
}

// packed[group][column][token of the group], zeros where the last group has no token.
enum { TOKEN_GROUP = PORTABLE_GROUP };

static void pack_portable(const float *x, int64_t stride, int64_t tokens, int64_t columns, float *packed,
                          int64_t first_group, int64_t last_group) {
  for (int64_t group = first_group; group < last_group; group++) {
    for (int64_t k = 0; k < columns; k++) {
      for (int t = 0; t < TOKEN_GROUP; t++) {
        int64_t token = group * TOKEN_GROUP + t;
        packed[(group * columns + k) * TOKEN_GROUP + t] = token < tokens ? x[token * stride + k] : 0;
      }
    }
  }
}

static void gemm_portable(const ck_gemm *job, int64_t begin, int64_t end) {
  float *row_values = job->scratch;
  for (int64_t row = begin; row < end; row++) {
    for (int64_t token = 0; token < job->tokens; token++) job->y[token * job->y_stride + row] = 0;
    for (int64_t k = 0; k < job->columns; k += DECODE_CHUNK) {
      int64_t count = job->columns - k < DECODE_CHUNK ? job->columns - k : DECODE_CHUNK;
      decode_chunk(job, ck_decode_kept, row, k, count, row_values);
      for (int64_t token = 0; token < job->tokens; token++) {
        const float *x = job->packed + (token / TOKEN_GROUP * job->columns + k) * TOKEN_GROUP + token % TOKEN_GROUP;
        float sum = 0;
        for (int64_t i = 0; i < count; i++) sum += row_values[i] * x[i * TOKEN_GROUP];
        job->y[token * job->y_stride + row] += sum;
      }
    }
  }
}

// Two passes over the scores, which is the textbook's softmax; the vector rows do it in one.
static void attention_portable(const ck_attention *job, ck_decoder decode) {
  float *row = job->scratch;
  for (int64_t i = 0; i < job->count; i++) {
    const float *query = job->queries + query_offset(job, i);
    float *out = job->out + query_offset(job, i);
    float largest = -INFINITY, total = 0;
    for (int64_t k = 0; k < job->width; k++) out[k] = 0;
    for (int64_t position = job->first[i]; position < job->last[i]; position++) {
      decode((const uint8_t *)job->keys + (size_t)position * job->position_bytes, row, job->width);
      float score = 0;
      for (int64_t k = 0; k < job->width; k++) score += query[k] * row[k];
      score = soft_capped(score * job->scale, job->cap) + distance_bias(job, i, position);
      float new_largest = score > largest ? score : largest;
      float rescale = expf(largest - new_largest), weight = expf(score - new_largest);
      decode((const uint8_t *)job->values + (size_t)position * job->position_bytes, row, job->width);
      for (int64_t k = 0; k < job->width; k++) out[k] = out[k] * rescale + weight * row[k];
      total = total * rescale + weight;
      largest = new_largest;
    }
    if (job->sinks) total += expf(job->sinks[i] - largest);
    for (int64_t k = 0; k < job->width; k++) out[k] /= total;
  }
}

static void attention_f32_portable(const ck_attention *job) { attention_portable(job, decode_f32); }
static void attention_f16_portable(const ck_attention *job) { attention_portable(job, decode_f16); }
static void attention_q8_0_portable(const ck_attention *job) { attention_portable(job, decode_q8_0); }

static void rms_norm_portable(const float *x, const float *weight, float *y, int64_t n, float epsilon) {
  double sum = 0;
  for (int64_t i = 0; i < n; i++) sum += (double)x[i] * (double)x[i];
  float scale = 1.0f / sqrtf((float)(sum / (double)n) + epsilon);
  for (int64_t i = 0; i < n; i++) y[i] = x[i] * scale * weight[i];
}

static void add_portable(const float *x, float *y, int64_t n) {
  for (int64_t i = 0; i < n; i++) y[i] += x[i];
}

static void silu_mul_portable(const float *gate, const float *up, float *y, int64_t n) {
  for (int64_t i = 0; i < n; i++) y[i] = gate[i] / (1.0f + expf(-gate[i])) * up[i];
}

static uint64_t read_portable(const void *bytes, size_t count) {
  const uint64_t *words = bytes;
  uint64_t sums[4] = {0};
  for (size_t i = 0; i + 3 < count / 8; i += 4) {
    for (int lane = 0; lane < 4; lane++) sums[lane] += words[i + (size_t)lane];
  }
  return sums[0] + sums[1] + sums[2] + sums[3];
}

static float multiply_add_peak_portable(int64_t rounds, double *operations) {
  float lanes[8] = {0, 1, 2, 3, 4, 5, 6, 7};
  for (int64_t i = 0; i < rounds; i++) {
    for (int lane = 0; lane < 8; lane++) lanes[lane] = lanes[lane] * 0.999f + 0.001f;
  }
  *operations = (double)rounds * 16;
  return lanes[0] + lanes[1] + lanes[2] + lanes[3] + lanes[4] + lanes[5] + lanes[6] + lanes[7];
}

const ck_kernels kernels_portable = {
  .name = "portable",
  .matvec = {
    [CK_F32] = matvec_f32_portable,
    [CK_F16] = matvec_f16_portable,
    [CK_BF16] = matvec_bf16_portable,
    [CK_Q8_0] = matvec_q8_0_portable,
    [CK_Q4_0] = matvec_q4_0_portable,
    [CK_Q4_K] = matvec_q4_k_portable,
    [CK_Q6_K] = matvec_q6_k_portable,
    [CK_KEPT_MASK] = matvec_mask_portable,
    [CK_KEPT_LIST] = matvec_list_portable,
  },
  .matvec_decoded = matvec_decoded_portable,
  .decode = CK_DECODERS(decode_f16, decode_q4_0, decode_q8_0, decode_q4_k),
  .token_group = TOKEN_GROUP,
  .pack = pack_portable,
  .gemm = gemm_portable,
  .record_tokens = PORTABLE_GROUP,
  .make_records = make_records_portable,
  .panel_matvec = panel_matvec_portable,
  .panel_gemm = panel_gemm_portable,
  .quantize_32 = quantize_32_portable,
  .quantize_256 = quantize_256_portable,
  .attention_f32 = attention_f32_portable,
  .attention_f16 = attention_f16_portable,
  .attention_q8_0 = attention_q8_0_portable,
  .rms_norm = rms_norm_portable,
  .add = add_portable,
  .silu_mul = silu_mul_portable,
  .activate = activate_portable,
  .encode_f16 = encode_f16_portable,
  .encode_q8_0 = encode_q8_0_portable,
  .read = read_portable,
  .multiply_add_peak = multiply_add_peak_portable,
};
