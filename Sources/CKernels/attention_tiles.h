// SPDX-License-Identifier: Apache-2.0
// Softmax attention in one pass (Milakov and Gimelshein, arXiv 1805.02867), in the words of the vocabulary of the file
// that includes this one: `dot`, `scale_row`, `add_scaled` of rows of a multiple of eight floats, and `weigh`.
//
//   for each tile of 32 positions:
//     decode the keys' rows to floats, once for all queries; scores; new maximum and sum; rescale the output
//     decode the values' rows into the same buffer; out += weight · value
// Liberty against the portable twin: the maximum is updated per tile, not per position.
#ifndef ANPROBE_ATTENTION_TILES_H
#define ANPROBE_ATTENTION_TILES_H

static void decode_tile(const void *rows, size_t position_bytes, int64_t begin, int64_t end, int64_t width,
                        ck_decoder decode, float *out) {
  for (int64_t p = begin; p < end; p++) {
    decode((const uint8_t *)rows + (size_t)p * position_bytes, out + (p - begin) * width, width);
  }
}

// What one query keeps between tiles; the scores of the tile become its weights in place.
typedef struct { float largest, total, scores[TILE]; } query_state;

static void score_tile(const ck_attention *job, int64_t i, int64_t tile, int64_t from, int64_t to, const float *keys,
                       query_state *state) {
  const float *query = job->queries + query_offset(job, i);
  float largest = state->largest;
  for (int k = 0; k < TILE; k++) state->scores[k] = -INFINITY;
  for (int64_t p = from; p < to; p++) {
    float product = dot(query, keys + (p - tile) * job->width, job->width);
    float score = soft_capped(product * job->scale, job->cap) + distance_bias(job, i, p);
    state->scores[p - tile] = score;
    largest = score > largest ? score : largest;
  }
  float sum = weigh(state->scores, largest);
  float rescale = state->total > 0 ? expf(state->largest - largest) : 0;
  if (rescale != 1) scale_row(job->out + query_offset(job, i), rescale, job->width);
  state->total = state->total * rescale + sum;
  state->largest = largest;
}

static inline void attend(const ck_attention *job, ck_decoder decode) {
  query_state *states = (query_state *)job->scratch;
  float *rows = job->scratch + job->count * (int64_t)(sizeof(query_state) / sizeof(float));
  int64_t begin = job->first[0], end = job->last[0];
  for (int64_t i = 0; i < job->count; i++) {
    states[i].largest = -INFINITY;
    states[i].total = 0;
    for (int64_t k = 0; k < job->width; k++) job->out[query_offset(job, i) + (size_t)k] = 0;
    begin = job->first[i] < begin ? job->first[i] : begin;
    end = job->last[i] > end ? job->last[i] : end;
  }
  for (int64_t tile = begin; tile < end; tile += TILE) {
    int64_t tile_end = tile + TILE < end ? tile + TILE : end;
    decode_tile(job->keys, job->position_bytes, tile, tile_end, job->width, decode, rows);
    for (int64_t i = 0; i < job->count; i++) {
      int64_t from = job->first[i] > tile ? job->first[i] : tile, to = job->last[i] < tile_end ? job->last[i] : tile_end;
      if (from < to) score_tile(job, i, tile, from, to, rows, states + i);
    }
    decode_tile(job->values, job->position_bytes, tile, tile_end, job->width, decode, rows);
    for (int64_t i = 0; i < job->count; i++) {
      int64_t from = job->first[i] > tile ? job->first[i] : tile, to = job->last[i] < tile_end ? job->last[i] : tile_end;
      float *out = job->out + query_offset(job, i);
      for (int64_t p = from; p < to; p++) {
        add_scaled(rows + (p - tile) * job->width, states[i].scores[p - tile], out, job->width);
      }
    }
  }
  for (int64_t i = 0; i < job->count; i++) {
    if (job->sinks) states[i].total += expf(job->sinks[i] - states[i].largest);
    scale_row(job->out + query_offset(job, i), 1 / states[i].total, job->width);
  }
}

#endif
