// SPDX-License-Identifier: Apache-2.0
// Source of every rule: Intel SDM volume 1, chapter 18 (tiles), volume 2 (the instructions' pages).
#include "TileEmulator.h"

#if defined(__x86_64__) && defined(__linux__)
#include <immintrin.h>
#include <signal.h>
#include <string.h>
#include <ucontext.h>

enum { TILES = 8, MOST_ROWS = 16, MOST_BYTES = 64 };

// LDTILECFG's operand, and what the registers hold.
typedef struct {
  uint8_t palette, start_row, reserved[14];
  uint16_t row_bytes[16];
  uint8_t rows[16];
} shapes;

static __thread shapes configured;
static __thread uint8_t tiles[TILES][MOST_ROWS][MOST_BYTES];
static __thread uint64_t count;

uint64_t te_count(void) { return count; }

// An instruction of the encoding VEX.128.pp.0F38.W0: its operands are ModRM's reg and r/m and VEX's vvvv.
typedef struct {
  int prefix; // 0 none, 1 66, 2 F3, 3 F2
  int opcode, reg, rm, third;
  int is_memory;
  uint8_t *address; // without the index, which TILELOADD and TILESTORED take as the stride
  int64_t index;
  int length;
} instruction;

static const int registers[16] = {
  REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
  REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
};

static int64_t displacement(const uint8_t *p, int bytes) {
  int32_t wide = 0;
  if (bytes == 1) return (int8_t)p[0];
  memcpy(&wide, p, 4);
  return bytes ? wide : 0;
}

// ModRM, SIB and displacement at p; the bytes they take.
static int read_operands(const greg_t *general, const uint8_t *p, int has_x, int has_b, instruction *i) {
  int mod = p[0] >> 6, low = p[0] & 7, length = 1, is_relative = 0;
  int64_t base = 0;
  i->reg = p[0] >> 3 & 7;
  i->rm = low;
  i->is_memory = mod != 3;
  if (mod == 3) return has_b || has_x ? 0 : 1;
  int bytes = mod == 1 ? 1 : mod == 2 ? 4 : 0;
  if (low == 4) {
    int number = p[1] & 7, by = (p[1] >> 3 & 7) + 8 * has_x;
    length = 2;
    if (by != 4) i->index = (int64_t)((uint64_t)general[registers[by]] << (p[1] >> 6));
    if (mod == 0 && number == 5) bytes = 4;
    else base = general[registers[number + 8 * has_b]];
  } else if (mod == 0 && low == 5) {
    bytes = 4;
    is_relative = 1;
  } else {
    base = general[registers[low + 8 * has_b]];
  }
  base += displacement(p + length, bytes);
  length += bytes;
  // Behind the instruction: three bytes of VEX and the opcode stand before p.
  if (is_relative) base += (int64_t)(uintptr_t)p + length;
  i->address = (uint8_t *)(uintptr_t)base;
  return length;
}

static int read_instruction(const greg_t *general, instruction *i) {
  const uint8_t *p = (const uint8_t *)(uintptr_t)general[REG_RIP];
  // 128 bits and W0; R selects no tile above 7.
  if (p[0] != 0xc4 || (p[1] & 0x1f) != 2 || !(p[1] & 0x80) || p[2] & 0x84) return 0;
  i->prefix = p[2] & 3;
  i->third = ~p[2] >> 3 & 15;
  i->opcode = p[3];
  int operands = read_operands(general, p + 4, !(p[1] & 0x40), !(p[1] & 0x20), i);
  i->length = 4 + operands;
  return operands > 0;
}

static int is_configured(int tile) { return configured.palette == 1 && configured.rows[tile] > 0; }

static void forget(void) {
  memset(&configured, 0, sizeof configured);
  memset(tiles, 0, sizeof tiles);
}

// Only palette 1 with what is reserved zero; rows and bytes in bounds and of one tile both zero or neither.
static int configure(const uint8_t *from) {
  shapes wanted;
  memcpy(&wanted, from, sizeof wanted);
  forget();
  if (wanted.palette == 0) return 1;
  if (wanted.palette != 1 || wanted.start_row >= MOST_ROWS) return 0;
  for (int i = 0; i < 14; i++) {
    if (wanted.reserved[i]) return 0;
  }
  for (int i = 0; i < 16; i++) {
    int rows = wanted.rows[i], bytes = wanted.row_bytes[i];
    if (rows > MOST_ROWS || bytes > MOST_BYTES || !rows != !bytes || (i >= TILES && rows)) return 0;
  }
  configured = wanted;
  return 1;
}

// To or from memory, row by row; a load leaves zeros beyond the tile's shape.
static int move(const instruction *i, int is_store) {
  if (!is_configured(i->reg)) return 0;
  size_t bytes = configured.row_bytes[i->reg];
  if (!is_store) memset(tiles[i->reg], 0, sizeof tiles[i->reg]);
  for (int row = configured.start_row; row < configured.rows[i->reg]; row++) {
    uint8_t *memory = i->address + row * i->index;
    if (is_store) memcpy(memory, tiles[i->reg][row], bytes);
    else memcpy(tiles[i->reg][row], memory, bytes);
  }
  configured.start_row = 0;
  return 1;
}

// The even and the odd ones of each row's pairs.
typedef struct { float even[MOST_ROWS][16], odd[MOST_ROWS][16]; } halves;
static void widen(uint8_t (*rows)[MOST_BYTES], halves *out) {
  for (int row = 0; row < MOST_ROWS; row++) {
    for (int n = 0; n < 16; n++) {
      uint32_t both, even, odd;
      memcpy(&both, rows[row] + 4 * n, 4);
      even = both << 16;
      odd = both & 0xffff0000;
      memcpy(&out->even[row][n], &even, 4);
      memcpy(&out->odd[row][n], &odd, 4);
    }
  }
}

