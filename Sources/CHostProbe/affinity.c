// SPDX-License-Identifier: Apache-2.0
#include "affinity.h"
#include <errno.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

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

int chp_thread_id(void) { return (int)syscall(SYS_gettid); }

int chp_bind_thread(int thread, const int *processors, int count) {
  size_t size = CPU_ALLOC_SIZE(MAXIMUM_PROCESSORS);
  cpu_set_t *set = CPU_ALLOC(MAXIMUM_PROCESSORS);
  if (!set) return -ENOMEM;
  CPU_ZERO_S(size, set);
  for (int i = 0; i < count; i++) {
    if (processors[i] >= 0 && processors[i] < MAXIMUM_PROCESSORS) CPU_SET_S(processors[i], size, set);
  }
  int result = sched_setaffinity(thread, size, set) == 0 ? 0 : -errno;
  CPU_FREE(set);
  return result;
}
