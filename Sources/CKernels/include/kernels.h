// SPDX-License-Identifier: Apache-2.0
// The kernels' types and the table that gives the row of an instruction set.
//
// Kernels are total functions with stated preconditions: they never allocate, fail, log or keep state. Lengths are
// elements unless a name says bytes; `columns` is a multiple of the format's block.
#ifndef ANPROBE_KERNELS_H
#define ANPROBE_KERNELS_H
#include <stddef.h>
#include <stdint.h>

// Of each architecture the best last. A binary holds all rows of its architecture and chooses once at run time.
enum ck_isa {
  CK_PORTABLE = 0,
  CK_AVX2 = 1,
  CK_AVX512_VNNI = 2,
  CK_AMX = 3,          // and AMX: prompts by tiles of 16-bit floats
  CK_NEON = 4,         // Armv8.0
  CK_NEON_DOTPROD = 5, // FEAT_DotProd: sums of four products of bytes
  CK_NEON_I8MM = 6,    // and FEAT_I8MM: products of two rows with two tokens
  CK_ISA_COUNT = 7
};

// Whether this process may multiply by tiles, or what stands against it.
enum ck_tile_grant {
  CK_TILES_GRANTED = 0,
  CK_TILES_ABSENT = 1,  // the processor has no AMX with bf16, or not beside AVX-512 VNNI
  CK_TILES_UNSAVED = 2, // the system does not save tiles between threads
  CK_TILES_REFUSED = 3, // the system refuses this process the permission
  CK_TILES_WRONG = 4    // a known product came out wrong
};

// One input vector in the forms that the formats multiply with; a matvec reads the form that its table entry names.
typedef struct {
  const float *f32;         // [columns]
  const int8_t *q32;        // [columns]       blocks of 32: x ≈ q32 · d32
  const float *d32;         // [columns / 32]
  const float *s32;         // [columns / 32]  d32 · Σ q32 of the block
  const int8_t *q256;       // [columns]       blocks of 256: x ≈ q256 · d256
  const float *d256;        // [columns / 256]
  const int16_t *sums256;   // [columns / 16]  Σ q256 of 16 elements
} ck_activations;

enum ck_input {
  CK_INPUT_F32 = 0, CK_INPUT_BLOCKS_32 = 1, CK_INPUT_BLOCKS_256 = 2, CK_INPUT_RECORDS = 3, CK_INPUT_TILES = 4,
  CK_INPUT_WIDE_RECORDS = 5, CK_INPUT_WORDS = 6
};

// Blocks to floats; elements is a multiple of the format's block.
typedef void (*ck_decoder)(const void *blocks, float *out, int64_t elements);

// y[row] = Σ weights[row][column] · x[column] for row in begin..<end; weights are rows of row_bytes bytes.
typedef void (*ck_matvec)(const void *weights, size_t row_bytes, const ck_activations *x, float *y, int64_t begin,
                          int64_t end, int64_t columns);


// y[token][row] for row in begin..<end: a product over packed inputs (see pack, make_words) and weights decoded on the way.
// scratch holds gemm_scratch_bytes bytes, 64-byte aligned; y has y_stride floats between tokens.
typedef struct {
  const void *weights;
  size_t row_bytes;
  ck_decoder decode;
  const float *packed;  // or, where ck_many_input says so,
  const int32_t *words; // words, see make_words: the other is null
  int64_t tokens;
  int64_t columns;
  float *y;
  int64_t y_stride;
  float *scratch;
  int64_t block_elements;
  int64_t block_bytes;
  int is_interleaved;   // panels of a format of floats in place of rows
  int panel_type;       // that format, or the one of kept rows, which have no decode
} ck_gemm;

