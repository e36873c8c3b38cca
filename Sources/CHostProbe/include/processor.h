// SPDX-License-Identifier: Apache-2.0
// What only instructions and system calls tell about this machine's processor.
#ifndef ANPROBE_PROCESSOR_H
#define ANPROBE_PROCESSOR_H
#include <stdint.h>

// CPUID of the PU that the caller runs on, as eax, ebx, ecx, edx. 1, or 0 where there is no such instruction or leaf.
int chp_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t registers[4]);
// Register states that the kernel saves (XCR0); 0 where that cannot be asked.
uint64_t chp_saved_states(void);
// Asks the kernel to let this process use AMX tiles: 0 granted, or a negated errno (-ENOSYS off x86-64 Linux).
int chp_request_amx(void);

#endif
