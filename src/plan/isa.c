/* SPDX-License-Identifier: MIT */
#include "plan/isa.h"

#include <stddef.h>

#include "plan/cpu.h"

/* CMakeLists.txt compiles only the kernels of the target's processor. */
#ifdef __x86_64__
#define X86_64(kernels) (&(kernels))
#else
#define X86_64(kernels) NULL
#endif
#ifdef __aarch64__
#define AARCH64(kernels) (&(kernels))
#else
#define AARCH64(kernels) NULL
#endif

/*
 * From the lowest to the highest: GN_ISA_AUTO takes the last one that runs here. A set that this
 * build lacks has a name but no kernels.
 */
static const struct {
    gn_isa isa;
    const char *name;
    const struct gn_kernels *kernels;
} variants[] = {
    {GN_ISA_AUTO, "auto", NULL},
    {GN_ISA_GENERIC, "generic", &gn_kernels_generic},
    {GN_ISA_NEON, "neon", AARCH64(gn_kernels_neon)},
    {GN_ISA_AVX2, "avx2", X86_64(gn_kernels_avx2)},
    {GN_ISA_AVX512, "avx512", X86_64(gn_kernels_avx512)},
};

enum { VARIANTS = sizeof variants / sizeof variants[0] };

const char *gn_isa_name(gn_isa isa)
{
    for (int i = 0; i < VARIANTS; i++)
        if (variants[i].isa == isa)
            return variants[i].name;
    return "unknown";
}

/* Compares in either case, by the ASCII letters only, whatever the locale. */
static bool is_name(const char *name, const char *given)
{
    for (; *name && *given; name++, given++)
        if (*name != (*given >= 'A' && *given <= 'Z' ? *given - 'A' + 'a' : *given))
            return false;
    return *name == *given;
}

int gn_isa_from_name(const char *name)
{
    for (int i = 0; i < VARIANTS; i++)
        if (is_name(variants[i].name, name))
            return (int)variants[i].isa;
    return -1;
}

bool gn_isa_is_built(gn_isa isa)
{
    for (int i = 0; i < VARIANTS; i++)
        if (variants[i].isa == isa)
            return isa == GN_ISA_AUTO || variants[i].kernels;
    return false;
}

const struct gn_kernels *gn_kernels_for(gn_isa isa)
{
    for (int i = 0; i < VARIANTS; i++)
        if (variants[i].isa == isa && gn_cpu_runs(isa))
            return variants[i].kernels;
    return NULL;
}

const struct gn_kernels *gn_kernels_best(gn_isa highest)
{
    const struct gn_kernels *best = &gn_kernels_generic;
    for (int i = 0; i < VARIANTS; i++) {
        const struct gn_kernels *kernels = gn_kernels_for(variants[i].isa);
        if (kernels)
            best = kernels;
        if (variants[i].isa == highest && highest != GN_ISA_AUTO)
            break;
    }
    return best;
}
