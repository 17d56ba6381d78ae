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

/* Forward: what a block's statistics need besides x. */
struct lanes_epsilon {
    double epsilon;
    float floor;
};

/* y, and the mean and rstd of a block. */
INLINE bool normalize_block(const float *p, float *y, int64_t groups, int depth,
                            struct lanes_epsilon with, mask_f32 fit, const vec_f32 *gamma,
                            const vec_f32 *beta, float *means, float *rstds, bool *done)
{
    vec_f32 x[LANES_ROOM], square = splat_f32(0);
    load_columns(p, groups, depth, x);
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
    var.low = (var.low * (1.0 / depth) - low.low * low.low) + with.epsilon;
    var.high = (var.high * (1.0 / depth) - low.high * low.high) + with.epsilon;
    vec_f32 size = narrowed(var);
    mask_f32 fits = (square >= splat_f32(with.floor)) & (size >= splat_f32(LANES_VAR_LEAST)) &
                    (size <= splat_f32(1 / LANES_VAR_LEAST)) & fit;
    struct pair near = widened(1 / sqrt_f32(size));
    vec_f32 rstd =
        narrowed((struct pair){nearer_rstd(near.low, var.low), nearer_rstd(near.high, var.high)});
    vec_f32 lows = narrowed(low);
    bool all = put_flags(fits, groups, done);
    if (means)
        put_lanes(means, mean, groups);
    if (rstds)
        put_lanes(rstds, rstd, groups);
    UNROLL
    for (int i = 0; i < depth; i++)
        x[i] = (x[i] - lows) * rstd * gamma[i] + beta[i];
    store_columns(y, groups, depth, x, done, all);
    return all;
}

/* Groups whose parameters fit and that are not done: as those of any depth. */
COLD void finish_lanes(const struct gn_small *in, int64_t sample, int64_t g, int64_t groups,
                       bool backward, const bool *fit, const bool *done)
{
    for (int64_t i = 0; i < groups; i++) {
        if (done[i])
            continue;
        if (backward)
            gradient_groups(in, sample, g + i, 1, fit + i);
        else
            normalize_groups(in, sample, g + i, 1, fit + i);
    }
}

INLINE mask_f32 lanes_that_fit(const bool *fit, int64_t groups)
{
    int32_t lanes[WIDTH_f32];
    for (int64_t i = 0; i < WIDTH_f32; i++)
        lanes[i] = i < groups && !fit[i] ? 0 : -1;
    mask_f32 mask;
    memcpy(&mask, lanes, sizeof mask);
    return mask;
}

INLINE void normalize_lanes(const struct gn_small *in, int depth)
{
    struct lanes_epsilon with = {in->epsilon, (float)in->min_m2};
    for (int64_t g = 0; g < in->groups; g += WIDTH_f32) {
        int64_t n = in->groups - g < WIDTH_f32 ? in->groups - g : WIDTH_f32;
        vec_f32 gamma[LANES_ROOM], beta[LANES_ROOM];
        bool fit[WIDTH_f32], done[WIDTH_f32];
        parameters_fit(in, g, n, fit);
        mask_f32 mask = lanes_that_fit(fit, n);
        load_parameters(in->gamma ? in->gamma + g * depth : NULL, n, depth, 1, gamma);
        load_parameters(in->beta ? in->beta + g * depth : NULL, n, depth, 0, beta);
        ROLLED
        for (int64_t i = 0; i < in->samples; i++) {
            int64_t group = i * in->groups + g;
            if (!normalize_block(in->x + group * depth, in->out + group * depth, n, depth, with,
                                 mask, gamma, beta, in->mean ? in->mean + group : NULL,
                                 in->rstd ? in->rstd + group : NULL, done))
                finish_lanes(in, i, g, n, false, fit, done);
        }
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

/* dx of a block; adds its parts of dgamma and dbeta to the sums. */
INLINE bool gradient_block(const struct gn_small *in, int64_t at, int64_t groups, int depth,
                           mask_f32 fit, const vec_f32 *gamma, vec_f32 mean, vec_f32 rstd,
                           struct lanes_sums *sums, bool *done)
{
    vec_f32 x[LANES_ROOM], dy[LANES_ROOM], p = splat_f32(0), r = splat_f32(0);
    vec_f32 most_dy = splat_f32(0), most_x = splat_f32(0);
    load_columns(in->x + at, groups, depth, x);
    load_columns(in->dy + at, groups, depth, dy);
    vec_f32 low = lost_means(x, depth, mean, rstd);
    mask_f32 fits =
        fit & (rstd >= splat_f32(LANES_RSTD_LEAST)) & (rstd <= splat_f32(1 / LANES_RSTD_LEAST));
    UNROLL
    for (int i = 0; i < depth; i++) {
        vec_f32 size = abs_f32(dy[i]);
        fits &= (size >= splat_f32(LANES_DY_LEAST)) | (size == splat_f32(0));
        x[i] = (x[i] - mean - low) * rstd;
        most_dy += size;
        most_x += abs_f32(x[i]);
        p += gamma[i] * dy[i];
        r += gamma[i] * dy[i] * x[i];
    }
    fits &= (most_dy <= splat_f32(LANES_DY_MOST)) & (most_x <= splat_f32(LANES_X_MOST));
    bool all = put_flags(fits, groups, done);
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
        dy[i] = ((gamma[i] * dy[i] - p) - x[i] * r) * rstd;
    store_columns(in->out + at, groups, depth, dy, done, all);
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
        vec_f32 gamma[LANES_ROOM];
        struct lanes_sums sums;
        bool fit[WIDTH_f32], done[WIDTH_f32];
        parameters_fit(in, g, n, fit);
        mask_f32 mask = lanes_that_fit(fit, n);
        load_parameters(in->gamma ? in->gamma + g * depth : NULL, n, depth, 1, gamma);
        UNROLL
        for (int i = 0; i < depth; i++)
            sums.dgamma[i] = sums.dbeta[i] = splat_f32(0);
        ROLLED
        for (int64_t i = 0; i < in->samples; i++) {
            int64_t group = i * in->groups + g;
            vec_f32 mean = load_lanes(in->mean + group, n), rstd = load_lanes(in->rstd + group, n);
            if (!gradient_block(in, group * depth, n, depth, mask, gamma, mean, rstd, &sums, done))
                finish_lanes(in, i, g, n, true, fit, done);
        }
        if (in->dgamma) {
            add_columns(in->dgamma + g * depth, n, depth, sums.dgamma);
            add_columns(in->dbeta + g * depth, n, depth, sums.dbeta);
        }
    }
}

#endif
