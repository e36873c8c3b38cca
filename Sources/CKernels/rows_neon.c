// SPDX-License-Identifier: Apache-2.0
// Norms, sums, halves and memory reads for NEON; and the three NEON rows of the table.
#if defined(__aarch64__)
#include <arm_neon.h>
#include <math.h>
#include "half.h"
#include "kept_rows.h"
#include "rows_neon.h"

static void rms_norm_neon(const float *x, const float *weight, float *y, int64_t n, float epsilon) {
  float32x4_t sums[4] = {vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0)};
  int64_t i = 0;
  for (; i + 15 < n; i += 16) {
    for (int k = 0; k < 4; k++) {
      float32x4_t v = vld1q_f32(x + i + 4 * k);
      sums[k] = vfmaq_f32(sums[k], v, v);
    }
  }
  float sum = vaddvq_f32(vaddq_f32(vaddq_f32(sums[0], sums[1]), vaddq_f32(sums[2], sums[3])));
  for (; i < n; i++) sum += x[i] * x[i];
  float scale = 1.0f / sqrtf(sum / (float)n + epsilon);
  for (i = 0; i + 3 < n; i += 4) {
    vst1q_f32(y + i, vmulq_f32(vmulq_n_f32(vld1q_f32(x + i), scale), vld1q_f32(weight + i)));
  }
  for (; i < n; i++) y[i] = x[i] * scale * weight[i];
}

static void add_neon(const float *x, float *y, int64_t n) {
  int64_t i = 0;
  for (; i + 3 < n; i += 4) vst1q_f32(y + i, vaddq_f32(vld1q_f32(x + i), vld1q_f32(y + i)));
  for (; i < n; i++) y[i] += x[i];
}

static void encode_f16_neon(const float *x, uint16_t *y, int64_t n) {
  int64_t i = 0;
  for (; i + 3 < n; i += 4) vst1_u16(y + i, vreinterpret_u16_f16(vcvt_f16_f32(vld1q_f32(x + i))));
  for (; i < n; i++) y[i] = float_to_half(x[i]);
}

static uint64_t read_neon(const void *bytes, size_t count) {
  const uint64_t *words = bytes;
  uint64x2_t sums[4] = {vdupq_n_u64(0), vdupq_n_u64(0), vdupq_n_u64(0), vdupq_n_u64(0)};
  for (size_t i = 0; i + 7 < count / 8; i += 8) {
    for (size_t k = 0; k < 4; k++) sums[k] = vaddq_u64(sums[k], vld1q_u64(words + i + 2 * k));
  }
  return vaddvq_u64(vaddq_u64(vaddq_u64(sums[0], sums[1]), vaddq_u64(sums[2], sums[3])));
}

const ck_kernels kernels_neon = {
  .name = "neon",
  .matvec = {
    [CK_F32] = matvec_f32_neon,
    [CK_F16] = matvec_f16_neon,
    [CK_BF16] = matvec_bf16_neon,
    [CK_Q8_0] = matvec_q8_0_neon,
    [CK_Q4_0] = matvec_q4_0_neon,
    [CK_Q4_K] = matvec_q4_k_neon,
    [CK_Q6_K] = matvec_q6_k_neon,
    [CK_KEPT_MASK] = matvec_mask_portable,
    [CK_KEPT_LIST] = matvec_list_portable,
  },
  .matvec_decoded = matvec_decoded_neon,
  .decode = CK_DECODERS(decode_f16_neon, decode_q4_0_neon, decode_q8_0_neon, decode_q4_k_neon),
  .token_group = NEON_GROUP,
  .pack = pack_neon,
  .gemm = gemm_neon,
  .record_tokens = NEON_GROUP,
  .make_records = make_records_neon,
  .panel_matvec = panel_matvec_neon,
  .panel_gemm = panel_gemm_neon,
  .quantize_32 = quantize_32_neon,
  .quantize_256 = quantize_256_neon,
  .attention_f32 = attention_f32_neon,
  .attention_f16 = attention_f16_neon,
  .attention_q8_0 = attention_q8_0_neon,
  .rms_norm = rms_norm_neon,
  .add = add_neon,
  .silu_mul = silu_mul_neon,
  .activate = activate_neon,
  .encode_f16 = encode_f16_neon,
  .encode_q8_0 = encode_q8_0_portable,
  .read = read_neon,
  .multiply_add_peak = multiply_add_peak_neon,
};

