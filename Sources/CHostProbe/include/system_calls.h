// SPDX-License-Identifier: Apache-2.0
// Calls of the kernel that the C library hides from Swift: performance events, and pipes that no child inherits.
#ifndef ANPROBE_SYSTEM_CALLS_H
#define ANPROBE_SYSTEM_CALLS_H
#include <stdint.h>

// Opens the event `config` of the unit `type` on one processor for all processes; returns a descriptor whose eight bytes
// are the count, or the negative error number.
int chp_perf_open(uint32_t type, uint64_t config, int cpu);

// Makes a pipe whose ends close in other programs: 0, or -1 with errno.
int chp_pipe(int ends[2]);

#endif
