// SPDX-License-Identifier: Apache-2.0
// What Swift sees of the kernels.
#ifndef ANPROBE_CKERNELS_H
#define ANPROBE_CKERNELS_H
#include "block_formats.h"
#include "encoders.h"
#include "kernels.h"
#endif
