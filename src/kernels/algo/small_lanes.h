/* SPDX-License-Identifier: MIT */
/*
 * Small groups of 2, 4, 8 or 16 channels, a group a lane. A block of as many groups as a vector has
 * lanes is transposed in registers, computed, and transposed back, in one pass. Sums run over the
 * depth in the order in which `columns_of` leaves it, which is the same whatever the vectors; a
 * group's result does not depend on the others in its block.
 *
 * Means are summed in double; all else is in float, for groups whose values keep far from what
 * float cannot hold. The others are computed as groups of any depth are (small_groups.h).
 */
#ifndef GN_SMALL_LANES_H
#define GN_SMALL_LANES_H

#include "kernels/algo/small_groups.h"
#include "kernels/simd/transpose.h"

/* Within these limits no sum overflows, and none loses to underflow what is not far below it. */
#define LANES_VAR_LEAST 0x1p-72f
#define LANES_RSTD_LEAST 0x1p-36f
#define LANES_DY_LEAST 0x1p-90f /* but for 0 */
#define LANES_DY_MOST 0x1p50f
#define LANES_X_MOST 0x1p10f /* of xhat */

NOINLINE bool put_some_flags(mask_f32 mask, int64_t groups, bool *flags)
{
    bool all = true;
    for (int64_t g = 0; g < groups; g++) {
        flags[g] = mask[g] != 0;
        all &= flags[g];
    }
    return all;
}

/* Which of the first `groups` lanes are true, and whether all are. */
INLINE bool put_flags(mask_f32 mask, int64_t groups, bool *flags)
{
    if (groups == WIDTH_f32 && all_f32(mask)) {
        memset(flags, true, WIDTH_f32);
        return true;
    }
    return put_some_flags(mask, groups, flags);
}

INLINE void put_lanes(float *p, vec_f32 v, int64_t groups)
{
    if (groups == WIDTH_f32)
        store_f32(p, v);
    else
        store_part_f32(p, v, groups);
}

INLINE vec_f32 load_lanes(const float *p, int64_t groups)
{
    return groups == WIDTH_f32 ? load_f32(p) : load_part_f32(p, groups, 0);
}

/* A value a lane in double. */
struct pair {
    vec_f64 low, high;
};

INLINE struct pair widened(vec_f32 v)
{
    return (struct pair){HALF(v, 0), HALF(v, 1)};
}

INLINE vec_f32 narrowed(struct pair v)
{
    return JOIN(NARROW(v.low), NARROW(v.high));
}

/* The mean of each lane's column. */
INLINE struct pair column_means(const vec_f32 *x, int depth)
{
    struct pair sum = widened(x[0]);
    UNROLL
    for (int i = 1; i < depth; i++) {
        struct pair more = widened(x[i]);
        sum.low += more.low;
        sum.high += more.high;
    }
    return (struct pair){sum.low * (1.0 / depth), sum.high * (1.0 / depth)};
}

/* One step of Newton: from 1 / sqrt(v) in float to all bits of float. */
INLINE vec_f64 nearer_rstd(vec_f64 rstd, vec_f64 v)
{
    return rstd * (1.5 - v * 0.5 * rstd * rstd);
}

/* The parameters of a block's groups, and which groups' are within the limits. */
struct lanes_parameters {
    vec_f32 gamma[LANES_ROOM], beta[LANES_ROOM];
    mask_f32 fit;
};

