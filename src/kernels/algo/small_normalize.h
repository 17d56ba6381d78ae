/* SPDX-License-Identifier: MIT */
/* The forward pass of small groups, one group per lane. */
#ifndef GN_SMALL_NORMALIZE_H
#define GN_SMALL_NORMALIZE_H

#include "kernels/algo/small_lanes.h"

/* One iteration of Newton's method: from 1 / sqrt(v) in float to all bits of float. */
INLINE vec_f64 nearer_rstd(vec_f64 rstd, vec_f64 v)
{
    return rstd * (1.5 - v * 0.5 * rstd * rstd);
}

INLINE mask_f32 beta_fits(const vec_f32 *beta, int depth)
{
    mask_f32 fit = splat_f32(0) == splat_f32(0);
    UNROLL
    for (int i = 0; i < depth; i++)
        fit &= abs_f32(beta[i]) <= splat_f32(SMALL_MOST);
    return fit;
}

/*
 * y, and the mean and rstd, of n groups from group number `group` among all samples' groups on.
 * Sets done[i] for groups within the limits; y is stored only for these. Returns whether all are
 * done.
 */
INLINE bool normalize_sample_lanes(const struct gn_small *in, int64_t group, int64_t n, int depth,
                                   const struct lanes_parameters *parameters, bool *done)
{
    vec_f32 x[MAX_LANES_DEPTH], squares[MAX_LANES_DEPTH];
    load_columns(in->x + group * depth, n, depth, x);
    struct pair exact = column_means(x, depth);
    vec_f32 mean = narrowed(exact);
    struct pair mean_lo = widened(mean);
    mean_lo = (struct pair){exact.low - mean_lo.low, exact.high - mean_lo.high};
    UNROLL
    for (int i = 0; i < depth; i++) {
        x[i] -= mean;
        squares[i] = x[i] * x[i];
    }
    vec_f32 square = column_sums(squares, depth);
    struct pair var = widened(square);
    var.low = (var.low * (1.0 / depth) - mean_lo.low * mean_lo.low) + in->epsilon;
    var.high = (var.high * (1.0 / depth) - mean_lo.high * mean_lo.high) + in->epsilon;
    vec_f32 size = narrowed(var);
    mask_f32 fits = (square >= splat_f32((float)in->min_m2)) & (size >= parameters->least) &
                    (size <= splat_f32(1 / LANES_VAR_LEAST));
    struct pair near = widened(1 / sqrt_f32(size));
    vec_f32 rstd =
        narrowed((struct pair){nearer_rstd(near.low, var.low), nearer_rstd(near.high, var.high)});
    vec_f32 mean_lo_f32 = narrowed(mean_lo);
    bool all = put_flags(fits, n, done);
    if (in->mean)
        put_lanes(in->mean + group, mean, n);
    if (in->rstd)
        put_lanes(in->rstd + group, rstd, n);
    UNROLL
    for (int i = 0; i < depth; i++)
        x[i] = (x[i] - mean_lo_f32) * rstd * parameters->gamma[i] + parameters->beta[i];
    store_columns(in->out + group * depth, n, depth, x, done, all);
    return all;
}

/* The forward pass of these groups and samples. Returns whether all are done. */
INLINE bool normalize_lanes(const struct gn_small *in, struct lanes at, int depth, lanes_flags done)
{
    struct lanes_parameters parameters;
    bool all = true;
    load_parameters(in->gamma ? in->gamma + at.g * depth : NULL, at.n, depth, 1, parameters.gamma);
    load_parameters(in->beta ? in->beta + at.g * depth : NULL, at.n, depth, 0, parameters.beta);
    parameters.least = least_where(
        gamma_fits(parameters.gamma, depth) & beta_fits(parameters.beta, depth), LANES_VAR_LEAST);
    ROLLED
    for (int64_t i = at.first; i < at.end; i++)
        all &= normalize_sample_lanes(in, i * in->groups + at.g, at.n, depth, &parameters,
                                      done[i - at.first]);
    return all;
}

#endif
