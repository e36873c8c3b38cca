// SPDX-License-Identifier: Apache-2.0
// Which processors a thread may run on: Glibc's Swift module is built without _GNU_SOURCE and lacks these.
#ifndef ANPROBE_AFFINITY_H
#define ANPROBE_AFFINITY_H

// Fills `processors` (room for `capacity`) with the numbers of the PUs that this thread may run on; returns how many
// there are, or a negated errno.
int chp_allowed_processors(int *processors, int capacity);
// Binds the calling thread to one PU; 0, or a negated errno.
int chp_pin_thread(int processor);

#endif
