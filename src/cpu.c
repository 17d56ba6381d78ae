/* SPDX-License-Identifier: MIT */
#include "cpu.h"

bool gn_cpu_runs(gn_isa isa)
{
    if (isa == GN_ISA_GENERIC)
        return true;
#if defined(__x86_64__) || defined(__i386__)
    /* The compiler's run-time asks XGETBV too: whether the system saves the wide registers. */
    __builtin_cpu_init();
    if (isa == GN_ISA_AVX2)
        return __builtin_cpu_supports("avx2") != 0;
#endif
    return false;
}
