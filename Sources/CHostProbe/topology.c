// SPDX-License-Identifier: Apache-2.0
#include "topology.h"
#include <errno.h>
#include <fcntl.h>
#include <hwloc.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// hwloc needs 0.1 s for 256 PUs. A child that takes longer than this reads a broken recording, or was forked while
// another thread held a lock that the C library does not mend: a second one then succeeds.
enum { CHILD_SECONDS = 5, CHILD_TRIES = 2 };

typedef struct {
  char *bytes;
  size_t length, capacity;
} output;

__attribute__((format(printf, 2, 3))) static void line(output *out, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  size_t room = out->length < out->capacity ? out->capacity - out->length : 0;
  int wanted = vsnprintf(room ? out->bytes + out->length : NULL, room, format, arguments);
  if (wanted > 0) out->length += (size_t)wanted;
  va_end(arguments);
}

static unsigned processing_units(hwloc_topology_t topology, hwloc_const_cpuset_t set) {
  return set ? (unsigned)hwloc_get_nbobjs_inside_cpuset_by_type(topology, set, HWLOC_OBJ_PU) : 0;
}

static void write_objects(hwloc_topology_t topology, hwloc_obj_type_t type, const char *word, output *out) {
  hwloc_obj_t object = NULL;
  while ((object = hwloc_get_next_obj_by_type(topology, type, object)) != NULL)
    line(out, "%s %u\n", word, object->os_index);
}

static void write_caches(hwloc_topology_t topology, output *out) {
  static const char *const kinds[] = {"unified", "data", "instruction"};
  for (int type = HWLOC_OBJ_L1CACHE; type <= HWLOC_OBJ_L3ICACHE; type++) {
    hwloc_obj_t object = NULL;
    while ((object = hwloc_get_next_obj_by_type(topology, (hwloc_obj_type_t)type, object)) != NULL) {
      const struct hwloc_cache_attr_s *cache = &object->attr->cache;
      line(out, "cache %u %s %llu %u %u\n", cache->depth, kinds[cache->type <= 2 ? cache->type : 0],
           (unsigned long long)cache->size, cache->linesize, processing_units(topology, object->cpuset));
    }
  }
}

static void write_nodes(hwloc_topology_t topology, output *out) {
  hwloc_obj_t object = NULL;
  while ((object = hwloc_get_next_obj_by_type(topology, HWLOC_OBJ_NUMANODE, object)) != NULL)
    line(out, "numa %u %llu %u\n", object->os_index, (unsigned long long)object->attr->numanode.local_memory,
         processing_units(topology, object->cpuset));
  unsigned count = 1;
  struct hwloc_distances_s *distances = NULL;
  if (hwloc_distances_get_by_name(topology, "NUMALatency", &count, &distances, 0) != 0 || count == 0) return;
  for (unsigned row = 0; row < distances->nbobjs; row++) {
    line(out, "distance");
    for (unsigned column = 0; column < distances->nbobjs; column++)
      line(out, " %llu", (unsigned long long)distances->values[row * distances->nbobjs + column]);
    line(out, "\n");
  }
  hwloc_distances_release(topology, distances);
}

// The value of an info, or a dash; hwloc gives the frequency in MHz and the core type of hybrid processors.
static const char *kind_info(const struct hwloc_info_s *infos, unsigned count, const char *name) {
  for (unsigned index = 0; index < count; index++)
    if (strcmp(infos[index].name, name) == 0 && !strpbrk(infos[index].value, " \n")) return infos[index].value;
  return "-";
}

static void write_kinds(hwloc_topology_t topology, output *out) {
  int count = hwloc_cpukinds_get_nr(topology, 0);
  hwloc_bitmap_t set = hwloc_bitmap_alloc();
  for (int index = 0; set && index < count; index++) {
    int efficiency = -1;
    unsigned info_count = 0;
    struct hwloc_info_s *infos = NULL;
    if (hwloc_cpukinds_get_info(topology, (unsigned)index, set, &efficiency, &info_count, &infos, 0) != 0) continue;
    line(out, "kind %d %d %u %s %s\n", efficiency,
         hwloc_get_nbobjs_inside_cpuset_by_type(topology, set, HWLOC_OBJ_CORE), processing_units(topology, set),
         kind_info(infos, info_count, "FrequencyMaxMHz"), kind_info(infos, info_count, "CoreType"));
  }
  hwloc_bitmap_free(set);
}

static void write_info(hwloc_topology_t topology, const char *name, output *out) {
  hwloc_obj_t package = hwloc_get_obj_by_type(topology, HWLOC_OBJ_PACKAGE, 0);
  hwloc_obj_t root = hwloc_get_root_obj(topology);
  const char *value = package ? hwloc_obj_get_info_by_name(package, name) : NULL;
  if (!value) value = root ? hwloc_obj_get_info_by_name(root, name) : NULL;
  if (!value) return;
  size_t start = out->length;
  line(out, "info %s %s", name, value);
  for (size_t i = start; i < out->length && i < out->capacity; i++)
    if (out->bytes[i] == '\n') out->bytes[i] = ' ';
  line(out, "\n");
}

