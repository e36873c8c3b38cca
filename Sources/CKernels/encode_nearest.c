// SPDX-License-Identifier: Apache-2.0
#include "encode_nearest.h"
#include "codebooks.h"
#include "encode_search.h"
#include <math.h>
#include <pthread.h>

#pragma STDC FP_CONTRACT OFF

enum { TERNARY_EIGHTS = 6561, OCTAL_FOURS = 4096 }; // 3^8, 8^4

static const float ternary[3] = {-1, 0, 1};
static const float magnitudes_iq2[3] = {8, 25, 43};
static const float magnitudes_iq3_xxs[8] = {4, 12, 20, 28, 36, 44, 52, 62};
static const float magnitudes_iq3_s[8] = {1, 3, 5, 7, 9, 11, 13, 15};

#define ROOM(name, count, length, combinations) \
  static float points_##name[count * length];   \
  static uint16_t near_##name[combinations * NEAR_COUNT];
ROOM(iq2_xxs, 256, 8, TERNARY_EIGHTS)
ROOM(iq2_xs, 512, 8, TERNARY_EIGHTS)
ROOM(iq2_s, 1024, 8, TERNARY_EIGHTS)
ROOM(iq3_xxs, 256, 4, OCTAL_FOURS)
ROOM(iq3_s, 512, 4, OCTAL_FOURS)
ROOM(iq1_s, 2048, 8, TERNARY_EIGHTS)

static const codebook books[BOOK_COUNT] = {
  {codebook_iq2_xxs, 256, 8, 2, 3, magnitudes_iq2, points_iq2_xxs, near_iq2_xxs},
  {codebook_iq2_xs, 512, 8, 2, 3, magnitudes_iq2, points_iq2_xs, near_iq2_xs},
  {codebook_iq2_s, 1024, 8, 2, 3, magnitudes_iq2, points_iq2_s, near_iq2_s},
  {codebook_iq3_xxs, 256, 4, 3, 8, magnitudes_iq3_xxs, points_iq3_xxs, near_iq3_xxs},
  {codebook_iq3_s, 512, 4, 3, 8, magnitudes_iq3_s, points_iq3_s, near_iq3_s},
  {codebook_iq1_s, 2048, 8, 2, 3, ternary, points_iq1_s, near_iq1_s},
};

static float distance(const float *a, const float *b, int length) {
  float sum = 0;
  for (int i = 0; i < length; i++) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sum;
}

// The near entries of one vector in the order of their distance, the lower index first of equals.
static void find_near(const codebook *book, const float *vector, uint16_t *near) {
  float distances[NEAR_COUNT];
  int found = 0;
  for (int entry = 0; entry < book->count; entry++) {
    float d = distance(vector, book->points + entry * book->length, book->length);
    if (found == NEAR_COUNT && d >= distances[NEAR_COUNT - 1]) continue;
    int place = found < NEAR_COUNT ? found++ : NEAR_COUNT - 1;
    for (; place > 0 && distances[place - 1] > d; place--) {
      distances[place] = distances[place - 1];
      near[place] = near[place - 1];
    }
    distances[place] = d;
    near[place] = (uint16_t)entry;
  }
}

static void build(const codebook *book) {
  for (int i = 0; i < book->count * book->length; i++) {
    int index = book->entries[i / book->length] >> (i % book->length * book->bits) & ((1 << book->bits) - 1);
    book->points[i] = book->values[index];
  }
  int combinations = 1;
  for (int i = 0; i < book->length; i++) combinations *= book->levels;
  for (int combination = 0; combination < combinations; combination++) {
    float vector[LENGTH_MAX];
    for (int i = 0, rest = combination; i < book->length; i++, rest /= book->levels) {
      vector[i] = book->values[rest % book->levels];
    }
    find_near(book, vector, book->near + combination * NEAR_COUNT);
  }
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char is_built[BOOK_COUNT];

const codebook *codebook_of(codebook_name name) {
  pthread_mutex_lock(&lock);
  if (!is_built[name]) build(&books[name]);
  is_built[name] = 1;
  pthread_mutex_unlock(&lock);
  return &books[name];
}

// Which combination of levels is nearest to value · step − shift, element by element.
static int combination_of(const codebook *book, const float *x, float step, float shift) {
  int combination = 0;
  for (int i = book->length - 1; i >= 0; i--) {
    float value = x[i] * step - shift;
    int level = 0;
    for (int k = 1; k < book->levels; k++) level += value + value > book->values[k - 1] + book->values[k];
    combination = combination * book->levels + level;
  }
  return combination;
}

int nearest_entry(const codebook *book, const float *x, const float *w, float scale, float shift, float *error) {
  const uint16_t *near = book->near + combination_of(book, x, inverse(scale), shift) * NEAR_COUNT;
  int choice = near[0];
  float least = INFINITY;
  for (int k = 0; k < NEAR_COUNT; k++) {
    const float *point = book->points + near[k] * book->length;
    lanes sum = {0};
    for (int i = 0; i < book->length; i += LANES) {
      lanes miss = load(x + i) - scale * (load(point + i) + shift);
      sum += load(w + i) * miss * miss;
    }
    if (!(sum_of(sum) < least)) continue;
    least = sum_of(sum);
    choice = near[k];
  }
  *error += least;
  return choice;
}
