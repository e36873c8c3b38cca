// SPDX-License-Identifier: Apache-2.0
// Which types can be made.
#include "encode.h"
#include "include/block_formats.h"
#include "include/encoders.h"

static const ck_encoder encoders[CK_TYPE_COUNT] = {
  [CK_F32] = encode_f32,     [CK_F16] = encode_f16,     [CK_BF16] = encode_bf16,     [CK_Q4_0] = encode_q4_0,
  [CK_Q4_1] = encode_q4_1,   [CK_Q5_0] = encode_q5_0,   [CK_Q5_1] = encode_q5_1,     [CK_Q8_0] = encode_q8_0,
  [CK_TQ1_0] = encode_tq1_0, [CK_TQ2_0] = encode_tq2_0, [CK_MXFP4] = encode_mxfp4,   [CK_IQ4_NL] = encode_iq4_nl,
  [CK_IQ4_XS] = encode_iq4_xs, [CK_Q2_K] = encode_q2_k, [CK_Q3_K] = encode_q3_k,     [CK_Q4_K] = encode_q4_k,
  [CK_Q5_K] = encode_q5_k,   [CK_Q6_K] = encode_q6_k,   [CK_IQ1_S] = encode_iq1_s,   [CK_IQ1_M] = encode_iq1_m,
  [CK_IQ2_XXS] = encode_iq2_xxs, [CK_IQ2_XS] = encode_iq2_xs, [CK_IQ2_S] = encode_iq2_s,
  [CK_IQ3_XXS] = encode_iq3_xxs, [CK_IQ3_S] = encode_iq3_s,
};

ck_encoder ck_encoder_of(int type) { return type >= 0 && type < CK_TYPE_COUNT ? encoders[type] : 0; }
