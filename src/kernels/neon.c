/* SPDX-License-Identifier: MIT */
/* Kernels for NEON, which every AArch64 processor has. */
#include "kernels/simd/vec_neon.h"

#define KERNELS gn_kernels_neon
#define ISA GN_ISA_NEON
#define ISA_NAME "neon"
#include "kernels/table.h"
