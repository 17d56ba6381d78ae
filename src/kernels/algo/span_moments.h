/* SPDX-License-Identifier: MIT */
/* The moments of up to SPAN values of a row, in f32 where the values allow it. */
#ifndef GN_SPAN_MOMENTS_H
#define GN_SPAN_MOMENTS_H

#include "kernels/algo/row_sums.h"
#include "kernels/kernels.h"

/*
 * Whether float sums can be trusted: they did not overflow, squares did not underflow, and the
 * shift was near the mean, so that S^2/n took away at most half of Q. Squares that underflow do not
 * tell how near the shift is. Only if all differences are 0 is the shift the mean; then `min_m2`
 * tells whether squares that underflowed matter.
 */
#define SUMS_FIT(s, q, correction, min_m2)                                                         \
    (((q) <= (double)FLT_MAX) & ((correction) <= (q) - (correction)) &                             \
     (((q) >= GN_LEAST_SQUARES) | (((s) == 0) & ((q) <= -(min_m2)))))

/* The moments of n values from their sums about k. */
INLINE struct gn_moment moment_of(double n, double inverse, double k, double s, double q)
{
    double m2 = q - s * s * inverse;
    return (struct gn_moment){n, k, s * inverse, m2 < 0 ? 0 : m2};
}

/* The moments of n values in double. */
INLINE struct gn_moment double_moment(const void *x, gn_type t, int64_t n)
{
    struct row_span all = {x, t, 0, n};
    double k = row_shift_f64(x, t, n), s = 0, q = 0;
    for (int64_t i = 0; i < n; i += CHUNK)
        add_row_sums_f64(span_from(all, i, CHUNK), k, VECS, &s, &q);
    return moment_of((double)n, 1.0 / (double)n, k, s, q);
}

COLD struct gn_moment recompute_moment_f64(const void *x, gn_type t, int64_t n)
{
    FELL_BACK();
    return double_moment(x, t, n);
}

INLINE struct gn_moment float_moment(const void *x, gn_type t, int64_t n, double inverse, float k,
                                     double min_m2)
{
    struct row_span all = {x, t, 0, n};
    double s = 0, q = 0;
    if (n < SHORT)
        add_row_sums_f32(all, k, VECS / 2, &s, &q);
    else
        for (int64_t i = 0; i < n; i += CHUNK)
            add_row_sums_f32(span_from(all, i, CHUNK), k, VECS, &s, &q);
    if (n < SMALL || !(SUMS_FIT(s, q, s * s * inverse, min_m2)))
        return recompute_moment_f64(x, t, n);
    return moment_of((double)n, inverse, (double)k, s, q);
}

/*
 * The moments of up to SPAN values about the shift k. Each type has a function of its own, so that
 * its loops get all registers.
 */
typedef struct gn_moment span_moment(const void *x, int64_t n, double inverse, float k,
                                     double min_m2);

NOINLINE struct gn_moment span_moment_f32(const void *x, int64_t n, double inverse, float k,
                                          double min_m2)
{
    return float_moment(x, GN_F32, n, inverse, k, min_m2);
}

NOINLINE struct gn_moment span_moment_bf16(const void *x, int64_t n, double inverse, float k,
                                           double min_m2)
{
    return float_moment(x, GN_BF16, n, inverse, k, min_m2);
}

NOINLINE struct gn_moment span_moment_f16(const void *x, int64_t n, double inverse, float k,
                                          double min_m2)
{
    return float_moment(x, GN_F16, n, inverse, k, min_m2);
}

/*
 * Computes the moments again about the mean if the shift was not near it, since there is no wider
 * type.
 */
NOINLINE struct gn_moment span_moment_f64(const void *x, int64_t n, double inverse, float k,
                                          double min_m2)
{
    (void)k;
    (void)min_m2;
    struct gn_moment m = double_moment(x, GN_F64, n);
    double correction = m.offset * m.offset * (double)n;
    if (n >= SMALL && correction * 8 <= m.m2)
        return m;
    struct row_span all = {x, GN_F64, 0, n};
    double s = 0, q = 0;
    m.origin += m.offset;
    for (int64_t i = 0; i < n; i += CHUNK)
        add_row_sums_f64(span_from(all, i, CHUNK), m.origin, VECS, &s, &q);
    return moment_of((double)n, inverse, m.origin, s, q);
}

INLINE span_moment *span_moment_of(gn_type t)
{
    switch (t) {
    case GN_F32:
        return span_moment_f32;
    case GN_F64:
        return span_moment_f64;
    case GN_BF16:
        return span_moment_bf16;
    case GN_F16:
        return span_moment_f16;
    }
    __builtin_unreachable();
}

#endif
