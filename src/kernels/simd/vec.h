/* SPDX-License-Identifier: MIT */
#ifndef GN_VEC_H
#define GN_VEC_H

/*
 * The vector vocabulary, for one width. Before including it, define
 *
 *   VEC_BYTES        width of the machine's vectors: 16, 32 or 64
 *   VEC_PART         optional: the includer defines load_part_f32 and store_part_f32
 *   WIDEN, NARROW    optional: between WIDTH_f64 floats and a vec_f64
 *   WIDEN_FOUR       optional: four floats to a quad
 *   SQRT, SQRT_FLOATS   optional: of a vec_f64, of a vec_f32
 *   ALL_LANES        optional: whether all lanes of a mask_f32 are set
 *   NONTEMPORAL_FLOATS    optional: a nontemporal store of a vec_f32
 *   NONTEMPORAL_SHORTS    with it: likewise, of as many elements of 16 bits
 *   NONTEMPORAL_END       with it: orders such stores before what follows
 *   MINUS_FLOATS     optional: a - b as a * 1 - b, fused: the same bits
 *   FUSED_FLOATS     a * b + c of vec_f32, rounded once; optional if VEC_BYTES is 16
 *   SELECT_FLOATS    optional: of two vec_f32, by a mask_f32
 *   MAX_FLOATS, MIN_FLOATS   optional: of two vec_f32, the second if one is NaN
 *   FROM_BF16, FROM_F16, VALUE_F16, TO_F16, NARROW_BITS, NARROW_HIGH, UNLESS_NAN, PART_SHORTS
 *                    optional: see vec_types.h
 *
 * A kernel computes in f32 or in f64. For each of the two, R, the vocabulary has
 *
 *   vec_R            a vector of WIDTH_R elements
 *   load_R(p)        WIDTH_R floats, converted
 *   load_part_f32(p, n, fill)   the first n floats, the rest is fill; n may be any number
 *   store_R(p, v), store_part_f32(p, v, n)   the reverse; here n < WIDTH_f32
 *   store_nontemporal_f32(p, v)   a nontemporal store; p is aligned to the vector
 *   get_R(p), put_R(p, v)     from and to arrays of the computing type, whole vectors
 *   four_R(p)        four values of the computing type from an array, in double
 *   round_R(p, v), round_part_R(p, v, n)    to an array of the computing type, from a vec_f64
 *   abs_R, sqrt_R    lane by lane
 *   all_R(mask)      whether all lanes of a mask are true
 *   minus_R(a, b)    a - b, where additions are the bottleneck and multipliers idle
 *   fused_f32(a, b, c)   a * b + c, rounded once, on every machine
 *   fused_f64(a, b, c)   a * b + c, each operation rounded: to emulate the fused one would be slow
 *
 * Reductions run over a fixed number of virtual lanes whatever the width: the 32 of float or 16 of
 * double that VECS vectors have, or half as many for short rows; see reduce.h. Sums across channels
 * have 4 lanes.
 */
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/types.h"

#if FLT_EVAL_METHOD != 0
#error "float arithmetic must be rounded to float: on 32-bit x86, compile with -msse2 -mfpmath=sse"
#endif

enum { WIDTH_f32 = VEC_BYTES / 4, WIDTH_f64 = VEC_BYTES / 8, VECS = 128 / VEC_BYTES };

typedef float vec_f32 __attribute__((vector_size(VEC_BYTES)));
typedef double vec_f64 __attribute__((vector_size(VEC_BYTES)));
/* Vectors in memory, aligned to their element only. */
typedef float mem_f32 __attribute__((vector_size(VEC_BYTES), aligned(4), may_alias));
typedef float mem_half __attribute__((vector_size(VEC_BYTES / 2), aligned(4), may_alias));
typedef double mem_f64 __attribute__((vector_size(VEC_BYTES), aligned(8), may_alias));

/* Results of comparisons: all bits of a lane are set where it is true. */
typedef int32_t mask_f32 __attribute__((vector_size(VEC_BYTES)));
typedef int64_t mask_f64 __attribute__((vector_size(VEC_BYTES)));

/*
 * UNROLL precedes a loop over an array of vectors: the array stays in registers only if the loop is
 * fully unrolled. ROLLED precedes the loop around it, which gcc would otherwise unroll too.
 */
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#define ROLLED _Pragma("clang loop unroll(disable)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#define ROLLED _Pragma("GCC unroll 1")
#endif

/*
 * Used in a loop over i that mostly has one or two iterations. It hides i from the compiler, which
 * would otherwise compute the final value of i before the loop. That takes longer: bench/NOTES.md,
 * special paths.
 */
#define UNCOUNTED(i) __asm__("" : "+r"(i))

/* Called where values fall back to f64. A test redefines it to count such cases. */
#ifndef FELL_BACK
#define FELL_BACK() ((void)0)
#endif

#ifndef NONTEMPORAL_FLOATS
#define NONTEMPORAL_END() ((void)0)
#endif
#ifndef WIDEN_FOUR
#define WIDEN_FOUR(four) __builtin_convertvector(four, quad)
#endif
#ifndef WIDEN
#define WIDEN(half) __builtin_convertvector(half, vec_f64)
#define NARROW(v) __builtin_convertvector(v, mem_half)
#endif

