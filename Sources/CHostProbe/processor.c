// SPDX-License-Identifier: Apache-2.0
#include "processor.h"
#include <errno.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

int chp_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t registers[4]) {
  // Leaf 0x40000000 belongs to the hypervisor and lies above the processor's own maximum.
  if ((leaf & 0xf0000000u) != 0x40000000u && !__get_cpuid_max(leaf & 0x80000000u, 0)) return 0;
  if ((leaf & 0xf0000000u) != 0x40000000u && __get_cpuid_max(leaf & 0x80000000u, 0) < leaf) return 0;
  __cpuid_count(leaf, subleaf, registers[0], registers[1], registers[2], registers[3]);
  return 1;
}

uint64_t chp_saved_states(void) {
  uint32_t r[4];
  // Leaf 1, ecx bit 27 (OSXSAVE): without it XGETBV is an invalid instruction.
  if (!chp_cpuid(1, 0, r) || !(r[2] & (1u << 27))) return 0;
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t)high << 32 | low;
}

int chp_request_amx(void) {
  // ARCH_REQ_XCOMP_PERM and the number of the tile data state (Linux, Documentation/arch/x86/xstate.rst).
  enum { ARCH_REQ_XCOMP_PERM_ = 0x1023, XFEATURE_XTILEDATA = 18 };
  return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM_, XFEATURE_XTILEDATA) == 0 ? 0 : -errno;
}
#else
int chp_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t registers[4]) {
  (void)leaf, (void)subleaf, (void)registers;
  return 0;
}
uint64_t chp_saved_states(void) { return 0; }
int chp_request_amx(void) { return -ENOSYS; }
#endif
