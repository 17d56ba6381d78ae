/* SPDX-License-Identifier: MIT */
/* What the processor and the operating system can run. */
#ifndef GN_CPU_H
#define GN_CPU_H

#include <stdbool.h>

#include "groupnorm.h"

bool gn_cpu_runs(gn_isa isa);

#endif
