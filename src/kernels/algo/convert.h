/* SPDX-License-Identifier: MIT */
/* Conversion of arrays to and from float, and the sum of two tensors: what precedes a pass. */
#ifndef GN_CONVERT_H
#define GN_CONVERT_H

#include "kernels/simd/real.h"

INLINE void convert_from(const void *p, gn_type t, int64_t n, float *out)
{
    int64_t i = 0;
    for (; i + 4 * WIDTH_f32 <= n; i += 4 * WIDTH_f32) {
        EACH (v, 4) {
            if (v * WIDTH_f32 % 32 == 0)
                FETCH(p, t, i + v * WIDTH_f32 + ROWS_AHEAD);
            store_f32(out + i + v * WIDTH_f32, read_f32(p, t, i + v * WIDTH_f32));
        }
    }
    for (; i + WIDTH_f32 <= n; i += WIDTH_f32)
        store_f32(out + i, read_f32(p, t, i));
    for (; i < n; i++)
        out[i] = value_f32(p, t, i);
}

/* Converts a short type to float. */
static void convert(const void *p, gn_type t, int64_t n, float *out)
{
    WITH_SHORT_TYPE(t, convert_from(p, T, n, out))
}

/* Converts float to a short type. */
static void convert_back(const float *in, gn_type t, int64_t n, void *p)
{
    int64_t i = 0;
    for (; i + WIDTH_f32 <= n; i += WIDTH_f32)
        write_f32(p, t, i, load_f32(in + i), true, false);
    if (i < n)
        write_part_f32(p, t, i, load_part_f32(in + i, n - i, 0), n - i);
}

/*
 * Sums of two short floats are rounded twice, to float and to the type. Float has enough bits that
 * this is the same as rounding once (Figueroa, "When is double rounding innocuous?", 1995).
 */
static void add(const void *x, const void *skip, bool broadcast, gn_type t, int64_t n, void *out)
{
    int64_t i = 0;
    if (t == GN_F64) {
        const double *a = x, *b = skip;
        for (double *sum = out; i < n; i++)
            sum[i] = a[i] + b[broadcast ? 0 : i];
        return;
    }
    vec_f32 value = broadcast ? splat_f32(value_f32(skip, t, 0)) : splat_f32(0);
    for (; i + WIDTH_f32 <= n; i += WIDTH_f32)
        write_f32(out, t, i, read_f32(x, t, i) + (broadcast ? value : read_f32(skip, t, i)), false,
                  false);
    if (i < n)
        write_part_f32(out, t, i,
                       read_part_f32(x, t, i, n - i, 0) +
                           (broadcast ? value : read_part_f32(skip, t, i, n - i, 0)),
                       n - i);
}

#endif
