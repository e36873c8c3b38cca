// SPDX-License-Identifier: Apache-2.0
// AMX for processors without it: their invalid-instruction signal is caught, the instruction is read and carried out in C
// as the manual says, and the program goes on behind it. So the very code that ships is what a test runs.
#ifndef TILE_EMULATOR_H
#define TILE_EMULATOR_H
#include <stdint.h>

// Catches the signal for the whole process; again does nothing. 0 where this is not Linux on x86-64 with FMA.
int te_install(void);
// Instructions carried out so far on this thread: none where the processor has its own.
uint64_t te_count(void);

// For checks of the instructions themselves, whoever carries them out: c (m rows of n floats) += a (m rows of k pairs) ·
// b (k rows of n pairs), pairs of 16-bit floats; m, n and k at most 16. The caller has tiles, or has installed the emulator.
void te_multiply(const uint16_t *a, const uint16_t *b, float *c, int m, int n, int k);
// The 64 bytes that the configuration reads as: of tiles of 16 rows of 64 bytes, and after their release.
void te_configurations(uint8_t configured[64], uint8_t released[64]);

#endif
