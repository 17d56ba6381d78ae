/* SPDX-License-Identifier: MIT */
#include "plan/cpu.h"

#include <stdatomic.h>

#ifdef __x86_64__
#include <cpuid.h>
#include <immintrin.h>

/*
 * Bits of XCR0: the registers that the operating system saves when it switches threads.
 * Instructions on registers that it does not save fault, whatever CPUID says.
 */
enum {
    SAVES_XMM = 1 << 1,
    SAVES_YMM = 1 << 2,
    SAVES_MASKS = 1 << 5,
    SAVES_ZMM_UPPER = 1 << 6, /* the upper halves of registers 0 to 15 */
    SAVES_ZMM_HIGH = 1 << 7,  /* registers 16 to 31 */
    SAVES_AVX = SAVES_XMM | SAVES_YMM,
    SAVES_AVX512 = SAVES_AVX | SAVES_MASKS | SAVES_ZMM_UPPER | SAVES_ZMM_HIGH
};

__attribute__((target("xsave"))) static unsigned xcr0(void)
{
    return (unsigned)_xgetbv(0);
}

static bool has(unsigned set, unsigned bits)
{
    return (set & bits) == bits;
}

/* The instruction sets that this machine runs: bit 1 << isa for each. */
static unsigned detect(void)
{
    unsigned eax, ebx, ecx, edx, isas = 1u << GN_ISA_GENERIC;
    if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !has(ecx, bit_OSXSAVE | bit_AVX))
        return isas;
    unsigned saved = xcr0();
    bool has_fma_f16c = has(ecx, bit_FMA | bit_F16C);
    if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx))
        return isas;
    if (!has_fma_f16c)
        return isas;
    if (has(saved, SAVES_AVX) && has(ebx, bit_AVX2))
        isas |= 1u << GN_ISA_AVX2;
    if (has(saved, SAVES_AVX512) &&
        has(ebx, bit_AVX512F | bit_AVX512DQ | bit_AVX512BW | bit_AVX512VL))
        isas |= 1u << GN_ISA_AVX512;
    return isas;
}
#else
static unsigned detect(void)
{
#ifdef __aarch64__
    return 1u << GN_ISA_GENERIC | 1u << GN_ISA_NEON; /* AArch64 always has it */
#else
    return 1u << GN_ISA_GENERIC;
#endif
}
#endif

bool gn_cpu_runs(gn_isa isa)
{
    /*
     * Detect once: CPUID takes microseconds in a virtual machine. Threads that race here all find
     * the same.
     */
    static atomic_uint found;
    unsigned isas = atomic_load_explicit(&found, memory_order_relaxed);
    if (!isas) {
        isas = detect();
        atomic_store_explicit(&found, isas, memory_order_relaxed);
    }
    return isas >> isa & 1;
}