// One row of c: the even products of each pair and the odd ones are summed apart over all pairs, by fused operations that
// round to nearest even; then the two sums together, then this to c.
__attribute__((noinline, target("avx2,fma"))) static void multiply_row(
    const float *a_even, const float *a_odd, const halves *b, int pairs, int columns, uint8_t *c) {
  float even[16] = {0}, odd[16] = {0}, sums[16];
  for (int k = 0; k < pairs; k++) {
    for (int n = 0; n < 16; n++) even[n] = __builtin_fmaf(a_even[k], b->even[k][n], even[n]);
    for (int n = 0; n < 16; n++) odd[n] = __builtin_fmaf(a_odd[k], b->odd[k][n], odd[n]);
  }
  memcpy(sums, c, sizeof sums);
  for (int n = 0; n < 16; n++) sums[n] += even[n] + odd[n];
  memset(c, 0, MOST_BYTES);
  memcpy(c, sums, (size_t)columns * 4);
}

static int multiply(const instruction *i) {
  int c = i->reg, a = i->rm, b = i->third;
  if (i->is_memory || b >= TILES || a == b || a == c || b == c) return 0;
  if (!is_configured(a) || !is_configured(b) || !is_configured(c) || configured.start_row) return 0;
  int pairs = configured.row_bytes[a] / 4, columns = configured.row_bytes[b] / 4;
  if (configured.row_bytes[a] % 4 || configured.row_bytes[b] % 4 || pairs != configured.rows[b]) return 0;
  if (configured.rows[a] != configured.rows[c] || configured.row_bytes[b] != configured.row_bytes[c]) return 0;
  halves left, right;
  widen(tiles[a], &left);
  widen(tiles[b], &right);
  // Denormals count as zero and become zero whatever the program's own mode is.
  unsigned mode = _mm_getcsr();
  _mm_setcsr(0x1f80 | 0x8000 | 0x0040);
  for (int row = 0; row < configured.rows[c]; row++) {
    multiply_row(left.even[row], left.odd[row], &right, pairs, columns, tiles[c][row]);
  }
  _mm_setcsr(mode);
  return 1;
}

// Opcode 49: the configuration's moves, release and zeroing.
static int change(const instruction *i) {
  if (i->third) return 0;
  if (i->is_memory && i->reg == 0 && i->prefix == 0) return configure(i->address);
  if (i->is_memory && i->reg == 0 && i->prefix == 1) return memcpy(i->address, &configured, sizeof configured), 1;
  if (!i->is_memory && i->reg == 0 && i->rm == 0 && i->prefix == 0) return forget(), 1;
  if (i->is_memory || i->rm || i->prefix != 3 || !is_configured(i->reg)) return 0;
  memset(tiles[i->reg], 0, sizeof tiles[i->reg]);
  return 1;
}

static int carry_out(const instruction *i) {
  switch (i->opcode) {
    case 0x49: return change(i);
    case 0x4b:
      if (!i->is_memory || i->rm != 4 || i->third) return 0;
      return i->prefix == 3 || i->prefix == 1 ? move(i, 0) : i->prefix == 2 ? move(i, 1) : 0;
    case 0x5c: return i->prefix == 2 && multiply(i);
    default: return 0;
  }
}

static struct sigaction former;

static void caught(int signal, siginfo_t *info, void *context) {
  (void)info;
  greg_t *general = ((ucontext_t *)context)->uc_mcontext.gregs;
  instruction i = {0};
  if (read_instruction(general, &i) && carry_out(&i)) {
    general[REG_RIP] += i.length;
    count++;
  } else {
    sigaction(signal, &former, 0); // it happens again, and then it is somebody else's
  }
}

static int is_installed;

int te_install(void) {
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("fma")) return 0;
  if (__atomic_exchange_n(&is_installed, 1, __ATOMIC_SEQ_CST)) return 1;
  struct sigaction action = {.sa_sigaction = caught, .sa_flags = SA_SIGINFO};
  return sigaction(SIGILL, &action, &former) == 0;
}

__attribute__((target("amx-tile,amx-bf16"))) void te_multiply(const uint16_t *a, const uint16_t *b, float *c, int m, int n,
                                                              int k) {
  shapes wanted = {.palette = 1};
  const int rows[3] = {m, m, k}, bytes[3] = {4 * n, 4 * k, 4 * n}; // of c, a and b
  for (int i = 0; i < 3; i++) {
    wanted.rows[i] = (uint8_t)rows[i];
    wanted.row_bytes[i] = (uint16_t)bytes[i];
  }
  _tile_loadconfig(&wanted);
  _tile_loadd(0, c, 4 * n);
  _tile_loadd(1, a, 4 * k);
  _tile_loadd(2, b, 4 * n);
  _tile_dpbf16ps(0, 1, 2);
  _tile_stored(0, c, 4 * n);
  _tile_release();
}

__attribute__((target("amx-tile"))) void te_configurations(uint8_t first[64], uint8_t released[64]) {
  shapes wanted = {.palette = 1};
  for (int i = 0; i < TILES; i++) {
    wanted.rows[i] = MOST_ROWS;
    wanted.row_bytes[i] = MOST_BYTES;
  }
  _tile_loadconfig(&wanted);
  _tile_storeconfig(first);
  _tile_release();
  _tile_storeconfig(released);
}
#else
int te_install(void) { return 0; }
uint64_t te_count(void) { return 0; }
void te_multiply(const uint16_t *a, const uint16_t *b, float *c, int m, int n, int k) {
  (void)a, (void)b, (void)c, (void)m, (void)n, (void)k;
}
void te_configurations(uint8_t first[64], uint8_t released[64]) { (void)first, (void)released; }
#endif