static long discover(char *text, size_t capacity) {
  hwloc_topology_t topology;
  if (hwloc_topology_init(&topology) != 0) return -ENOMEM;
  // Instruction caches are left out unless asked for.
  hwloc_topology_set_icache_types_filter(topology, HWLOC_TYPE_FILTER_KEEP_ALL);
  if (hwloc_topology_load(topology) != 0) {
    hwloc_topology_destroy(topology);
    return -EINVAL;
  }
  output out = {text, 0, capacity};
  write_objects(topology, HWLOC_OBJ_PACKAGE, "package", &out);
  write_objects(topology, HWLOC_OBJ_DIE, "die", &out);
  write_objects(topology, HWLOC_OBJ_CORE, "core", &out);
  write_objects(topology, HWLOC_OBJ_PU, "pu", &out);
  write_caches(topology, &out);
  write_nodes(topology, &out);
  write_kinds(topology, &out);
  write_info(topology, "CPUVendor", &out);
  write_info(topology, "CPUModel", &out);
  hwloc_topology_destroy(topology);
  return out.length < capacity ? (long)out.length : -ENOSPC;
}

// Closes what other threads have open: their readers wait for the end of pipes that this child would keep alive.
static void keep_only(int descriptor) {
  if (descriptor > 3) syscall(SYS_close_range, 3u, (unsigned)descriptor - 1, 0u);
  syscall(SYS_close_range, (unsigned)descriptor + 1, ~0u, 0u);
}

static _Noreturn void discover_in_child(chp_topology_source source, const char *folder, int descriptor, size_t capacity) {
  keep_only(descriptor);
  // Freed of handlers that the program set for itself: a crash ends this process and nothing else.
  signal(SIGSEGV, SIG_DFL);
  signal(SIGABRT, SIG_DFL);
  // hwloc complains on standard error about odd recordings; what it could not say shows in our own notes.
  int quiet = open("/dev/null", O_WRONLY);
  if (quiet >= 0) dup2(quiet, STDERR_FILENO);
  setenv("HWLOC_THISSYSTEM", "0", 1);
  setenv("HWLOC_HIDE_ERRORS", "2", 1);
  // No plugins: loading libraries in a child of a process with threads could wait for a lock for ever.
  setenv("HWLOC_PLUGINS_PATH", "/nonexistent", 1);
  setenv(source == CHP_CPUID ? "HWLOC_CPUID_PATH" : "HWLOC_FSROOT", folder, 1);
  setenv("HWLOC_COMPONENTS", source == CHP_CPUID ? "x86,stop" : "linux,stop", 1);
  char *text = malloc(capacity);
  long length = text ? discover(text, capacity) : -ENOMEM;
  if (write(descriptor, &length, sizeof length) != (ssize_t)sizeof length) _exit(1);
  for (long sent = 0; sent < length;) {
    ssize_t step = write(descriptor, text + sent, (size_t)(length - sent));
    if (step <= 0) _exit(1);
    sent += step;
  }
  _exit(0);
}

static double seconds_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

// Reads exactly `length` bytes; -EIO when the child ends early, -ETIMEDOUT past the deadline.
static long read_all(int descriptor, void *bytes, size_t length, double deadline) {
  for (size_t got = 0; got < length;) {
    struct pollfd ready = {.fd = descriptor, .events = POLLIN};
    double left = deadline - seconds_now();
    int count = left > 0 ? poll(&ready, 1, (int)(left * 1000) + 1) : 0;
    if (count == 0) return -ETIMEDOUT;
    ssize_t step = count > 0 ? read(descriptor, (char *)bytes + got, length - got) : -1;
    if (step < 0 && errno == EINTR) continue;
    if (step <= 0) return -EIO;
    got += (size_t)step;
  }
  return 0;
}

static long receive(int descriptor, char *text, size_t capacity) {
  double deadline = seconds_now() + CHILD_SECONDS;
  long length = 0;
  long failure = read_all(descriptor, &length, sizeof length, deadline);
  if (failure) return failure;
  if (length <= 0) return length;
  if ((size_t)length >= capacity) return -EIO;
  failure = read_all(descriptor, text, (size_t)length, deadline);
  return failure ? failure : length;
}

static long discover_in_process(chp_topology_source source, const char *folder, char *text, size_t capacity) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return -errno;
  pid_t child = fork();
  if (child == 0) discover_in_child(source, folder, ends[1], capacity);
  int failure = errno;
  close(ends[1]);
  long length = child < 0 ? -failure : receive(ends[0], text, capacity);
  close(ends[0]);
  if (child < 0) return length;
  // Not an alarm in the child: it inherits a mask that may block it.
  kill(child, SIGKILL);
  while (waitpid(child, NULL, 0) < 0 && errno == EINTR) continue;
  return length;
}

long chp_topology(chp_topology_source source, const char *folder, char *text, size_t capacity) {
  if (source == CHP_LIVE) return discover(text, capacity);
  long length = -ETIMEDOUT;
  for (int attempt = 0; attempt < CHILD_TRIES && length == -ETIMEDOUT; attempt++)
    length = discover_in_process(source, folder, text, capacity);
  return length;
}
