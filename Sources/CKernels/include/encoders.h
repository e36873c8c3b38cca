// SPDX-License-Identifier: Apache-2.0
// Floats to blocks: the quantisers, one per GGUF type that can be made.
#ifndef ANPROBE_ENCODERS_H
#define ANPROBE_ENCODERS_H
#include <stdint.h>

// Encodes elements (a multiple of the type's block) finite floats. weights says how much the squared error of each
// element counts, all ≥ 0; null leaves the choice to the format: the rounding of gguf-py's reference quantisers for the
// 32-element formats and the ternary ones, equal weights for the others.
typedef void (*ck_encoder)(const float *x, const float *weights, void *blocks, int64_t elements);

// Null for a type that cannot be made.
ck_encoder ck_encoder_of(int type);

#endif
