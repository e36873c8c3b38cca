// SPDX-License-Identifier: Apache-2.0
// Which rows this architecture has, which of them this processor can run, and the small functions that need no row.
#include "half.h"
#include "rows_neon.h"

#if defined(__x86_64__)
#include <cpuid.h>

uint64_t ck_saved_states(void) {
  uint32_t a, b, c, d, low, high;
  // Leaf 1, ecx bit 27 (OSXSAVE): without it XGETBV is an invalid instruction.
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c >> 27 & 1)) return 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t)high << 32 | low;
}

// Bits of CPUID leaves 1 and 7 (Intel SDM volume 2, CPUID), and the operating system's XCR0 (volume 1, 13.3).
static int has_avx2(void) {
  uint32_t a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return 0;
  uint32_t needed = 1u << 12 | 1u << 27 | 1u << 28 | 1u << 29; // FMA, OSXSAVE, AVX, F16C
  if ((c & needed) != needed || (ck_saved_states() & 0x6) != 0x6) return 0;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b >> 5 & 1);
}

static int has_avx512_vnni(void) {
  uint32_t a, b, c, d;
  if (!has_avx2() || (ck_saved_states() & 0xe6) != 0xe6 || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;
  uint32_t needed = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31; // F, DQ, BW, VL
  return (b & needed) == needed && (c >> 11 & 1);
}

static const ck_kernels *const rows[CK_ISA_COUNT] = {&kernels_portable, &kernels_avx2, &kernels_avx512_vnni, &kernels_amx};
static int can_run(enum ck_isa isa) {
  switch (isa) {
    case CK_PORTABLE: return 1;
    case CK_AVX2: return has_avx2();
    case CK_AVX512_VNNI: return has_avx512_vnni();
    case CK_AMX: return ck_tile_grant(0) == CK_TILES_GRANTED;
    default: return 0;
  }
}
#elif defined(__aarch64__)
#include <sys/auxv.h>

// Bits of the auxiliary vector's AT_HWCAP and AT_HWCAP2 (Linux, Documentation/arch/arm64/elf_hwcaps.rst); every
// processor of this architecture that Linux runs on has NEON.
static int has_dotprod(void) { return getauxval(AT_HWCAP) >> 20 & 1; }
static int has_i8mm(void) { return has_dotprod() && (getauxval(AT_HWCAP2) >> 13 & 1); }

static const ck_kernels *const rows[CK_ISA_COUNT] = {
  [CK_PORTABLE] = &kernels_portable,
  [CK_NEON] = &kernels_neon,
  [CK_NEON_DOTPROD] = &kernels_neon_dotprod,
  [CK_NEON_I8MM] = &kernels_neon_i8mm,
};
static int can_run(enum ck_isa isa) {
  return isa <= CK_NEON || (isa == CK_NEON_DOTPROD && has_dotprod()) || (isa == CK_NEON_I8MM && has_i8mm());
}
#else
static const ck_kernels *const rows[CK_ISA_COUNT] = {&kernels_portable};
static int can_run(enum ck_isa isa) { return isa == CK_PORTABLE; }
#endif

int ck_isa_supported(enum ck_isa isa) { return isa < CK_ISA_COUNT && rows[isa] && can_run(isa); }
const char *ck_isa_name(enum ck_isa isa) {
  static const char *const names[CK_ISA_COUNT] = {
    "portable", "avx2", "avx512vnni", "amx", "neon", "neondotprod", "neoni8mm",
  };
  return isa < CK_ISA_COUNT ? names[isa] : "unknown";
}
const ck_kernels *ck_kernels_for(enum ck_isa isa) { return isa < CK_ISA_COUNT ? rows[isa] : 0; }

static const struct { uint16_t elements, bytes; } blocks[CK_TYPE_COUNT] = {
  [CK_F32] = {1, 4}, [CK_F16] = {1, 2}, [CK_BF16] = {1, 2},
  [CK_Q4_0] = {32, 18}, [CK_Q4_1] = {32, 20}, [CK_Q5_0] = {32, 22}, [CK_Q5_1] = {32, 24},
  [CK_Q8_0] = {32, 34}, [CK_Q8_1] = {32, 36}, [CK_IQ4_NL] = {32, 18}, [CK_MXFP4] = {32, 17},
  [CK_Q2_K] = {256, 84}, [CK_Q3_K] = {256, 110}, [CK_Q4_K] = {256, 144}, [CK_Q5_K] = {256, 176},
  [CK_Q6_K] = {256, 210}, [CK_Q8_K] = {256, 292}, [CK_IQ2_XXS] = {256, 66}, [CK_IQ2_XS] = {256, 74},
  [CK_IQ2_S] = {256, 82}, [CK_IQ3_XXS] = {256, 98}, [CK_IQ3_S] = {256, 110}, [CK_IQ1_S] = {256, 50},
  [CK_IQ1_M] = {256, 56}, [CK_IQ4_XS] = {256, 136}, [CK_TQ1_0] = {256, 54}, [CK_TQ2_0] = {256, 66},
  [CK_INT4_G32] = {32, 19}, [CK_INT4_G64] = {64, 35}, [CK_INT4_G128] = {128, 67},
  [CK_UINT8_G32] = {32, 35}, [CK_UINT8_G128] = {128, 131}, [CK_INT8_G128] = {128, 130},
  [CK_NF4] = {64, 34}, [CK_FP4] = {64, 34}, [CK_FP8] = {128, 130},
  [CK_SPARSE_2_4] = {32, 36}, [CK_SPARSE_4_8] = {32, 40},
};

static int is_type(int type) { return type >= 0 && type < CK_TYPE_COUNT; }
int64_t ck_block_elements(int type) { return is_type(type) ? blocks[type].elements : 0; }
int64_t ck_block_bytes(int type) { return is_type(type) ? blocks[type].bytes : 0; }
ck_decoder ck_decoder_of(const ck_kernels *kernels, int type) { return is_type(type) ? kernels->decode[type] : 0; }
int ck_is_direct(const ck_kernels *kernels, int type) { return is_type(type) && kernels->matvec[type]; }

enum ck_input ck_input_of(const ck_kernels *kernels, int type) {
  if (!ck_is_direct(kernels, type)) return CK_INPUT_F32;
  switch (type) {
    case CK_Q8_0:
    case CK_Q4_0: return CK_INPUT_BLOCKS_32;
    case CK_Q4_K:
    case CK_Q6_K: return CK_INPUT_BLOCKS_256;
    default: return CK_INPUT_F32;
  }
}

void ck_run_matvec(const ck_kernels *kernels, int type, const void *weights, size_t row_bytes, const ck_activations *x,
                   float *y, int64_t begin, int64_t end, int64_t columns) {
  if (kernels->matvec[type]) {
    kernels->matvec[type](weights, row_bytes, x, y, begin, end, columns);
  } else {
    kernels->matvec_decoded(kernels->decode[type], blocks[type].bytes, weights, row_bytes, x->f32, y, begin, end,
                            columns, blocks[type].elements);
  }
}

// Rows of one weight panel; each is decoded a chunk at a time. See the gemm files.
enum { PANEL_ROWS = 64 };
size_t ck_gemm_scratch_bytes(const ck_kernels *kernels) {
  return kernels->panel_tiles ? TILES_SCRATCH_BYTES : GEMM_SCRATCH_BYTES;
}
int64_t ck_gemm_row_step(const ck_kernels *kernels) { return kernels == &kernels_portable ? 1 : PANEL_ROWS; }

size_t ck_packed_bytes(const ck_kernels *kernels, int64_t tokens, int64_t columns) {
  int64_t groups = (tokens + kernels->token_group - 1) / kernels->token_group;
  return (size_t)(groups * kernels->token_group * columns) * sizeof(float);
}

size_t ck_word_bytes(const ck_kernels *kernels, int64_t tokens, int64_t columns) {
  int64_t groups = (tokens + kernels->token_group - 1) / kernels->token_group;
  int64_t lines = columns / 2 + (columns + DECODE_CHUNK - 1) / DECODE_CHUNK;
  return (size_t)(groups * kernels->token_group * lines) * sizeof(int32_t);
}

// For each query a running maximum, sum and the weights of a tile of 32 positions; or, which is more, by tiles of AMX for
// each lane a state, its query and its output, for each position its key twice and its value in 16 bits, and 32 scores.
enum { ATTENTION_STATE = 48, ATTENTION_SCORES = ATTENTION_SPAN * 64 + ATTENTION_LANES * 8 };
size_t ck_attention_scratch_bytes(int64_t queries, int64_t width) {
  int64_t columns = (width + 31) / 32 * 32;
  int64_t rows = ATTENTION_LANES * 2 + ATTENTION_SPAN * 2;
  return (size_t)(queries * ATTENTION_STATE + rows * columns + ATTENTION_SCORES) * sizeof(float);
}

void ck_rope_neighbours(float *x, int64_t rotated, const float *cosines, const float *sines) {
  for (int64_t i = 0; i < rotated / 2; i++) {
    float a = x[2 * i], b = x[2 * i + 1];
    x[2 * i] = a * cosines[i] - b * sines[i];
    x[2 * i + 1] = a * sines[i] + b * cosines[i];
  }
}

void ck_rope_halves(float *x, int64_t rotated, const float *cosines, const float *sines) {
  float *upper = x + rotated / 2;
  for (int64_t i = 0; i < rotated / 2; i++) {
    float a = x[i], b = upper[i];
    x[i] = a * cosines[i] - b * sines[i];
    upper[i] = a * sines[i] + b * cosines[i];
  }
}

float ck_half_to_float(uint16_t half) { return half_to_float(half); }
uint16_t ck_float_to_half(float value) { return float_to_half(value); }

int64_t ck_argmax(const float *x, int64_t n) {
  int64_t best = 0;
  for (int64_t i = 1; i < n; i++) best = x[i] > x[best] ? i : best;
  return best;
}

void ck_pause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

void ck_ask(const void *p, int64_t bytes) {
  for (int64_t i = 0; i < bytes; i += 64) __builtin_prefetch((const uint8_t *)p + i, 0, 2);
}
