// SPDX-License-Identifier: Apache-2.0
// Whether this process may multiply by tiles: the processor has them, the system saves them, grants them, and a product
// whose sums are known to the bit comes out right.
#include "panels.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

// Leaf 7: AMX-BF16 and AMX-TILE; leaf 0x1d.1: the shapes of palette 1 (Intel SDM volume 2, CPUID).
static int has_tiles(void) {
  uint32_t a, b, c, d, needed = 1u << 22 | 1u << 24;
  if (!ck_isa_supported(CK_AVX512_VNNI) || !__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d & needed) != needed) return 0;
  if (!__get_cpuid_count(0x1d, 1, &a, &b, &c, &d)) return 0;
  return (b & 0xffff) >= 64 && b >> 16 >= 8 && (c & 0xffff) >= 16; // bytes of a row, tiles, rows
}

// For the whole process and all of its threads to come (Linux, Documentation/arch/x86/xstate.rst).
static int ask_for_tiles(void) {
  enum { ARCH_REQ_XCOMP_PERM_ = 0x1023, XFEATURE_XTILEDATA = 18 };
  return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM_, XFEATURE_XTILEDATA) == 0 ? 0 : errno;
}

// Two chunks of columns, a group of tokens and one more, a pair of panels and one more.
enum { ROWS = 48, TOKENS = 17, COLUMNS = 544, BLOCKS = COLUMNS / 32, RECORD_GROUPS = TOKENS / 6 + 1 };
typedef struct {
  uint8_t scratch[TILES_SCRATCH_BYTES];
  ck_q8_0 rows[ROWS][BLOCKS];
  uint8_t panels[ROWS * BLOCKS * sizeof(ck_q8_0)];
  float x[TOKENS][COLUMNS];
  uint16_t tiles[32 * COLUMNS];
  int32_t records[RECORD_GROUPS * 6 * BLOCKS * CK_RECORD_WORDS];
  float by_tiles[TOKENS][ROWS], by_records[TOKENS][ROWS];
} known_product;

// Whole numbers, no two rows or tokens alike; each block of the input has a 127, so that its record's step is 1. All
// products and sums are whole numbers under 2^24: no kernel may round.
static void fill(known_product *p) {
  for (int r = 0; r < ROWS; r++) {
    for (int b = 0; b < BLOCKS; b++) {
      p->rows[r][b].scale = 0x3c00;
      for (int i = 0; i < 32; i++) p->rows[r][b].values[i] = (int8_t)((r * 31 + b * 17 + i * 7) % 255 - 127);
    }
  }
  for (int t = 0; t < TOKENS; t++) {
    for (int k = 0; k < COLUMNS; k++) p->x[t][k] = k % 32 == t ? 127 : (float)((t * 13 + k * 5) % 255 - 127);
  }
}

// By tiles and by AVX-512.
static int is_right(known_product *p) {
  fill(p);
  for (int r = 0; r < ROWS; r += CK_PANEL_ROWS) {
    ck_interleave(CK_Q8_0, p->rows[r], BLOCKS, p->panels + r * BLOCKS * sizeof(ck_q8_0));
  }
  ck_panel_job job = {
    .type = CK_Q8_0, .panels = p->panels, .input = p->tiles, .tokens = TOKENS, .columns = COLUMNS,
    .y = p->by_tiles[0], .y_stride = ROWS, .scratch = p->scratch,
  };
  make_tiles_amx(p->x[0], COLUMNS, TOKENS, COLUMNS, p->tiles);
  make_tiles_amx(p->x[16], COLUMNS, TOKENS - 16, COLUMNS, p->tiles + 16 * COLUMNS);
  panel_tiles_amx(&job, 0, ROWS);
  make_records_avx512(p->x[0], COLUMNS, TOKENS, COLUMNS, 6, p->records, 0, RECORD_GROUPS);
  job.input = p->records;
  job.y = p->by_records[0];
  panel_gemm_avx512(&job, 0, ROWS);
  return memcmp(p->by_tiles, p->by_records, sizeof p->by_tiles) == 0;
}

int ck_tiles_are_right(void) {
  known_product *product = aligned_alloc(64, (sizeof *product + 63) / 64 * 64);
  if (!product) return -1;
  int answer = is_right(product);
  free(product);
  return answer;
}

static enum ck_tile_grant granted;
static int refusal;
static pthread_once_t asked = PTHREAD_ONCE_INIT;

static void ask(void) {
  granted = CK_TILES_ABSENT;
  if (!has_tiles()) return;
  granted = CK_TILES_UNSAVED;
  if ((ck_saved_states() & 0x60000) != 0x60000) return; // tile configuration and data
  granted = CK_TILES_REFUSED;
  if ((refusal = ask_for_tiles())) return;
  int answer = ck_tiles_are_right();
  if (answer < 0) refusal = ENOMEM;
  else granted = answer ? CK_TILES_GRANTED : CK_TILES_WRONG;
}

enum ck_tile_grant ck_tile_grant(int *code) {
  pthread_once(&asked, ask);
  if (code) *code = refusal;
  return granted;
}
#else
int ck_tiles_are_right(void) { return 0; }
enum ck_tile_grant ck_tile_grant(int *code) {
  if (code) *code = 0;
  return CK_TILES_ABSENT;
}
#endif
