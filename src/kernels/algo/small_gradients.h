/* SPDX-License-Identifier: MIT */
/* The backward pass of small groups, one group per lane. */
#ifndef GN_SMALL_GRADIENTS_H
#define GN_SMALL_GRADIENTS_H

#include "kernels/algo/small_lanes.h"

/* Sums over samples, for the channels of the groups in lanes. */
struct lanes_sums {
    vec_f32 dgamma[MAX_LANES_DEPTH], dbeta[MAX_LANES_DEPTH];
};

/*
 * Returns mean_lo of each lane's stored mean, or 0 where it does not matter. load_statistics
 * does the same in double. Float is accurate enough within the limits.
 */
INLINE vec_f32 find_mean_lo(const vec_f32 *x, int depth, vec_f32 mean, vec_f32 rstd)
{
    struct pair exact = column_means(x, depth), stored = widened(mean);
    vec_f32 mean_lo = narrowed((struct pair){exact.low - stored.low, exact.high - stored.high});
    mask_f32 matters = (abs_f32(mean * rstd) > splat_f32(GN_ROUNDING_MATTERS)) &
                       (abs_f32(mean_lo) <= abs_f32(mean) * FLT_EPSILON);
    return (vec_f32)(matters & (mask_f32)mean_lo);
}

/*
 * dx of n groups, from group number `group` among all samples' groups on. Adds to the sums of
 * dgamma and dbeta. Sets done[i] for groups within the limits; only these are stored and added.
 * Returns whether all are done.
 */
INLINE bool gradient_sample_lanes(const struct gn_small *in, int64_t group, int64_t n, int depth,
                                  const struct lanes_parameters *parameters,
                                  struct lanes_sums *sums, bool *done)
{
    int64_t at = group * depth;
    vec_f32 mean = load_lanes(in->mean + group, n), rstd = load_lanes(in->rstd + group, n);
    vec_f32 x[MAX_LANES_DEPTH], dy[MAX_LANES_DEPTH], p_terms[MAX_LANES_DEPTH],
        r_terms[MAX_LANES_DEPTH];
    vec_f32 dy_sizes[MAX_LANES_DEPTH], x_sizes[MAX_LANES_DEPTH];
    load_columns(in->x + at, n, depth, x);
    load_columns(in->dy + at, n, depth, dy);
    vec_f32 mean_lo = find_mean_lo(x, depth, mean, rstd);
    mask_f32 fits = (rstd >= parameters->least) & (rstd <= splat_f32(1 / LANES_RSTD_LEAST));
    UNROLL
    for (int i = 0; i < depth; i++) {
        dy_sizes[i] = abs_f32(dy[i]);
        fits &= (dy_sizes[i] >= splat_f32(LANES_DY_LEAST)) | (dy_sizes[i] == splat_f32(0));
        x[i] = (x[i] - mean - mean_lo) * rstd;
        x_sizes[i] = abs_f32(x[i]);
        p_terms[i] = parameters->gamma[i] * dy[i];
        r_terms[i] = p_terms[i] * x[i];
    }
    vec_f32 most_dy = column_sums(dy_sizes, depth), most_x = column_sums(x_sizes, depth);
    fits &= (most_dy <= splat_f32(LANES_DY_MOST)) & (most_x <= splat_f32(LANES_X_MOST));
    bool all = put_flags(fits, n, done);
    UNROLL
    for (int i = 0; i < depth; i++) {
        sums->dgamma[i] += (vec_f32)(fits & (mask_f32)(dy[i] * x[i]));
        sums->dbeta[i] += (vec_f32)(fits & (mask_f32)dy[i]);
    }
    if (!in->out)
        return all;
    vec_f32 p = column_sums(p_terms, depth) * (1.0f / (float)depth);
    vec_f32 r = column_sums(r_terms, depth) * (1.0f / (float)depth);
    UNROLL
    for (int i = 0; i < depth; i++)
        dy[i] = ((parameters->gamma[i] * dy[i] - p) - x[i] * r) * rstd;
    store_columns(in->out + at, n, depth, dy, done, all);
    return all;
}

/* Adds the sums of `groups` groups to `to`, in double. v is lost. */
INLINE void add_columns(double *to, int64_t groups, int depth, vec_f32 *v)
{
    float values[MAX_LANES_DEPTH * WIDTH_f32];
    groups_of(v, depth);
    UNROLL
    for (int i = 0; i < depth; i++)
        put_f32(values + i * WIDTH_f32, v[i]);
    for (int64_t c = 0; c < groups * depth; c++)
        to[c] += (double)values[c];
}

/* The backward pass of these groups and samples. Returns whether all are done. */
INLINE bool gradient_lanes(const struct gn_small *in, struct lanes at, int depth, lanes_flags done)
{
    struct lanes_parameters parameters;
    struct lanes_sums sums;
    bool all = true;
    load_parameters(in->gamma ? in->gamma + at.g * depth : NULL, at.n, depth, 1, parameters.gamma);
    parameters.least = least_where(gamma_fits(parameters.gamma, depth), LANES_RSTD_LEAST);
    UNROLL
    for (int i = 0; i < depth; i++)
        sums.dgamma[i] = sums.dbeta[i] = splat_f32(0);
    ROLLED
    for (int64_t i = at.first; i < at.end; i++)
        all &= gradient_sample_lanes(in, i * in->groups + at.g, at.n, depth, &parameters, &sums,
                                     done[i - at.first]);
    if (in->dgamma) {
        add_columns(in->dgamma + at.g * depth, at.n, depth, sums.dgamma);
        add_columns(in->dbeta + at.g * depth, at.n, depth, sums.dbeta);
    }
    return all;
}

#endif
