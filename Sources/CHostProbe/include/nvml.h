// SPDX-License-Identifier: Apache-2.0
// The few questions that we ask NVIDIA's management library, which is loaded when it is there.
#ifndef ANPROBE_NVML_H
#define ANPROBE_NVML_H
#include <stdint.h>

typedef struct {
  char name[96];
  uint64_t memory_total, memory_free;
  int has_memory;
  int capability_major, capability_minor, has_capability;
  uint32_t power_limit_milliwatts;
  int has_power_limit;
  uint64_t energy_millijoules;
  int has_energy;
  uint32_t power_milliwatts;
  int has_power;
} chp_nvml_device;

// Fills `devices` (room for `capacity`); returns how many there are, CHP_NVML_ABSENT when there is no such library, or
// CHP_NVML_FAILED when it does not start (no driver, no device file).
enum { CHP_NVML_ABSENT = -1, CHP_NVML_FAILED = -2 };
int chp_nvml_devices(chp_nvml_device *devices, int capacity);
const char *chp_nvml_name(const chp_nvml_device *device);

#endif
