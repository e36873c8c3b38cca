// SPDX-License-Identifier: Apache-2.0
#ifndef CHostProbe_H
#define CHostProbe_H
#include "affinity.h"
#include "nvml.h"
#include "processor.h"
#include "system_calls.h"
#include "topology.h"
#endif