/* Whether vector v of an array of the type starts a cache line, if the array starts one. */
#define STARTS_LINE(type, v) ((v)*WIDTH_f32 * gn_size(type) % 64 == 0)
/*
 * Prefetches into the L2 cache what lies `elements` elements further on: memory takes longer than
 * the work until then. The address may be beyond the tensor, where C allows no pointer, so it is
 * computed as an integer. A prefetch from there does no harm.
 */
#define FETCH(p, type, elements)                                                                   \
    __builtin_prefetch((void *)((uintptr_t)(p) + (uintptr_t)((elements)*gn_size(type))), 0, 2)

#define INLINE static inline __attribute__((always_inline))
#define NOINLINE static __attribute__((noinline))
/* For code that values seldom need: the compiler keeps it apart from the usual code. */
#define COLD static __attribute__((noinline, cold))

#include "kernels/simd/vec_math.h"

INLINE vec_f32 load_f32(const float *p)
{
    return *(const mem_f32 *)p;
}

INLINE vec_f64 load_f64(const float *p)
{
    return WIDEN(*(const mem_half *)p);
}

INLINE void store_f32(float *p, vec_f32 v)
{
    *(mem_f32 *)p = v;
}

INLINE void store_f64(float *p, vec_f64 v)
{
    *(mem_half *)p = NARROW(v);
}

INLINE void store_nontemporal_f32(float *p, vec_f32 v)
{
#ifdef NONTEMPORAL_FLOATS
    NONTEMPORAL_FLOATS(p, v);
#else
    store_f32(p, v);
#endif
}

INLINE vec_f32 get_f32(const float *p)
{
    return *(const mem_f32 *)p;
}

INLINE vec_f64 get_f64(const double *p)
{
    return *(const mem_f64 *)p;
}

/* The first n values of an array, which may end there. The other lanes are 0. */
INLINE vec_f64 some_f64(const double *p, int64_t n)
{
    if (n >= WIDTH_f64)
        return get_f64(p);
    double lanes[WIDTH_f64] = {0};
    for (int64_t i = 0; i < n; i++)
        lanes[i] = p[i];
    return get_f64(lanes);
}

INLINE void round_f32(float *p, vec_f64 v)
{
    store_f64(p, v);
}

INLINE void round_part_f32(float *p, vec_f64 v, int64_t n)
{
    float lanes[WIDTH_f64];
    store_f64(lanes, v);
    memcpy(p, lanes, (size_t)n * sizeof *p);
}

INLINE void put_f32(float *p, vec_f32 v)
{
    *(mem_f32 *)p = v;
}

INLINE void put_f64(double *p, vec_f64 v)
{
    *(mem_f64 *)p = v;
}

INLINE void round_f64(double *p, vec_f64 v)
{
    put_f64(p, v);
}

INLINE void round_part_f64(double *p, vec_f64 v, int64_t n)
{
    double lanes[WIDTH_f64];
    put_f64(lanes, v);
    memcpy(p, lanes, (size_t)n * sizeof *p);
}

#ifndef VEC_PART
static vec_f32 load_part_f32(const float *p, int64_t n, float fill)
{
    float lanes[WIDTH_f32];
    for (int i = 0; i < WIDTH_f32; i++)
        lanes[i] = i < n ? p[i] : fill;
    return get_f32(lanes);
}

INLINE void store_part_f32(float *p, vec_f32 v, int64_t n)
{
    float lanes[WIDTH_f32];
    put_f32(lanes, v);
    memcpy(p, lanes, (size_t)n * sizeof *p);
}
#endif

#ifdef VEC_PART
static vec_f32 load_part_f32(const float *p, int64_t n, float fill);
static void store_part_f32(float *p, vec_f32 v, int64_t n);
#endif

#include "kernels/simd/vec_types.h"

/* Four lanes of double whatever the width, for sums across channels. */
typedef double quad __attribute__((vector_size(32)));
typedef double mem_quad __attribute__((vector_size(32), aligned(8), may_alias));
typedef float mem_four __attribute__((vector_size(16), aligned(4), may_alias));
#define four_f32(p) WIDEN_FOUR(*(const mem_four *)(p))
#define four_f64(p) (*(const mem_quad *)(p))
typedef float mem_two __attribute__((vector_size(8), aligned(4), may_alias));

/* A vector of WIDTH_f64 / times values, each repeated `times` times: 1, 2, 4 or 8. */
INLINE vec_f64 repeat_f64(const double *p, int64_t times)
{
    if (times == 1)
        return get_f64(p);
#if VEC_BYTES == 64
    if (times == 2) {
        quad v = four_f64(p);
        return __builtin_shufflevector(v, v, 0, 0, 1, 1, 2, 2, 3, 3);
    }
    if (times == 4)
        return select_first_f64(4, splat_f64(p[0]), splat_f64(p[1]));
#elif VEC_BYTES == 32
    if (times == 2)
        return select_first_f64(2, splat_f64(p[0]), splat_f64(p[1]));
#endif
    return splat_f64(p[0]);
}

#endif
