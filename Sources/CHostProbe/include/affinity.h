// SPDX-License-Identifier: Apache-2.0
// Which processors a thread may run on: Glibc's Swift module is built without _GNU_SOURCE and lacks these.
#ifndef ANPROBE_AFFINITY_H
#define ANPROBE_AFFINITY_H

// Fills `processors` (room for `capacity`) with the numbers of the PUs that this thread may run on; returns how many
// there are, or a negated errno.
int chp_allowed_processors(int *processors, int capacity);
// The system's number of the calling thread.
int chp_thread_id(void);
// Lets a thread of this process run on these PUs alone; 0, or a negated errno.
int chp_bind_thread(int thread, const int *processors, int count);

#endif
