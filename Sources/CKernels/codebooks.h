// SPDX-License-Identifier: Apache-2.0
#ifndef ANPROBE_CODEBOOKS_H
#define ANPROBE_CODEBOOKS_H
#include <stdint.h>

extern const uint16_t codebook_iq2_xxs[256];
extern const uint16_t codebook_iq2_xs[512];
extern const uint16_t codebook_iq2_s[1024];
extern const uint16_t codebook_iq3_xxs[256];
extern const uint16_t codebook_iq3_s[512];
extern const uint16_t codebook_iq1_s[2048];

#endif
