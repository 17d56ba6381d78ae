/* SPDX-License-Identifier: MIT */
/* The backward pass of small groups, one group per lane. */
#ifndef GN_SMALL_GRADIENTS_H
#define GN_SMALL_GRADIENTS_H

#include "kernels/algo/small_lanes.h"

/* Sums over samples, for the channels of a block's groups. */
struct lanes_sums {
    vec_f32 dgamma[MAX_BLOCK_VECS], dbeta[MAX_BLOCK_VECS];
};

/*
 * Returns mean_lo of each stored mean in a block, or 0 where it does not matter. load_statistics
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
INLINE bool gradient_block(const struct gn_small *in, int64_t group, int64_t n, int depth,
                           const struct lanes_parameters *parameters, struct lanes_sums *sums,
                           bool *done)
{
    int64_t at = group * depth;
    vec_f32 mean = load_lanes(in->mean + group, n), rstd = load_lanes(in->rstd + group, n);
    vec_f32 x[MAX_BLOCK_VECS], dy[MAX_BLOCK_VECS], p_terms[MAX_BLOCK_VECS], r_terms[MAX_BLOCK_VECS];
    vec_f32 dy_sizes[MAX_BLOCK_VECS], x_sizes[MAX_BLOCK_VECS];
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

/* Adds the sums of a block to `to`, in double. v is lost. */
INLINE void add_columns(double *to, int64_t groups, int depth, vec_f32 *v)
{
    float block[MAX_BLOCK_VECS * WIDTH_f32];
    groups_of(v, depth);
    UNROLL
    for (int i = 0; i < depth; i++)
        put_f32(block + i * WIDTH_f32, v[i]);
    for (int64_t c = 0; c < groups * depth; c++)
        to[c] += (double)block[c];
}

/* Processes a block of groups for several samples. Returns whether all groups are done. */
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
        all &= gradient_block(in, i * in->groups + at.g, at.n, depth, &parameters, &sums,
                              done[i - at.first]);
    if (in->dgamma) {
        add_columns(in->dgamma + at.g * depth, at.n, depth, sums.dgamma);
        add_columns(in->dbeta + at.g * depth, at.n, depth, sums.dbeta);
    }
    return all;
}

#endif
