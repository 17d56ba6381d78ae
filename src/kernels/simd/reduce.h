/* SPDX-License-Identifier: MIT */
/*
 * Reduces the virtual lanes of a sum. It always adds lane l and lane l + half, whatever the vector
 * width, so that every instruction set adds the same numbers in the same order.
 *
 *     sum_R(v, n)      the sum of all lanes of n vectors, all additions in double
 *     rough_R(v, n)    the same, with additions down to 8 lanes in R, then in double
 *
 * The sums of four short rows are finished together, from 8 or 16 lanes per row in memory.
 */
#ifndef GN_REDUCE_H
#define GN_REDUCE_H

#include "kernels/simd/real.h"

/* Half i of a vector of floats; HALF converts it to double. */
#if VEC_BYTES == 16
#define HALF_OF(v, i) __builtin_shufflevector(v, v, 2 * (i), 2 * (i) + 1)
#elif VEC_BYTES == 32
#define HALF_OF(v, i) __builtin_shufflevector(v, v, 4 * (i), 4 * (i) + 1, 4 * (i) + 2, 4 * (i) + 3)
#else
#define HALF_OF(v, i)                                                                              \
    __builtin_shufflevector(v, v, 8 * (i), 8 * (i) + 1, 8 * (i) + 2, 8 * (i) + 3, 8 * (i) + 4,     \
                            8 * (i) + 5, 8 * (i) + 6, 8 * (i) + 7)
#endif
#define HALF(v, i) WIDEN(HALF_OF(v, i))

#define FOLD(t, half)                                                                              \
    UNROLL                                                                                         \
    for (int i = 0; i < (half); i++)                                                               \
    (t)[i] += (t)[i + (half)]

/* The sum of all lanes of `count` vectors, a power of two from 1 to 16. */
INLINE double fold(vec_f64 *t, int count)
{
    if (count > 8) {
        FOLD(t, 8);
    }
    if (count > 4) {
        FOLD(t, 4);
    }
    if (count > 2) {
        FOLD(t, 2);
    }
    if (count > 1) {
        FOLD(t, 1);
    }
    vec_f64 v = t[0];
#if VEC_BYTES == 16
    return v[0] + v[1];
#elif VEC_BYTES == 32
    return (v[0] + v[2]) + (v[1] + v[3]);
#else
    return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]));
#endif
}

/* All additions in double, for sums that are large compared with the error they may have. */
INLINE double sum_f32(const vec_f32 *v, int count)
{
    vec_f64 t[2 * VECS];
    UNROLL
    for (int i = 0; i < count; i++) {
        t[2 * i] = HALF(v[i], 0);
        t[2 * i + 1] = HALF(v[i], 1);
    }
    return fold(t, 2 * count);
}

INLINE double sum_f64(const vec_f64 *v, int count)
{
    vec_f64 t[VECS];
    UNROLL
    for (int i = 0; i < count; i++)
        t[i] = v[i];
    return fold(t, count);
}

/* Adds up lanes until 8 are left, and stores these. */
INLINE void put_eight(float *p, const vec_f32 *v, int count)
{
    vec_f32 t[VECS];
    UNROLL
    for (int i = 0; i < count; i++)
        t[i] = v[i];
#if VEC_BYTES == 64
    if (count > 1) {
        FOLD(t, 1);
    }
    *(mem_half *)p = HALF_OF(t[0], 0) + HALF_OF(t[0], 1);
#else
#if VEC_BYTES == 16
    if (count > 4) {
        FOLD(t, 4);
    }
    FOLD(t, 2);
    put_f32(p, t[0]);
    put_f32(p + 4, t[1]);
#else
    if (count > 2) {
        FOLD(t, 2);
    }
    FOLD(t, 1);
    put_f32(p, t[0]);
#endif
#endif
}

/* The sum of each of four quads. */
INLINE void sum_quads(const quad *t, quad *sums)
{
    quad ab = __builtin_shufflevector(t[0], t[1], 0, 1, 4, 5) +
              __builtin_shufflevector(t[0], t[1], 2, 3, 6, 7);
    quad cd = __builtin_shufflevector(t[2], t[3], 0, 1, 4, 5) +
              __builtin_shufflevector(t[2], t[3], 2, 3, 6, 7);
    *sums =
        __builtin_shufflevector(ab, cd, 0, 2, 4, 6) + __builtin_shufflevector(ab, cd, 1, 3, 5, 7);
}

/* The sum of 8 lanes for each of four rows, in double. */
INLINE void sum_eights(const float *p, quad *sums)
{
    quad t[4];
    UNROLL
    for (int i = 0; i < 4; i++)
        t[i] = WIDEN_FOUR(*(const mem_four *)(p + 8 * i)) +
               WIDEN_FOUR(*(const mem_four *)(p + 8 * i + 4));
    sum_quads(t, sums);
}

/* The sum of 16 lanes for each of four rows, all additions in double. */
INLINE void sum_sixteens(const float *p, quad *sums)
{
    quad t[4];
    UNROLL
    for (int i = 0; i < 4; i++) {
        const float *row = p + 16 * i;
        quad low = WIDEN_FOUR(*(const mem_four *)row) + WIDEN_FOUR(*(const mem_four *)(row + 8));
        quad high =
            WIDEN_FOUR(*(const mem_four *)(row + 4)) + WIDEN_FOUR(*(const mem_four *)(row + 12));
        t[i] = low + high;
    }
    sum_quads(t, sums);
}

/* Additions in double from 8 lanes on: as accurate as the lanes themselves. */
INLINE double rough_f32(const vec_f32 *v, int count)
{
    float eight[8];
    put_eight(eight, v, count);
    quad t = WIDEN_FOUR(*(const mem_four *)eight) + WIDEN_FOUR(*(const mem_four *)(eight + 4));
    return (t[0] + t[2]) + (t[1] + t[3]);
}

INLINE double rough_f64(const vec_f64 *v, int count)
{
    return sum_f64(v, count);
}

#endif
