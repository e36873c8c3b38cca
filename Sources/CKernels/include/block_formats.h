// SPDX-License-Identifier: Apache-2.0
// The blocks of the GGUF tensor types: byte maps as structs, each held to its size. All little-endian; a field named
// scale or minimum is an IEEE half in 16 bits. Source: the GGUF type table; checked against gguf-py's decoders.
#ifndef ANPROBE_BLOCK_FORMATS_H
#define ANPROBE_BLOCK_FORMATS_H
#include <stdint.h>

// The type numbers of GGUF files.
enum ck_type {
  CK_F32 = 0,
  CK_F16 = 1,
  CK_Q4_0 = 2,
  CK_Q4_1 = 3,
  CK_Q5_0 = 6,
  CK_Q5_1 = 7,
  CK_Q8_0 = 8,
  CK_Q8_1 = 9,
  CK_Q2_K = 10,
  CK_Q3_K = 11,
  CK_Q4_K = 12,
  CK_Q5_K = 13,
  CK_Q6_K = 14,
  CK_Q8_K = 15,
  CK_IQ2_XXS = 16,
  CK_IQ2_XS = 17,
  CK_IQ3_XXS = 18,
  CK_IQ1_S = 19,
  CK_IQ4_NL = 20,
  CK_IQ3_S = 21,
  CK_IQ2_S = 22,
  CK_IQ4_XS = 23,
  CK_IQ1_M = 29,
  CK_BF16 = 30,
  CK_TQ1_0 = 34,
  CK_TQ2_0 = 35,
  CK_MXFP4 = 39,

  // Blocks that no GGUF file holds: the codes of a group of columns and what they share, from other checkpoints.
  CK_INT4_G32 = 64,
  CK_INT4_G64 = 65,
  CK_INT4_G128 = 66,
  CK_UINT8_G32 = 67,
  CK_UINT8_G128 = 68,
  CK_INT8_G128 = 69,
  CK_NF4 = 70,
  CK_FP4 = 71,
  CK_FP8 = 72,
  CK_SPARSE_2_4 = 73,
  CK_SPARSE_4_8 = 74,

  // Rows of which any weights are kept, in place of blocks. A row has room for the fullest one's halves, and they come
  // first. At its end stands a bit for each column from the lowest up, or the halves' columns in 16 bits, ascending.
  CK_KEPT_MASK = 75, // a multiple of 64 columns; at least 32 bytes behind the halves
  CK_KEPT_LIST = 76, // at most 65,536 columns; room beyond a row's own is zeros in the last column
  CK_TYPE_COUNT = 80
};

// Groups of columns. int4 and uint8, which are no whole number of halves: a half scale, a byte zero, then the codes,
// nibbles in sixteens as above; x = scale · (code − zero).
typedef struct { uint16_t scale; int8_t values[128]; } ck_int8_g128;
typedef struct { uint16_t absmax; uint8_t nibbles[32]; } ck_levels; // x = absmax · level
typedef struct { uint16_t scale; uint8_t values[128]; } ck_fp8;   // E4M3; x = scale · value / 256

// 32 elements. Nibble formats hold element i in the low half of byte i and element i+16 in the high half.
typedef struct { uint16_t scale; uint8_t nibbles[16]; } ck_q4_0;
typedef struct { uint16_t scale, minimum; uint8_t nibbles[16]; } ck_q4_1;
typedef struct { uint16_t scale; uint8_t high_bits[4]; uint8_t nibbles[16]; } ck_q5_0;
typedef struct { uint16_t scale, minimum; uint8_t high_bits[4]; uint8_t nibbles[16]; } ck_q5_1;
typedef struct { uint16_t scale; int8_t values[32]; } ck_q8_0;
typedef struct { uint16_t scale, sum; int8_t values[32]; } ck_q8_1;
typedef struct { uint16_t scale; uint8_t nibbles[16]; } ck_iq4_nl;
typedef struct { uint8_t exponent; uint8_t nibbles[16]; } ck_mxfp4;

// 32 columns of which 16 halves are kept: two of every four, or four of every eight, in their order. The places within
// the group are numbers of two bits, sixteen to a word, or of three bits, eight to a word.
typedef struct { uint32_t places[1]; uint16_t values[16]; } ck_sparse_2_4;
typedef struct { uint32_t places[2]; uint16_t values[16]; } ck_sparse_4_8;

