/* SPDX-License-Identifier: MIT */
/*
 * Transposes groups of 2, 4, 8 or 16 contiguous elements, as many as a vector has lanes: from
 * memory to one group per lane, and back.
 */
#ifndef GN_TRANSPOSE_H
#define GN_TRANSPOSE_H

#include "kernels/simd/vec.h"

/* The most elements of a group, and so the most vectors that hold one group per lane. */
enum { MAX_LANES_DEPTH = 16 };

#if VEC_BYTES == 16
#define EVENS(a, b) __builtin_shufflevector(a, b, 0, 2, 4, 6)
#define ODDS(a, b) __builtin_shufflevector(a, b, 1, 3, 5, 7)
#define ZIP_LOW(a, b) __builtin_shufflevector(a, b, 0, 4, 1, 5)
#define ZIP_HIGH(a, b) __builtin_shufflevector(a, b, 2, 6, 3, 7)
#define JOIN(a, b) __builtin_shufflevector(a, b, 0, 1, 2, 3)
#elif VEC_BYTES == 32
#define EVENS(a, b) __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14)
#define ODDS(a, b) __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15)
#define ZIP_LOW(a, b) __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define ZIP_HIGH(a, b) __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
#define JOIN(a, b) __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7)
#else
#define EVENS(a, b)                                                                                \
    __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30)
#define ODDS(a, b)                                                                                 \
    __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31)
#define ZIP_LOW(a, b)                                                                              \
    __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define ZIP_HIGH(a, b)                                                                             \
    __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
#define JOIN(a, b)                                                                                 \
    __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
#endif

/*
 * Transposes `depth` vectors from groups that follow each other to one group per lane. Vector i
 * then holds the element of each group whose index is i with its bits reversed.
 */
INLINE void columns_of(vec_f32 *v, int depth)
{
    UNROLL
    for (int part = depth; part > 1; part /= 2) {
        vec_f32 t[MAX_LANES_DEPTH];
        UNROLL
        for (int i = 0; i < depth / 2; i++) {
            int first = i / (part / 2) * part, j = i % (part / 2);
            t[first + j] = EVENS(v[first + 2 * j], v[first + 2 * j + 1]);
            t[first + part / 2 + j] = ODDS(v[first + 2 * j], v[first + 2 * j + 1]);
        }
        UNROLL
        for (int i = 0; i < depth; i++)
            v[i] = t[i];
    }
}

/* The inverse of columns_of. */
INLINE void groups_of(vec_f32 *v, int depth)
{
    UNROLL
    for (int part = 2; part <= depth; part *= 2) {
        vec_f32 t[MAX_LANES_DEPTH];
        UNROLL
        for (int i = 0; i < depth / 2; i++) {
            int first = i / (part / 2) * part, j = i % (part / 2);
            t[first + 2 * j] = ZIP_LOW(v[first + j], v[first + part / 2 + j]);
            t[first + 2 * j + 1] = ZIP_HIGH(v[first + j], v[first + part / 2 + j]);
        }
        UNROLL
        for (int i = 0; i < depth; i++)
            v[i] = t[i];
    }
}

/* Copies n values to a buffer of `room` values, and fills the rest with zeros. */
COLD const float *padded(const float *p, int64_t n, int64_t room, float *buffer)
{
    memset(buffer + n, 0, (size_t)(room - n) * sizeof *buffer);
    return memcpy(buffer, p, (size_t)n * sizeof *buffer);
}

/* Loads and transposes `groups` groups, at most a vector's lanes. The other lanes are 0. */
INLINE void load_columns(const float *p, int64_t groups, int depth, vec_f32 *v)
{
    float buffer[MAX_LANES_DEPTH * WIDTH_f32];
    if (groups < WIDTH_f32)
        p = padded(p, groups * depth, depth * WIDTH_f32, buffer);
    UNROLL
    for (int i = 0; i < depth; i++)
        v[i] = load_f32(p + i * WIDTH_f32);
    columns_of(v, depth);
}

/* The same for gamma or beta. If p is NULL, every value is `otherwise`. */
INLINE void load_parameters(const float *p, int64_t groups, int depth, float otherwise, vec_f32 *v)
{
    if (p) {
        load_columns(p, groups, depth, v);
        return;
    }
    UNROLL
    for (int i = 0; i < depth; i++)
        v[i] = splat_f32(otherwise);
}

/* Stores the first `groups` groups of `values`: all, or only those that are done. */
COLD void store_done(float *p, int64_t groups, int depth, const float *values, const bool *done,
                     bool all)
{
    if (all) {
        memcpy(p, values, (size_t)(groups * depth) * sizeof *p);
        return;
    }
    for (int64_t g = 0; g < groups; g++)
        if (done[g])
            memcpy(p + g * depth, values + g * depth, (size_t)depth * sizeof *p);
}

/*
 * Transposes back and stores those of the first `groups` groups that are done. The others are not
 * written, because they will be read again if out is an input. v is lost.
 */
INLINE void store_columns(float *p, int64_t groups, int depth, vec_f32 *v, const bool *done,
                          bool all)
{
    float buffer[MAX_LANES_DEPTH * WIDTH_f32];
    bool whole = all && groups == WIDTH_f32;
    float *to = whole ? p : buffer;
    groups_of(v, depth);
    UNROLL
    for (int i = 0; i < depth; i++)
        store_f32(to + i * WIDTH_f32, v[i]);
    if (!whole)
        store_done(p, groups, depth, buffer, done, all);
}

#endif
