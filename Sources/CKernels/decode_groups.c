// SPDX-License-Identifier: Apache-2.0
// Decoders of the blocks that no GGUF file holds. Source of the levels: QLoRA (arXiv 2305.14314) and bitsandbytes; of
// E4M3: arXiv 2209.05433.
#include "decode.h"
#include "half.h"
#include "include/block_formats.h"
#include "include/kernels.h"

static const float normal_levels[16] = {
  -1.0f, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f, -0.28444138169288635f,
  -0.18477343022833234f, -0.09105003625154495f, 0.0f, 0.07958029955625534f, 0.16093020141124725f,
  0.24611230194568634f, 0.33791524171829224f, 0.44070982933044434f, 0.5626170039176941f, 0.7229568362236023f, 1.0f,
};
static const float float_levels[16] = {
  0.0f, 0.0625f / 12, 8.0f / 12, 1.0f, 4.0f / 12, 0.5f, 2.0f / 12, 0.25f,
  0.0f, -0.0625f / 12, -8.0f / 12, -1.0f, -4.0f / 12, -0.5f, -2.0f / 12, -0.25f,
};

// The levels as the vector products see them, in steps that leave little to round.
const int8_t nf4_levels[16] = {-123, -86, -65, -49, -35, -23, -11, 0, 10, 20, 30, 42, 54, 69, 89, 123};
const int8_t fp4_levels[16] = {0, 1, 80, 120, 40, 60, 20, 30, 0, -1, -80, -120, -40, -60, -20, -30};

// Element i of a group: sixteen low halves of bytes, then their high halves.
static int nibble(const uint8_t *nibbles, int i) { return nibbles[i / 32 * 16 + i % 16] >> (i % 32 / 16 * 4) & 15; }

static void decode_int4(const uint8_t *block, float *out, int64_t elements, int group) {
  for (int64_t k = 0; k < elements; k += group, block += 3 + group / 2) {
    float scale = half_to_float((uint16_t)(block[0] | block[1] << 8));
    for (int i = 0; i < group; i++) out[k + i] = scale * (float)(nibble(block + 3, i) - block[2]);
  }
}
void decode_int4_g32(const void *blocks, float *out, int64_t elements) { decode_int4(blocks, out, elements, 32); }
void decode_int4_g64(const void *blocks, float *out, int64_t elements) { decode_int4(blocks, out, elements, 64); }
void decode_int4_g128(const void *blocks, float *out, int64_t elements) { decode_int4(blocks, out, elements, 128); }

static void decode_uint8(const uint8_t *block, float *out, int64_t elements, int group) {
  for (int64_t k = 0; k < elements; k += group, block += 3 + group) {
    float scale = half_to_float((uint16_t)(block[0] | block[1] << 8));
    for (int i = 0; i < group; i++) out[k + i] = scale * (float)(block[3 + i] - block[2]);
  }
}
void decode_uint8_g32(const void *blocks, float *out, int64_t elements) { decode_uint8(blocks, out, elements, 32); }
void decode_uint8_g128(const void *blocks, float *out, int64_t elements) { decode_uint8(blocks, out, elements, 128); }

void decode_int8_g128(const void *blocks, float *out, int64_t elements) {
  const ck_int8_g128 *block = blocks;
  for (int64_t k = 0; k < elements; k++) {
    out[k] = half_to_float(block[k / 128].scale) * (float)block[k / 128].values[k % 128];
  }
}

static void decode_levels(const ck_levels *block, float *out, int64_t elements, const float levels[16]) {
  for (int64_t k = 0; k < elements; k++) {
    out[k] = half_to_float(block[k / 64].absmax) * levels[nibble(block[k / 64].nibbles, (int)(k % 64))];
  }
}
void decode_nf4(const void *blocks, float *out, int64_t elements) { decode_levels(blocks, out, elements, normal_levels); }
void decode_fp4(const void *blocks, float *out, int64_t elements) { decode_levels(blocks, out, elements, float_levels); }

// The two codes of no number count as the value that their bits would be, ±480.
void decode_fp8(const void *blocks, float *out, int64_t elements) {
  const ck_fp8 *block = blocks;
  for (int64_t k = 0; k < elements; k++) {
    int code = block[k / 128].values[k % 128];
    out[k] = half_to_float(block[k / 128].scale) * half_to_float((uint16_t)((code & 0x80) << 8 | (code & 0x7f) << 7));
  }
}

// Two values that name one place both count.
static void decode_sparse(const uint32_t *places, const uint16_t *values, int bits, float out[32]) {
  int in_word = bits == 2 ? 16 : 8, kept = bits == 2 ? 2 : 4;
  for (int i = 0; i < 32; i++) out[i] = 0;
  for (int k = 0; k < 16; k++) {
    uint32_t place = places[k / in_word] >> (k % in_word * bits) & ((1u << bits) - 1);
    out[k / kept * 2 * kept + (int)place] += half_to_float(values[k]);
  }
}
void decode_sparse_2_4(const void *blocks, float *out, int64_t elements) {
  const ck_sparse_2_4 *block = blocks;
  for (int64_t k = 0; k < elements; k += 32, block++) decode_sparse(block->places, block->values, 2, out + k);
}
void decode_sparse_4_8(const void *blocks, float *out, int64_t elements) {
  const ck_sparse_4_8 *block = blocks;
  for (int64_t k = 0; k < elements; k += 32, block++) decode_sparse(block->places, block->values, 3, out + k);
}