/* y, and the mean and rstd of n groups from number `group` of all on. */
INLINE bool normalize_block(const struct gn_small *in, int64_t group, int64_t n, int depth,
                            const struct lanes_parameters *with, bool *done)
{
    vec_f32 x[LANES_ROOM], square = splat_f32(0);
    load_columns(in->x + group * depth, n, depth, x);
    struct pair exact = column_means(x, depth);
    vec_f32 mean = narrowed(exact);
    struct pair low = widened(mean);
    low = (struct pair){exact.low - low.low, exact.high - low.high};
    UNROLL
    for (int i = 0; i < depth; i++) {
        x[i] -= mean;
        square += x[i] * x[i];
    }
    struct pair var = widened(square);
    var.low = (var.low * (1.0 / depth) - low.low * low.low) + in->epsilon;
    var.high = (var.high * (1.0 / depth) - low.high * low.high) + in->epsilon;
    vec_f32 size = narrowed(var);
    mask_f32 fits = (square >= splat_f32((float)in->min_m2)) &
                    (size >= splat_f32(LANES_VAR_LEAST)) &
                    (size <= splat_f32(1 / LANES_VAR_LEAST)) & with->fit;
    struct pair near = widened(1 / sqrt_f32(size));
    vec_f32 rstd =
        narrowed((struct pair){nearer_rstd(near.low, var.low), nearer_rstd(near.high, var.high)});
    vec_f32 lows = narrowed(low);
    bool all = put_flags(fits, n, done);
    if (in->mean)
        put_lanes(in->mean + group, mean, n);
    if (in->rstd)
        put_lanes(in->rstd + group, rstd, n);
    UNROLL
    for (int i = 0; i < depth; i++)
        x[i] = (x[i] - lows) * rstd * with->gamma[i] + with->beta[i];
    store_columns(in->out + group * depth, n, depth, x, done, all);
    return all;
}

/* Groups that are not done: as those of any depth. */
COLD void finish_lanes(const struct gn_small *in, int64_t sample, int64_t g, int64_t groups,
                       bool backward, const bool *done)
{
    for (int64_t i = 0; i < groups; i++) {
        bool fit;
        if (done[i])
            continue;
        parameters_fit(in, g + i, 1, &fit);
        if (backward)
            gradient_groups(in, sample, g + i, 1, &fit);
        else
            normalize_groups(in, sample, g + i, 1, &fit);
    }
}

/* Whether the gamma of each lane's group is within the limits, as parameters_fit has them. */
INLINE mask_f32 gamma_fits(const vec_f32 *gamma, int depth)
{
    mask_f32 fit = splat_f32(0) == splat_f32(0);
    UNROLL
    for (int i = 0; i < depth; i++) {
        vec_f32 size = abs_f32(gamma[i]);
        fit &= (size == splat_f32(0)) |
               ((size >= splat_f32(SMALL_GAMMA_LEAST)) & (size <= splat_f32(SMALL_GAMMA_MOST)));
    }
    return fit;
}

INLINE mask_f32 beta_fits(const vec_f32 *beta, int depth)
{
    mask_f32 fit = splat_f32(0) == splat_f32(0);
    UNROLL
    for (int i = 0; i < depth; i++)
        fit &= abs_f32(beta[i]) <= splat_f32(SMALL_MOST);
    return fit;
}

INLINE void normalize_lanes(const struct gn_small *in, int depth)
{
    for (int64_t g = 0; g < in->groups; g += WIDTH_f32) {
        int64_t n = in->groups - g < WIDTH_f32 ? in->groups - g : WIDTH_f32;
        struct lanes_parameters with;
        bool done[WIDTH_f32];
        load_parameters(in->gamma ? in->gamma + g * depth : NULL, n, depth, 1, with.gamma);
        load_parameters(in->beta ? in->beta + g * depth : NULL, n, depth, 0, with.beta);
        with.fit = gamma_fits(with.gamma, depth) & beta_fits(with.beta, depth);
        ROLLED
        for (int64_t i = 0; i < in->samples; i++)
            if (!normalize_block(in, i * in->groups + g, n, depth, &with, done))
                finish_lanes(in, i, g, n, false, done);
    }
}

/* The sums over samples, of a block's columns. */
struct lanes_sums {
    vec_f32 dgamma[LANES_ROOM], dbeta[LANES_ROOM];
};

/*
 * What rounding took from a block's stored means, where it matters: as `recover`, but in float,
 * which is enough within the limits.
 */
INLINE vec_f32 lost_means(const vec_f32 *x, int depth, vec_f32 mean, vec_f32 rstd)
{
    struct pair exact = column_means(x, depth), stored = widened(mean);
    vec_f32 low = narrowed((struct pair){exact.low - stored.low, exact.high - stored.high});
    mask_f32 matters = (abs_f32(mean * rstd) > splat_f32(GN_ROUNDING_MATTERS)) &
                       (abs_f32(low) <= abs_f32(mean) * FLT_EPSILON);
    return (vec_f32)(matters & (mask_f32)low);
}