// One pass of softmax attention: queries that share one KV head, over a cache of rows.
//   queries [count / group][group][width], keys and values [position][...] with the given strides, out as the queries
//   query i sees positions first[i] ..< last[i] (a causal limit and a sliding window); never an empty range. The queries of a
//   group are one token's and see the same.
//   scratch holds ck_attention_scratch_bytes(count, width) bytes.
typedef struct {
  const float *queries;
  size_t query_stride;      // floats between groups of queries, also of out
  int64_t group;            // queries that lie one behind the other: a token's heads that share the KV head
  int64_t count;
  int64_t width;            // a multiple of 8; of 32 for a q8_0 cache
  const void *keys;
  const void *values;
  size_t position_bytes;    // bytes between positions, of keys and of values
  size_t next_bytes;        // bytes to the rows that are probably attended next, to fetch them ahead; 0 for none
  const int64_t *first;
  const int64_t *last;
  float scale;
  float cap;                // scores become cap · tanh(score / cap); 0 for none
  const float *sinks;       // [count] a score that each query sees besides, without a value; null for none
  const float *slopes;      // [count] a score loses so much for each position before the query's, last − 1; null for none
  float *out;
  float *scratch;
} ck_attention;

// Of a feed-forward part: silu, GELU by its tanh formula and by the error function, max(0, x) and its square,
// and gpt-oss's min(g, 7) · σ(1.702 g) · (clamp(u, ±7) + 1).
enum ck_activation { CK_SILU, CK_GELU_TANH, CK_GELU, CK_RELU, CK_SQUARED_RELU, CK_CLAMPED_SWIGLU };

// Interleaved rows. A panel is sixteen rows: block b of a panel holds the b-th blocks of its rows, field by field, in
// units of four bytes (or of the field's two or one) of row 0, 1 ... 15 in turn. The bytes are the file's in another
// order, so that one 64-byte load brings four bytes of each of sixteen rows.
enum { CK_PANEL_ROWS = 16 };

// What the panels of integer formats multiply with: records of 32 columns for a group of T tokens, each line T words.
//   d, d·Σq, d·Σq of either half (floats); −128·Σq, the same of either half, then 8 times four 8-bit values q.
// x ≈ q · d. A group beyond the last token is zero. Formats of floats take the input as it is.
// Wide records have one d for 256 columns, which their sums lack: d, Σq, Σq of either half (floats), and the rest alike.
enum { CK_RECORD_WORDS = 15 };

// y[token][row] for row in begin..<end, multiples of sixteen, from panels of `type`.
typedef struct {
  int type;
  const void *panels;
  const void *input;   // records, or for formats of floats: packed floats or words of many tokens, the vector itself of one
  int64_t tokens;
  int64_t columns;
  float *y;
  int64_t y_stride;    // floats between tokens
  void *scratch;       // gemm_scratch_bytes bytes, 64-byte aligned; only for many tokens
  // Only panel_tiles takes these, and one of them at most:
  int adds;            // whether products are added to what y holds
  const void *gate;    // panels like these, whose products give silu(gate · x) · y; null for none
  // Where those go, in place of y: tiles that a product of y_stride columns reads, 64-byte aligned. A row that begins the
  // second half of a tile comes by itself.
  uint16_t *gated;
} ck_panel_job;