// 256 elements.
typedef struct { uint8_t scales[16]; uint8_t values[64]; uint16_t scale, minimum; } ck_q2_k;
typedef struct { uint8_t high_bits[32]; uint8_t values[64]; uint8_t scales[12]; uint16_t scale; } ck_q3_k;
typedef struct { uint16_t scale, minimum; uint8_t scales[12]; uint8_t nibbles[128]; } ck_q4_k;
typedef struct { uint16_t scale, minimum; uint8_t scales[12]; uint8_t high_bits[32]; uint8_t nibbles[128]; } ck_q5_k;
typedef struct { uint8_t nibbles[128]; uint8_t high_bits[64]; int8_t scales[16]; uint16_t scale; } ck_q6_k;
typedef struct { float scale; int8_t values[256]; int16_t sums[16]; } ck_q8_k;
typedef struct { uint8_t low[48]; uint8_t high[4]; uint16_t scale; } ck_tq1_0;
typedef struct { uint8_t values[64]; uint16_t scale; } ck_tq2_0;
typedef struct { uint16_t scale; uint16_t codes[32]; } ck_iq2_xxs;
typedef struct { uint16_t scale; uint16_t codes[32]; uint8_t scales[8]; } ck_iq2_xs;
typedef struct { uint16_t scale; uint8_t codes[32]; uint8_t signs[32]; uint8_t high_bits[8]; uint8_t scales[8]; } ck_iq2_s;
typedef struct { uint16_t scale; uint8_t codes[64]; uint16_t signs_and_scales[16]; } ck_iq3_xxs;
typedef struct { uint16_t scale; uint8_t codes[64]; uint8_t high_bits[8]; uint8_t signs[32]; uint8_t scales[4]; } ck_iq3_s;
typedef struct { uint16_t scale; uint8_t codes[32]; uint16_t high_bits[8]; } ck_iq1_s;
typedef struct { uint8_t codes[32]; uint8_t high_bits[16]; uint16_t scales[4]; } ck_iq1_m;
typedef struct { uint16_t scale; uint16_t scales_high; uint8_t scales_low[4]; uint8_t nibbles[128]; } ck_iq4_xs;

_Static_assert(sizeof(ck_q4_0) == 18, "q4_0");
_Static_assert(sizeof(ck_q4_1) == 20, "q4_1");
_Static_assert(sizeof(ck_q5_0) == 22, "q5_0");
_Static_assert(sizeof(ck_q5_1) == 24, "q5_1");
_Static_assert(sizeof(ck_q8_0) == 34, "q8_0");
_Static_assert(sizeof(ck_q8_1) == 36, "q8_1");
_Static_assert(sizeof(ck_iq4_nl) == 18, "iq4_nl");
_Static_assert(sizeof(ck_mxfp4) == 17, "mxfp4");
_Static_assert(sizeof(ck_q2_k) == 84, "q2_k");
_Static_assert(sizeof(ck_q3_k) == 110, "q3_k");
_Static_assert(sizeof(ck_q4_k) == 144, "q4_k");
_Static_assert(sizeof(ck_q5_k) == 176, "q5_k");
_Static_assert(sizeof(ck_q6_k) == 210, "q6_k");
_Static_assert(sizeof(ck_q8_k) == 292, "q8_k");
_Static_assert(sizeof(ck_tq1_0) == 54, "tq1_0");
_Static_assert(sizeof(ck_tq2_0) == 66, "tq2_0");
_Static_assert(sizeof(ck_iq2_xxs) == 66, "iq2_xxs");
_Static_assert(sizeof(ck_iq2_xs) == 74, "iq2_xs");
_Static_assert(sizeof(ck_iq2_s) == 82, "iq2_s");
_Static_assert(sizeof(ck_iq3_xxs) == 98, "iq3_xxs");
_Static_assert(sizeof(ck_iq3_s) == 110, "iq3_s");
_Static_assert(sizeof(ck_iq1_s) == 50, "iq1_s");
_Static_assert(sizeof(ck_iq1_m) == 56, "iq1_m");
_Static_assert(sizeof(ck_iq4_xs) == 136, "iq4_xs");
_Static_assert(sizeof(ck_int8_g128) == 130, "int8-g128");
_Static_assert(sizeof(ck_levels) == 34, "nf4 and fp4");
_Static_assert(sizeof(ck_fp8) == 130, "fp8");
_Static_assert(sizeof(ck_sparse_2_4) == 36, "sparse-2:4");
_Static_assert(sizeof(ck_sparse_4_8) == 40, "sparse-4:8");

#endif
