// SPDX-License-Identifier: Apache-2.0
// hwloc's view of a machine, as lines of text.
#ifndef ANPROBE_TOPOLOGY_H
#define ANPROBE_TOPOLOGY_H
#include <stddef.h>

typedef enum {
  // This machine.
  CHP_LIVE = 0,
  // A folder that holds recorded /proc and /sys.
  CHP_FILES = 1,
  // A folder with hwloc's CPUID dumps.
  CHP_CPUID = 2
} chp_topology_source;

// Fills `text` (room for `capacity` bytes) and returns its length, or a negated errno; -ENOSPC when the room is short.
//
// A recording is read in a child process: hwloc takes the folder from environment variables, which cannot be changed
// safely beside other threads, and a hostile recording that crashes or stalls hwloc then costs an answer, not us.
//
// Lines, fields apart by one space:
//   package|die|core|pu OS_INDEX
//   numa OS_INDEX BYTES PU_COUNT
//   cache LEVEL KIND(unified|data|instruction) BYTES LINE_BYTES PU_COUNT
//   kind EFFICIENCY CORE_COUNT PU_COUNT MAXIMUM_MHZ|- CORE_TYPE|-
//   distance ROW_VALUES...        one line per NUMA node, in the order of the `numa` lines
//   info NAME VALUE               of the first package (CPUVendor, CPUModel)
long chp_topology(chp_topology_source source, const char *folder, char *text, size_t capacity);

#endif