typedef struct {
  const char *name;

  ck_matvec matvec[80];     // by ck_type; null for a type without a kernel of its own: decode and multiply floats
  void (*matvec_decoded)(ck_decoder decode, int64_t block_bytes, const void *weights, size_t row_bytes,
                         const float *x, float *y, int64_t begin, int64_t end, int64_t columns,
                         int64_t block_elements);
  ck_decoder decode[80];    // by ck_type; null for a number that is no type

  // Products of many tokens: inputs are packed in groups of token_group tokens, padded with zeros.
  int64_t token_group;
  void (*pack)(const float *x, int64_t stride, int64_t tokens, int64_t columns, float *packed, int64_t first_group,
               int64_t last_group);
  void (*gemm)(const ck_gemm *job, int64_t begin, int64_t end);
  // One group of as many tokens as 16-bit integers, columns a multiple of 32, in chunks of 256: the pairs of neighbouring
  // columns, of each the tokens' in turn, then a float per token that a step of one stands for. A chunk's words have a 2-norm
  // of 32,767, so that no sum of products with others like them overflows 32 bits. Null for a set without such products.
  void (*make_words)(const float *x, int64_t stride, int64_t tokens, int64_t columns, int32_t *words);

  // Products over panels: of one token (records of groups of one), of many (what ck_many_input says, records of groups
  // of record_tokens).
  int64_t record_tokens;
  void (*make_records)(const float *x, int64_t stride, int64_t tokens, int64_t columns, int64_t group_tokens,
                       int32_t *records, int64_t first_group, int64_t last_group);
  // Columns are a multiple of 256. Null for a set that multiplies by records of 32 columns alone.
  void (*make_wide_records)(const float *x, int64_t stride, int64_t tokens, int64_t columns, int64_t group_tokens,
                            int32_t *records, int64_t first_group, int64_t last_group);
  void (*panel_matvec)(const ck_panel_job *job, int64_t begin, int64_t end);
  void (*panel_gemm)(const ck_panel_job *job, int64_t begin, int64_t end);
  // Of a few tokens, each with the sums of one token alone: records of groups of ck_few_group(tokens), for formats of
  // floats the vectors themselves. Null for a set that has only the other two.
  void (*panel_few)(const ck_panel_job *job, int64_t begin, int64_t end);

  // Products of many tokens by tiles, of the types that ck_takes_tiles names. Inputs are rounded to 16-bit floats (bf16)
  // in groups of sixteen tokens, those beyond the last one zeros: a group of `columns` takes 32 bytes per column, each 32
  // columns sixteen rows of a token. Null for a set without tiles.
  void (*make_tiles)(const float *x, int64_t stride, int64_t tokens, int64_t columns, uint16_t *tiles);
  void (*panel_tiles)(const ck_panel_job *job, int64_t begin, int64_t end);
  // The ceiling of products by tiles: from registers, or with a room of gemm_scratch_bytes bytes from the first two caches.
  float (*tile_peak)(const void *room, int64_t rounds, double *operations);

  void (*quantize_32)(const float *x, int64_t n, int8_t *q, float *d, float *s);
  void (*quantize_256)(const float *x, int64_t n, int8_t *q, float *d, int16_t *sums);

  void (*attention_f32)(const ck_attention *job);
  void (*attention_f16)(const ck_attention *job);
  void (*attention_q8_0)(const ck_attention *job);

  void (*rms_norm)(const float *x, const float *weight, float *y, int64_t n, float epsilon);
  void (*add)(const float *x, float *y, int64_t n);                          // y += x
  void (*silu_mul)(const float *gate, const float *up, float *y, int64_t n); // y = silu(gate) · up
  // y = activation(gate) · up, or activation(gate) where up is null, which CK_CLAMPED_SWIGLU never allows.
  void (*activate)(enum ck_activation kind, const float *gate, const float *up, float *y, int64_t n);
  void (*encode_f16)(const float *x, uint16_t *y, int64_t n);
  void (*encode_q8_0)(const float *x, void *blocks, int64_t n);

  uint64_t (*read)(const void *bytes, size_t count);      // sums every word: the ceiling of any kernel
  float (*multiply_add_peak)(int64_t rounds, double *operations); // registers only
} ck_kernels;

// Whether this processor and its kernel can run the row.
int ck_isa_supported(enum ck_isa isa);
const char *ck_isa_name(enum ck_isa isa);
// The row of an instruction set; the caller has asked ck_isa_supported. Null for a row that this architecture lacks.
const ck_kernels *ck_kernels_for(enum ck_isa isa);
// Asks the system for tiles, multiplies a known product by them and remembers what came of it: the first call takes
// about a millisecond, all others give its answer. code is the system's error where it refused, or 0.
enum ck_tile_grant ck_tile_grant(int *code);
// That product by itself, on a thread that may use tiles: 1 when its sums equal those of AVX-512, 0 when not, -1 without
// memory for it.
int ck_tiles_are_right(void);

// Runs the matvec of a type: its own kernel, or the one that decodes. type has a decoder or is one of kept rows.
void ck_run_matvec(const ck_kernels *kernels, int type, const void *weights, size_t row_bytes, const ck_activations *x,
                   float *y, int64_t begin, int64_t end, int64_t columns);
// Which form of the input the type's matvec reads.
enum ck_input ck_input_of(const ck_kernels *kernels, int type);
ck_decoder ck_decoder_of(const ck_kernels *kernels, int type);
// Whether the row has a kernel of its own for the type.
int ck_is_direct(const ck_kernels *kernels, int type);
int64_t ck_block_elements(int type);
int64_t ck_block_bytes(int type);

// Whether the type is one of kept rows, which are no blocks; and columns first ..< first + count of such a row as floats,
// both multiples of 64.
int ck_is_kept(int type);
void ck_decode_kept(int type, const void *row, size_t row_bytes, int64_t columns, int64_t first, int64_t count,
                    float *out);

