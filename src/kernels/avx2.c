/* SPDX-License-Identifier: MIT */
/* Kernels for AVX2. */
#include "kernels/simd/vec_avx2.h"

#define KERNELS gn_kernels_avx2
#define ISA GN_ISA_AVX2
#define ISA_NAME "avx2"
#include "kernels/table.h"
