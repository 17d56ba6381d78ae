/* SPDX-License-Identifier: MIT */
/* Kernels for any machine: vectors of 16 bytes, which SSE2, NEON and others have. */
#define VEC_BYTES 16
#include "kernels/simd/vec.h"

#define KERNELS gn_kernels_generic
#define ISA GN_ISA_GENERIC
#define ISA_NAME "generic"
#include "kernels/table.h"
