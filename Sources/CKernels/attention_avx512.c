// SPDX-License-Identifier: Apache-2.0
// Softmax attention in one pass for AVX-512, in tiles as attention_tiles.h tells: of prompts, which arithmetic bounds, and
// of one token, which memory bounds (docs/decisions/0039-attention-by-lanes-of-queries.md).
#if defined(__x86_64__)
#include <immintrin.h>
#include "rows.h"

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c"))), apply_to = function)

#include "attention_prompt_avx512.h"
#include "attention_token_avx512.h"

// By the heads of a token, not by how many of them one thread got: the sums are the same with any count of threads.
static void attend(const ck_attention *job, int type) {
  int is_token = job->count <= job->group && job->group < MANY_HEADS;
  if (is_token) attend_token(job, type); else attend_prompt(job, type);
}

// Widths that are no multiple of sixteen are rare: the AVX2 twin takes eight.
void attention_f32_avx512(const ck_attention *job) {
  if (job->width % LANES) return attention_f32_avx2(job);
  attend(job, CK_F32);
}
void attention_f16_avx512(const ck_attention *job) {
  if (job->width % LANES) return attention_f16_avx2(job);
  attend(job, CK_F16);
}
void attention_q8_0_avx512(const ck_attention *job) { attend(job, CK_Q8_0); }

#pragma clang attribute pop
#endif
