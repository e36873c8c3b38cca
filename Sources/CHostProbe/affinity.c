// SPDX-License-Identifier: Apache-2.0
#include "affinity.h"
#include <errno.h>
#include <sched.h>

// Machines with more PUs than cpu_set_t holds (1024) need a set allocated to size.
enum { MAXIMUM_PROCESSORS = 8192 };

int chp_allowed_processors(int *processors, int capacity) {
  size_t size = CPU_ALLOC_SIZE(MAXIMUM_PROCESSORS);
  cpu_set_t *set = CPU_ALLOC(MAXIMUM_PROCESSORS);
  if (!set) return -ENOMEM;
  CPU_ZERO_S(size, set);
  int count = 0;
  if (sched_getaffinity(0, size, set) != 0) {
    count = -errno;
  } else {
    for (int processor = 0; processor < MAXIMUM_PROCESSORS; processor++) {
      if (!CPU_ISSET_S(processor, size, set)) continue;
      if (count < capacity) processors[count] = processor;
      count++;
    }
  }
  CPU_FREE(set);
  return count;
}

int chp_pin_thread(int processor) {
  if (processor < 0 || processor >= MAXIMUM_PROCESSORS) return -EINVAL;
  size_t size = CPU_ALLOC_SIZE(MAXIMUM_PROCESSORS);
  cpu_set_t *set = CPU_ALLOC(MAXIMUM_PROCESSORS);
  if (!set) return -ENOMEM;
  CPU_ZERO_S(size, set);
  CPU_SET_S(processor, size, set);
  int result = sched_setaffinity(0, size, set) == 0 ? 0 : -errno;
  CPU_FREE(set);
  return result;
}
