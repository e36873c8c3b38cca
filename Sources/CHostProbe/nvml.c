// SPDX-License-Identifier: Apache-2.0
#include "nvml.h"
#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

// Return type, handle and structure of NVML's stable ABI (docs.nvidia.com/deploy/nvml-api): every call gives 0 for success.
typedef int result;
typedef struct device *handle;
typedef struct {
  unsigned long long total, free, used;
} memory;

static struct {
  result (*count)(unsigned *);
  result (*by_index)(unsigned, handle *);
  result (*name)(handle, char *, unsigned);
  result (*memory)(handle, memory *);
  result (*capability)(handle, int *, int *);
  result (*power_limit)(handle, unsigned *);
  result (*power)(handle, unsigned *);
  result (*energy)(handle, unsigned long long *);
} nvml;
static int state = CHP_NVML_ABSENT;
static pthread_once_t once = PTHREAD_ONCE_INIT;

// Starting the library takes tens of milliseconds: once per process, and the kernel cleans up at its end.
static void start(void) {
  void *library = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!library) return;
  result (*initialise)(void) = (result(*)(void))dlsym(library, "nvmlInit_v2");
  nvml.count = (result(*)(unsigned *))dlsym(library, "nvmlDeviceGetCount_v2");
  nvml.by_index = (result(*)(unsigned, handle *))dlsym(library, "nvmlDeviceGetHandleByIndex_v2");
  nvml.name = (result(*)(handle, char *, unsigned))dlsym(library, "nvmlDeviceGetName");
  nvml.memory = (result(*)(handle, memory *))dlsym(library, "nvmlDeviceGetMemoryInfo");
  nvml.capability = (result(*)(handle, int *, int *))dlsym(library, "nvmlDeviceGetCudaComputeCapability");
  nvml.power_limit = (result(*)(handle, unsigned *))dlsym(library, "nvmlDeviceGetPowerManagementLimit");
  nvml.power = (result(*)(handle, unsigned *))dlsym(library, "nvmlDeviceGetPowerUsage");
  nvml.energy = (result(*)(handle, unsigned long long *))dlsym(library, "nvmlDeviceGetTotalEnergyConsumption");
  int ready = initialise && nvml.count && nvml.by_index && initialise() == 0;
  state = ready ? 0 : CHP_NVML_FAILED;
}

static void fill(handle device, chp_nvml_device *out) {
  memory bytes = {0, 0, 0};
  unsigned long long energy = 0;
  memset(out, 0, sizeof *out);
  if (!nvml.name || nvml.name(device, out->name, sizeof out->name - 1) != 0) out->name[0] = 0;
  out->has_memory = nvml.memory && nvml.memory(device, &bytes) == 0;
  out->memory_total = bytes.total;
  out->memory_free = bytes.free;
  out->has_capability =
      nvml.capability && nvml.capability(device, &out->capability_major, &out->capability_minor) == 0;
  out->has_power_limit = nvml.power_limit && nvml.power_limit(device, &out->power_limit_milliwatts) == 0;
  out->has_power = nvml.power && nvml.power(device, &out->power_milliwatts) == 0;
  out->has_energy = nvml.energy && nvml.energy(device, &energy) == 0;
  out->energy_millijoules = energy;
}

int chp_nvml_devices(chp_nvml_device *devices, int capacity) {
  pthread_once(&once, start);
  if (state != 0) return state;
  unsigned count = 0;
  if (nvml.count(&count) != 0) return CHP_NVML_FAILED;
  int filled = 0;
  for (unsigned index = 0; index < count && filled < capacity; index++) {
    handle device;
    if (nvml.by_index(index, &device) == 0) fill(device, &devices[filled++]);
  }
  return filled;
}

const char *chp_nvml_name(const chp_nvml_device *device) { return device->name; }