const ck_kernels kernels_neon_dotprod = {
  .name = "neondotprod",
  .matvec = {
    [CK_F32] = matvec_f32_neon,
    [CK_F16] = matvec_f16_neon,
    [CK_BF16] = matvec_bf16_neon,
    [CK_Q8_0] = matvec_q8_0_dotprod,
    [CK_Q4_0] = matvec_q4_0_dotprod,
    [CK_Q4_K] = matvec_q4_k_dotprod,
    [CK_Q6_K] = matvec_q6_k_dotprod,
    [CK_KEPT_MASK] = matvec_mask_portable,
    [CK_KEPT_LIST] = matvec_list_portable,
  },
  .matvec_decoded = matvec_decoded_neon,
  .decode = CK_DECODERS(decode_f16_neon, decode_q4_0_neon, decode_q8_0_neon, decode_q4_k_neon),
  .token_group = NEON_GROUP,
  .pack = pack_neon,
  .gemm = gemm_neon,
  .record_tokens = NEON_GROUP,
  .make_records = make_records_neon,
  .panel_matvec = panel_matvec_dotprod,
  .panel_gemm = panel_gemm_dotprod,
  .quantize_32 = quantize_32_neon,
  .quantize_256 = quantize_256_neon,
  .attention_f32 = attention_f32_neon,
  .attention_f16 = attention_f16_neon,
  .attention_q8_0 = attention_q8_0_neon,
  .rms_norm = rms_norm_neon,
  .add = add_neon,
  .silu_mul = silu_mul_neon,
  .activate = activate_neon,
  .encode_f16 = encode_f16_neon,
  .encode_q8_0 = encode_q8_0_portable,
  .read = read_neon,
  .multiply_add_peak = multiply_add_peak_neon,
};

const ck_kernels kernels_neon_i8mm = {
  .name = "neoni8mm",
  .matvec = {
    [CK_F32] = matvec_f32_neon,
    [CK_F16] = matvec_f16_neon,
    [CK_BF16] = matvec_bf16_neon,
    [CK_Q8_0] = matvec_q8_0_dotprod,
    [CK_Q4_0] = matvec_q4_0_dotprod,
    [CK_Q4_K] = matvec_q4_k_dotprod,
    [CK_Q6_K] = matvec_q6_k_dotprod,
    [CK_KEPT_MASK] = matvec_mask_portable,
    [CK_KEPT_LIST] = matvec_list_portable,
  },
  .matvec_decoded = matvec_decoded_neon,
  .decode = CK_DECODERS(decode_f16_neon, decode_q4_0_neon, decode_q8_0_neon, decode_q4_k_neon),
  .token_group = NEON_GROUP,
  .pack = pack_neon,
  .gemm = gemm_neon,
  .record_tokens = NEON_GROUP,
  .make_records = make_records_neon,
  .panel_matvec = panel_matvec_dotprod,
  .panel_gemm = panel_gemm_i8mm,
  .quantize_32 = quantize_32_neon,
  .quantize_256 = quantize_256_neon,
  .attention_f32 = attention_f32_neon,
  .attention_f16 = attention_f16_neon,
  .attention_q8_0 = attention_q8_0_neon,
  .rms_norm = rms_norm_neon,
  .add = add_neon,
  .silu_mul = silu_mul_neon,
  .activate = activate_neon,
  .encode_f16 = encode_f16_neon,
  .encode_q8_0 = encode_q8_0_portable,
  .read = read_neon,
  .multiply_add_peak = multiply_add_peak_neon,
};
#endif
