/* SPDX-License-Identifier: MIT */
/* Kernels for AVX-512. */
#include "kernels/simd/vec_avx512.h"

#define KERNELS gn_kernels_avx512
#define ISA GN_ISA_AVX512
#define ISA_NAME "avx512"
#include "kernels/table.h"
