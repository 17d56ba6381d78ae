/* SPDX-License-Identifier: MIT */
/*
 * The vector vocabulary, for one width. Before including it, define
 *
 *   VEC_BYTES        width of the machine's vectors: 16, 32 or 64
 *   VEC_PART         optional: load_part_f32 and store_part_f32 are given by the includer
 *
 * A kernel computes in f32 or in f64; in memory tensors are float. For each of the two, R:
 *
 *   vec_R            a vector; WIDTH_R elements
 *   load_R(p)        WIDTH_R floats, converted
 *   load_part_R(p, n, fill)   the first n < WIDTH_R elements, the rest is fill; reads no further
 *   store_R(p, v), store_part_R(p, v, n)    the reverse
 *   get_R(p), put_R(p, v)     from and to arrays of the computing type, whole vectors
 *   sum_R(v)         the sum of LANES_R virtual lanes, in double
 *
 * Reductions run over LANES_R virtual lanes whatever the width, VECS vectors of them, so that every
 * instruction set adds the same numbers in the same order. Sums across channels have 4 lanes.
 */
#include <float.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#if FLT_EVAL_METHOD != 0
#error "float arithmetic must be rounded to float: on 32-bit x86, compile with -msse2 -mfpmath=sse"
#endif

enum {
    WIDTH_f32 = VEC_BYTES / 4,
    WIDTH_f64 = VEC_BYTES / 8,
    LANES_f32 = 32,
    LANES_f64 = 16,
    VECS = 128 / VEC_BYTES
};

typedef float vec_f32 __attribute__((vector_size(VEC_BYTES)));
typedef double vec_f64 __attribute__((vector_size(VEC_BYTES)));
/* As they lie in memory: aligned to their element only. */
typedef float mem_f32 __attribute__((vector_size(VEC_BYTES), aligned(4), may_alias));
typedef float mem_half __attribute__((vector_size(VEC_BYTES / 2), aligned(4), may_alias));
typedef double mem_f64 __attribute__((vector_size(VEC_BYTES), aligned(8), may_alias));

/* What a comparison of vec_f64 gives: all ones where it is true. */
typedef int64_t mask_f64 __attribute__((vector_size(VEC_BYTES)));

#define INLINE static inline __attribute__((always_inline))

INLINE vec_f32 splat_f32(float a)
{
    return a - (vec_f32){0}; /* minus, not plus: -0 stays -0 */
}

INLINE vec_f64 splat_f64(double a)
{
    return a - (vec_f64){0};
}

INLINE bool all_true(mask_f64 mask)
{
    int64_t both = -1;
    for (int i = 0; i < WIDTH_f64; i++)
        both &= mask[i];
    return both != 0;
}

INLINE vec_f64 abs_f64(vec_f64 a)
{
    return (vec_f64)((mask_f64)a & INT64_MAX);
}

INLINE vec_f32 load_f32(const float *p)
{
    return *(const mem_f32 *)p;
}

INLINE vec_f64 load_f64(const float *p)
{
    return __builtin_convertvector(*(const mem_half *)p, vec_f64);
}

INLINE void store_f32(float *p, vec_f32 v)
{
    *(mem_f32 *)p = v;
}

INLINE void store_f64(float *p, vec_f64 v)
{
    *(mem_half *)p = __builtin_convertvector(v, mem_half);
}

INLINE vec_f32 get_f32(const float *p)
{
    return *(const mem_f32 *)p;
}

INLINE vec_f64 get_f64(const double *p)
{
    return *(const mem_f64 *)p;
}

INLINE void put_f32(float *p, vec_f32 v)
{
    *(mem_f32 *)p = v;
}

INLINE void put_f64(double *p, vec_f64 v)
{
    *(mem_f64 *)p = v;
}

#ifndef VEC_PART
INLINE vec_f32 load_part_f32(const float *p, int64_t n, float fill)
{
    float lanes[WIDTH_f32];
    put_f32(lanes, splat_f32(fill));
    memcpy(lanes, p, (size_t)n * sizeof *p);
    return get_f32(lanes);
}

INLINE void store_part_f32(float *p, vec_f32 v, int64_t n)
{
    float lanes[WIDTH_f32];
    put_f32(lanes, v);
    memcpy(p, lanes, (size_t)n * sizeof *p);
}
#endif

INLINE vec_f64 load_part_f64(const float *p, int64_t n, double fill)
{
    double lanes[WIDTH_f64];
    put_f64(lanes, splat_f64(fill));
    for (int64_t i = 0; i < n; i++)
        lanes[i] = p[i];
    return get_f64(lanes);
}

INLINE void store_part_f64(float *p, vec_f64 v, int64_t n)
{
    float lanes[WIDTH_f64];
    store_f64(lanes, v);
    memcpy(p, lanes, (size_t)n * sizeof *p);
}

/* The lanes of `count` vectors, each lane l added to lane l + half, until one is left. */
INLINE double sum_lanes(vec_f64 *v, int count)
{
    for (count /= 2; count > 0; count /= 2)
        for (int i = 0; i < count; i++)
            v[i] += v[i + count];
    double lanes[WIDTH_f64];
    put_f64(lanes, v[0]);
    for (int half = WIDTH_f64 / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++)
            lanes[i] += lanes[i + half];
    return lanes[0];
}

/* From LANES_f32 lanes to 8 in float, from there in double. */
INLINE double sum_f32(const vec_f32 *v)
{
    vec_f32 folded[VECS];
    for (int i = 0; i < VECS; i++)
        folded[i] = v[i];
    for (int half = VECS / 2; half * WIDTH_f32 >= 8; half /= 2)
        for (int i = 0; i < half; i++)
            folded[i] += folded[i + half];
    float lanes[16];
    for (int i = 0; i * WIDTH_f32 < 8; i++)
        put_f32(lanes + i * WIDTH_f32, folded[i]);
    for (int i = 0; i < 8 && WIDTH_f32 > 8; i++)
        lanes[i] += lanes[i + 8];
    vec_f64 wide[8 / WIDTH_f64];
    for (int i = 0; i < 8 / WIDTH_f64; i++)
        wide[i] = load_f64(lanes + i * WIDTH_f64);
    return sum_lanes(wide, 8 / WIDTH_f64);
}

/* Four lanes of double whatever the width, for sums across channels. */
typedef double quad __attribute__((vector_size(32)));
typedef double mem_quad __attribute__((vector_size(32), aligned(8), may_alias));

INLINE double sum_f64(const vec_f64 *v)
{
    vec_f64 copy[VECS];
    for (int i = 0; i < VECS; i++)
        copy[i] = v[i];
    return sum_lanes(copy, VECS);
}
