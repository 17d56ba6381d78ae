/* SPDX-License-Identifier: MIT */
/*
 * The last passes over small groups: each channel has one element, and its own gamma and beta.
 *
 * Written for a computing type: see real.h.
 */
#ifndef REAL
#ifndef GN_SMALL_SPAN_H
#define GN_SMALL_SPAN_H

#include "kernels/simd/real.h"

#define EACH_REAL "kernels/algo/small_span.h"
#include "kernels/simd/each_real.h"

#endif
#else

/*
 * Statistics and coefficients of groups: arrays of one value per channel, or a single value for
 * all. slope and offset: backward only.
 */
struct FN(small_coefficients) {
    const REAL *mean, *mean_lo, *rstd, *slope, *offset;
    bool per_channel;
};

/* Consecutive channels of a sample, and their parameters. gamma, beta NULL: ones, zeros. */
struct FN(small_span) {
    const float *x, *dy, *gamma, *beta;
    float *out;
    int64_t channels;
};

INLINE VEC FN(small_vector)(const float *p, int64_t c, int64_t part, REAL otherwise)
{
    if (!p)
        return SPLAT(otherwise);
    return part ? READ_PART(p, GN_F32, c, part, 0) : READ(p, GN_F32, c);
}

INLINE VEC FN(small_coefficient)(const REAL *p, int64_t c, bool per_channel)
{
    return per_channel ? GET(p + c) : SPLAT(*p);
}

INLINE void FN(put_small)(float *out, int64_t c, int64_t part, VEC v)
{
    if (part)
        WRITE_PART(out, GN_F32, c, v, part);
    else
        WRITE(out, GN_F32, c, v, true, false);
}

/* y = (x - mean - mean_lo) * rstd * gamma + beta */
INLINE void FN(normalize_span)(const struct FN(small_span) * in,
                               const struct FN(small_coefficients) * coefficients, bool per_channel)
{
    for (int64_t c = 0; c < in->channels; c += WIDTH) {
        int64_t part = c + WIDTH <= in->channels ? 0 : in->channels - c;
        VEC d = FN(small_vector)(in->x, c, part, 0) -
                FN(small_coefficient)(coefficients->mean, c, per_channel);
        VEC xhat = (d - FN(small_coefficient)(coefficients->mean_lo, c, per_channel)) *
                   FN(small_coefficient)(coefficients->rstd, c, per_channel);
        VEC y =
            xhat * FN(small_vector)(in->gamma, c, part, 1) + FN(small_vector)(in->beta, c, part, 0);
        FN(put_small)(in->out, c, part, y);
    }
}

/* dx = rstd * gamma * dy + (slope * (x - mean) + offset) */
INLINE void FN(gradient_span)(const struct FN(small_span) * in,
                              const struct FN(small_coefficients) * coefficients, bool per_channel)
{
    for (int64_t c = 0; c < in->channels; c += WIDTH) {
        int64_t part = c + WIDTH <= in->channels ? 0 : in->channels - c;
        VEC scale = FN(small_vector)(in->gamma, c, part, 1) *
                    FN(small_coefficient)(coefficients->rstd, c, per_channel);
        VEC d = FN(small_vector)(in->x, c, part, 0) -
                FN(small_coefficient)(coefficients->mean, c, per_channel);
        VEC rest = FN(small_coefficient)(coefficients->slope, c, per_channel) * d +
                   FN(small_coefficient)(coefficients->offset, c, per_channel);
        VEC dx = scale * FN(small_vector)(in->dy, c, part, 0) + rest;
        FN(put_small)(in->out, c, part, dx);
    }
}

#endif
