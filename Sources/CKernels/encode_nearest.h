// SPDX-License-Identifier: Apache-2.0
// The nearest entries of a codebook, in weighted distance.
//
// Comparing every vector with all of 256 to 2048 entries at every scale that is tried would take minutes per matrix. So
// each element is rounded to its nearest level first, and for each of the few thousand combinations of levels a table
// holds the entries that are nearest in plain distance: the weights decide among these alone.
#ifndef ANPROBE_ENCODE_NEAREST_H
#define ANPROBE_ENCODE_NEAREST_H
#include <stdint.h>

enum { NEAR_COUNT = 16, LENGTH_MAX = 8 };

typedef struct {
  const uint16_t *entries; // levels' indices, the first element lowest
  int count, length, bits; // entries; elements of an entry; bits of an index
  int levels;
  const float *values; // of the levels, ascending
  float *points;       // count × length
  uint16_t *near;      // levels^length × NEAR_COUNT
} codebook;

typedef enum { BOOK_IQ2_XXS, BOOK_IQ2_XS, BOOK_IQ2_S, BOOK_IQ3_XXS, BOOK_IQ3_S, BOOK_IQ1_S, BOOK_COUNT } codebook_name;

// With its tables, which the first caller builds; safe on any thread.
const codebook *codebook_of(codebook_name name);

// The entry p that makes Σ w·(x − scale·(p + shift))² least among the near ones; adds that error to *error.
int nearest_entry(const codebook *book, const float *x, const float *w, float scale, float shift, float *error);

#endif