// The inputs below a magnitude, with zeros in place of the others; whether there were any.
int ck_split_outliers(const float *x, float *rest, int64_t n, float threshold);
// y[row] += Σ weights[row][k] · x[k] over the k of at least that magnitude, for rows begin ..< end of CK_INT8_G128 or CK_Q8_0,
// in panels (begin and end multiples of sixteen) or in the file's order.
void ck_add_outliers(int type, int is_interleaved, const void *weights, size_t row_bytes, const float *x,
                     int64_t columns, float threshold, float *y, int64_t begin, int64_t end);

// Whether panels of the type can be multiplied, and what they read: CK_INPUT_F32 or CK_INPUT_RECORDS.
int ck_has_panels(int type);
enum ck_input ck_panel_input(int type);
// Sixteen rows of `blocks` blocks to a panel, and one row of a panel back to the file's order.
void ck_interleave(int type, const void *rows, int64_t blocks, void *panel);
void ck_panel_row(int type, const void *panel, int64_t row, int64_t blocks, void *out);
// Whether panel_few takes the type, and the tokens of its groups.
int ck_has_few(int type);
int64_t ck_few_group(int64_t tokens);
size_t ck_record_bytes(int64_t group_tokens, int64_t tokens, int64_t columns);
// Whether rows of so many columns of the type are multiplied by tiles, and the size of their input.
int ck_takes_tiles(const ck_kernels *kernels, int type, int64_t columns);
// What products of so many tokens read of rows of so many columns: of panels panel_gemm, or for tiles panel_tiles, of rows in
// the file's order gemm. Up to CK_FEW_TOKENS weights are not worth turning into words.
enum { CK_FEW_TOKENS = 32 };
enum ck_input ck_many_input(const ck_kernels *kernels, int type, int is_interleaved, int64_t columns, int64_t tokens);
size_t ck_tile_bytes(int64_t tokens, int64_t columns);
// The size of whole groups of tokens as words.
size_t ck_word_bytes(const ck_kernels *kernels, int64_t tokens, int64_t columns);

// Multiplies and adds 8-bit integers in registers; operations is 0 for a row without such instructions. Gives their sum.
int32_t ck_integer_peak(const ck_kernels *kernels, int64_t rounds, double *operations);
// The same of 16-bit integers; operations is 0 for a row without make_words.
int32_t ck_word_peak(const ck_kernels *kernels, int64_t rounds, double *operations);

size_t ck_gemm_scratch_bytes(const ck_kernels *kernels);
int64_t ck_gemm_row_step(const ck_kernels *kernels);
size_t ck_packed_bytes(const ck_kernels *kernels, int64_t tokens, int64_t columns);
size_t ck_attention_scratch_bytes(int64_t queries, int64_t width);

// Rotates pairs of a head's first `rotated` elements by the angles of one position; cosines and sines hold
// rotated / 2 entries. Neighbours pairs (2i, 2i+1); halves pairs (i, i + rotated/2).
void ck_rope_neighbours(float *x, int64_t rotated, const float *cosines, const float *sines);
void ck_rope_halves(float *x, int64_t rotated, const float *cosines, const float *sines);

// y = (x − mean) / √(variance + ε) · weight + bias; bias may be null. x and y may be one.
void ck_layer_norm(const float *x, const float *weight, const float *bias, float *y, int64_t n, float epsilon);
// x = cap · tanh(x / cap)
void ck_soft_cap(float *x, int64_t n, float cap);
// Σ x · y, in the order of the elements.
float ck_dot(const float *x, const float *y, int64_t n);
// y += factor · x
void ck_add_scaled(const float *x, float factor, float *y, int64_t n);
void ck_scale(float *x, float factor, int64_t n);

float ck_half_to_float(uint16_t half);
uint16_t ck_float_to_half(float value);
// The index of the largest element; the first one of equals. n ≥ 1.
int64_t ck_argmax(const float *x, int64_t n);
// Tells the processor that the caller spins.
void ck_pause(void);
// Asks for memory that will be read soon, to be brought into the second cache; none of it need be there.
void ck_ask(const void *p, int64_t bytes);

#endif
