// SPDX-License-Identifier: Apache-2.0
// A block's fields as they lie in the file, which panels hold one after the other for all rows.
#ifndef ANPROBE_PANEL_LAYOUT_H
#define ANPROBE_PANEL_LAYOUT_H
#include <stddef.h>
#include <stdint.h>
#include "kernels.h"

// So many units of so many bytes each, in this order without a gap.
typedef struct { uint8_t unit, count; } panel_field;
enum { MOST_PANEL_FIELDS = 3 };
typedef struct { panel_field fields[MOST_PANEL_FIELDS]; } panel_layout;

#if defined(__x86_64__)
void interleave_avx512(const panel_layout *layout, const uint8_t *rows, size_t row_bytes, int64_t blocks,
                       uint8_t *panel);
#endif

#endif
