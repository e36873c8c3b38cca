// SPDX-License-Identifier: Apache-2.0
#include "system_calls.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int chp_perf_open(uint32_t type, uint64_t config, int cpu) {
  struct perf_event_attr event;
  memset(&event, 0, sizeof event);
  event.size = sizeof event;
  event.type = type;
  event.config = config;
  long descriptor = syscall(SYS_perf_event_open, &event, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
  return descriptor < 0 ? -errno : (int)descriptor;
}

int chp_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC); }