/* dx of n groups from number `group` of all on; adds their parts of dgamma and dbeta to the sums.
 */
INLINE bool gradient_block(const struct gn_small *in, int64_t group, int64_t n, int depth,
                           const struct lanes_parameters *with, struct lanes_sums *sums, bool *done)
{
    int64_t at = group * depth;
    vec_f32 mean = load_lanes(in->mean + group, n), rstd = load_lanes(in->rstd + group, n);
    vec_f32 x[LANES_ROOM], dy[LANES_ROOM], p = splat_f32(0), r = splat_f32(0);
    vec_f32 most_dy = splat_f32(0), most_x = splat_f32(0);
    load_columns(in->x + at, n, depth, x);
    load_columns(in->dy + at, n, depth, dy);
    vec_f32 low = lost_means(x, depth, mean, rstd);
    mask_f32 fits = with->fit & (rstd >= splat_f32(LANES_RSTD_LEAST)) &
                    (rstd <= splat_f32(1 / LANES_RSTD_LEAST));
    UNROLL
    for (int i = 0; i < depth; i++) {
        vec_f32 size = abs_f32(dy[i]);
        fits &= (size >= splat_f32(LANES_DY_LEAST)) | (size == splat_f32(0));
        x[i] = (x[i] - mean - low) * rstd;
        most_dy += size;
        most_x += abs_f32(x[i]);
        p += with->gamma[i] * dy[i];
        r += with->gamma[i] * dy[i] * x[i];
    }
    fits &= (most_dy <= splat_f32(LANES_DY_MOST)) & (most_x <= splat_f32(LANES_X_MOST));
    bool all = put_flags(fits, n, done);
    UNROLL
    for (int i = 0; i < depth; i++) {
        sums->dgamma[i] += (vec_f32)(fits & (mask_f32)(dy[i] * x[i]));
        sums->dbeta[i] += (vec_f32)(fits & (mask_f32)dy[i]);
    }
    if (!in->out)
        return all;
    p *= 1.0f / (float)depth;
    r *= 1.0f / (float)depth;
    UNROLL
    for (int i = 0; i < depth; i++)
        dy[i] = ((with->gamma[i] * dy[i] - p) - x[i] * r) * rstd;
    store_columns(in->out + at, n, depth, dy, done, all);
    return all;
}

/* Adds sums of a block, in double. */
INLINE void add_columns(double *to, int64_t groups, int depth, vec_f32 *v)
{
    float block[LANES_ROOM * WIDTH_f32];
    groups_of(v, depth);
    UNROLL
    for (int i = 0; i < depth; i++)
        put_f32(block + i * WIDTH_f32, v[i]);
    for (int64_t c = 0; c < groups * depth; c++)
        to[c] += (double)block[c];
}

INLINE void gradient_lanes(const struct gn_small *in, int depth)
{
    for (int64_t g = 0; g < in->groups; g += WIDTH_f32) {
        int64_t n = in->groups - g < WIDTH_f32 ? in->groups - g : WIDTH_f32;
        struct lanes_parameters with;
        struct lanes_sums sums;
        bool done[WIDTH_f32];
        load_parameters(in->gamma ? in->gamma + g * depth : NULL, n, depth, 1, with.gamma);
        with.fit = gamma_fits(with.gamma, depth);
        UNROLL
        for (int i = 0; i < depth; i++)
            sums.dgamma[i] = sums.dbeta[i] = splat_f32(0);
        ROLLED
        for (int64_t i = 0; i < in->samples; i++)
            if (!gradient_block(in, i * in->groups + g, n, depth, &with, &sums, done))
                finish_lanes(in, i, g, n, true, done);
        if (in->dgamma) {
            add_columns(in->dgamma + g * depth, n, depth, sums.dgamma);
            add_columns(in->dbeta + g * depth, n, depth, sums.dbeta);
        }
    }
}

#endif
