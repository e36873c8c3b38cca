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

// What the codes stand for; a ternary one of iq1 for itself less 1.
extern const int8_t levels_iq2[4], levels_iq3_xxs[8], levels_iq3_s[8];

// The same with a byte for each element, which is 128 larger than its level; for iq1 in eighths, and an eighth more.
extern uint32_t words_iq2_xxs[256][2], words_iq2_xs[512][2], words_iq2_s[1024][2], words_iq1[2048][2];
extern uint32_t words_iq3_xxs[256], words_iq3_s[512];

#endif
