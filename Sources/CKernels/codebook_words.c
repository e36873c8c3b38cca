// SPDX-License-Identifier: Apache-2.0
// The codebooks with a byte for each element, made of the packed ones before anything runs.
#include "codebooks.h"

uint32_t words_iq2_xxs[256][2], words_iq2_xs[512][2], words_iq2_s[1024][2], words_iq1[2048][2];
uint32_t words_iq3_xxs[256], words_iq3_s[512];

// Four elements' codes of `bits` bits, the first one lowest, as bytes that are 128 larger than their levels.
static uint32_t word_of(uint32_t codes, int bits, const int8_t *levels) {
  uint32_t word = 0;
  for (int i = 0; i < 4; i++) {
    uint32_t code = codes >> (bits * i) & ((1u << bits) - 1);
    word |= (uint32_t)(uint8_t)(levels[code] + 128) << (8 * i);
  }
  return word;
}

static void fill_pairs(const uint16_t *book, int count, const int8_t levels[4], uint32_t (*words)[2]) {
  for (int i = 0; i < count; i++) {
    for (int half = 0; half < 2; half++) words[i][half] = word_of(book[i] >> (8 * half) & 255, 2, levels);
  }
}

static void fill_words(const uint16_t *book, int count, const int8_t levels[8], uint32_t *words) {
  for (int i = 0; i < count; i++) words[i] = word_of(book[i], 3, levels);
}

// A ternary element is -1, 0 or 1 and an eighth more or less: in eighths, with the eighth more.
static const int8_t levels_iq1_eighths[4] = {-7, 1, 9, 0};

__attribute__((constructor)) static void fill(void) {
  fill_pairs(codebook_iq2_xxs, 256, levels_iq2, words_iq2_xxs);
  fill_pairs(codebook_iq2_xs, 512, levels_iq2, words_iq2_xs);
  fill_pairs(codebook_iq2_s, 1024, levels_iq2, words_iq2_s);
  fill_pairs(codebook_iq1_s, 2048, levels_iq1_eighths, words_iq1);
  fill_words(codebook_iq3_xxs, 256, levels_iq3_xxs, words_iq3_xxs);
  fill_words(codebook_iq3_s, 512, levels_iq3_s, words_iq3_s);
}
