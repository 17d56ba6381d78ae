/* SPDX-License-Identifier: MIT */
/*
 * The default floating-point environment, in which all results are computed: rounding to nearest,
 * subnormals kept, no traps. A caller may have another one, for example after
 * torch.set_flush_denormal, and threads that OpenMP makes in that time inherit it. So every thread
 * of a call enters the default environment, and afterwards restores its own, flags included.
 *
 * The compiler does not know that arithmetic depends on the environment. Enter it only around calls
 * of functions that it cannot inline, as those that a job points to: it moves no arithmetic across
 * these.
 */
#ifndef GN_FP_ENV_H
#define GN_FP_ENV_H

#if defined(__x86_64__)

#include <immintrin.h>

/*
 * The library computes with SSE and AVX only. MXCSR controls these; x87 has its own control word.
 */
struct gn_fp_env {
    unsigned mxcsr;
};

static inline struct gn_fp_env gn_fp_enter(void)
{
    enum { ALL_TRAPS_MASKED = 0x1f80 };
    struct gn_fp_env before = {_mm_getcsr()};
    _mm_setcsr(ALL_TRAPS_MASKED);
    return before;
}

static inline void gn_fp_leave(struct gn_fp_env before)
{
    _mm_setcsr(before.mxcsr);
}

#elif defined(__aarch64__)

#include <stdint.h>

struct gn_fp_env {
    uint64_t control, status;
};

static inline struct gn_fp_env gn_fp_enter(void)
{
    struct gn_fp_env before;
    __asm__ volatile("mrs %0, fpcr\n\tmrs %1, fpsr"
                     : "=r"(before.control), "=r"(before.status)
                     :
                     : "memory");
    __asm__ volatile("msr fpcr, %0" : : "r"(UINT64_C(0)) : "memory");
    return before;
}

static inline void gn_fp_leave(struct gn_fp_env before)
{
    __asm__ volatile("msr fpcr, %0\n\tmsr fpsr, %1"
                     :
                     : "r"(before.control), "r"(before.status)
                     : "memory");
}

#else

#include <fenv.h>

struct gn_fp_env {
    fenv_t all;
};

static inline struct gn_fp_env gn_fp_enter(void)
{
    struct gn_fp_env before;
    fegetenv(&before.all);
    fesetenv(FE_DFL_ENV);
    return before;
}

static inline void gn_fp_leave(struct gn_fp_env before)
{
    fesetenv(&before.all);
}

#endif

#endif
