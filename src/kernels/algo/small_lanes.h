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

COLD bool put_some_flags(mask_f32 mask, int64_t groups, bool *flags)
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

/* The sums of each lane's column are made in pairs, for few of the additions wait for others. */
INLINE vec_f32 column_sums(const vec_f32 *v, int depth)
{
    vec_f32 sums[LANES_ROOM];
    UNROLL
    for (int i = 0; i < depth / 2; i++)
        sums[i] = v[i] + v[i + depth / 2];
    UNROLL
    for (int half = depth / 4; half > 0; half /= 2)
        UNROLL
    for (int i = 0; i < half; i++)
        sums[i] += sums[i + half];
    return sums[0];
}

INLINE struct pair column_means(const vec_f32 *x, int depth)
{
    struct pair sums[LANES_ROOM / 2];
    UNROLL
    for (int i = 0; i < depth / 2; i++) {
        struct pair one = widened(x[i]), other = widened(x[i + depth / 2]);
        sums[i] = (struct pair){one.low + other.low, one.high + other.high};
    }
    UNROLL
    for (int half = depth / 4; half > 0; half /= 2)
        UNROLL
    for (int i = 0; i < half; i++) {
        sums[i].low += sums[i + half].low;
        sums[i].high += sums[i + half].high;
    }
    return (struct pair){sums[0].low * (1.0 / depth), sums[0].high * (1.0 / depth)};
}

/* One step of Newton: from 1 / sqrt(v) in float to all bits of float. */
INLINE vec_f64 nearer_rstd(vec_f64 rstd, vec_f64 v)
{
    return rstd * (1.5 - v * 0.5 * rstd * rstd);
}

/*
 * The parameters of a block's groups; and the least variance, or rstd, of a group that is within
 * the limits, which is infinite where the group's parameters are not.
 */
struct lanes_parameters {
    vec_f32 gamma[LANES_ROOM], beta[LANES_ROOM], least;
};

INLINE vec_f32 least_where(mask_f32 fit, float least)
{
    return select_f32(fit, splat_f32(least), splat_f32(INFINITY));
}

/* y, and the mean and rstd of n groups from number `group` of all on. */
INLINE bool normalize_block(const struct gn_small *in, int64_t group, int64_t n, int depth,
                            const struct lanes_parameters *with, bool *done)
{
    vec_f32 x[LANES_ROOM], squares[LANES_ROOM];
    load_columns(in->x + group * depth, n, depth, x);
    struct pair exact = column_means(x, depth);
    vec_f32 mean = narrowed(exact);
    struct pair low = widened(mean);
    low = (struct pair){exact.low - low.low, exact.high - low.high};
    UNROLL
    for (int i = 0; i < depth; i++) {
        x[i] -= mean;
        squares[i] = x[i] * x[i];
    }
    vec_f32 square = column_sums(squares, depth);
    struct pair var = widened(square);
    var.low = (var.low * (1.0 / depth) - low.low * low.low) + in->epsilon;
    var.high = (var.high * (1.0 / depth) - low.high * low.high) + in->epsilon;
    vec_f32 size = narrowed(var);
    mask_f32 fits = (square >= splat_f32((float)in->min_m2)) & (size >= with->least) &
                    (size <= splat_f32(1 / LANES_VAR_LEAST));
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
COLD void finish_groups(const struct gn_small *in, int64_t sample, int64_t g, int64_t groups,
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

/* So many samples at a time, in loops that are functions: no call within them takes registers. */
enum { LANES_SAMPLES = 64 };

/* n groups from group g on, of samples first to end - 1. */
struct lanes {
    int64_t g, n, first, end;
};

/* Which groups are done, of each sample. */
typedef bool lanes_flags[LANES_SAMPLES][WIDTH_f32];

COLD void finish_lanes(const struct gn_small *in, struct lanes at, bool backward, lanes_flags done)
{
    for (int64_t i = at.first; i < at.end; i++)
        finish_groups(in, i, at.g, at.n, backward, done[i - at.first]);
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

/* Returns whether all groups are done. */
INLINE bool normalize_lanes(const struct gn_small *in, struct lanes at, int depth, lanes_flags done)
{
    struct lanes_parameters with;
    bool all = true;
    load_parameters(in->gamma ? in->gamma + at.g * depth : NULL, at.n, depth, 1, with.gamma);
    load_parameters(in->beta ? in->beta + at.g * depth : NULL, at.n, depth, 0, with.beta);
    with.least =
        least_where(gamma_fits(with.gamma, depth) & beta_fits(with.beta, depth), LANES_VAR_LEAST);
    ROLLED
    for (int64_t i = at.first; i < at.end; i++)
        all &= normalize_block(in, i * in->groups + at.g, at.n, depth, &with, done[i - at.first]);
    return all;
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
    vec_f32 x[LANES_ROOM], dy[LANES_ROOM], p_terms[LANES_ROOM], r_terms[LANES_ROOM];
    vec_f32 dy_sizes[LANES_ROOM], x_sizes[LANES_ROOM];
    load_columns(in->x + at, n, depth, x);
    load_columns(in->dy + at, n, depth, dy);
    vec_f32 low = lost_means(x, depth, mean, rstd);
    mask_f32 fits = (rstd >= with->least) & (rstd <= splat_f32(1 / LANES_RSTD_LEAST));
    mask_f32 small = {0};
    UNROLL
    for (int i = 0; i < depth; i++) {
        dy_sizes[i] = abs_f32(dy[i]);
        small |= ((mask_f32)dy_sizes[i] - (mask_f32)splat_f32(LANES_DY_LEAST)) &
                 ~((mask_f32)dy_sizes[i] - 1);
        x[i] = (x[i] - mean - low) * rstd;
        x_sizes[i] = abs_f32(x[i]);
        p_terms[i] = with->gamma[i] * dy[i];
        r_terms[i] = p_terms[i] * x[i];
    }
    vec_f32 most_dy = column_sums(dy_sizes, depth), most_x = column_sums(x_sizes, depth);
    fits &= small >= 0;
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

/* Likewise. */
INLINE bool gradient_lanes(const struct gn_small *in, struct lanes at, int depth, lanes_flags done)
{
    struct lanes_parameters with;
    struct lanes_sums sums;
    bool all = true;
    load_parameters(in->gamma ? in->gamma + at.g * depth : NULL, at.n, depth, 1, with.gamma);
    with.least = least_where(gamma_fits(with.gamma, depth), LANES_RSTD_LEAST);
    UNROLL
    for (int i = 0; i < depth; i++)
        sums.dgamma[i] = sums.dbeta[i] = splat_f32(0);
    ROLLED
    for (int64_t i = at.first; i < at.end; i++)
        all &= gradient_block(in, i * in->groups + at.g, at.n, depth, &with, &sums,
                              done[i - at.first]);
    if (in->dgamma) {
        add_columns(in->dgamma + at.g * depth, at.n, depth, sums.dgamma);
        add_columns(in->dbeta + at.g * depth, at.n, depth, sums.dbeta);
    }
    return all;
}

typedef bool lanes_of_depth(const struct gn_small *in, struct lanes at, lanes_flags done);

/* All groups of all samples. */
INLINE void in_lanes(const struct gn_small *in, bool backward, lanes_of_depth *function)
{
    for (int64_t g = 0; g < in->groups; g += WIDTH_f32) {
        for (int64_t i = 0; i < in->samples; i += LANES_SAMPLES) {
            struct lanes at = {g, in->groups - g < WIDTH_f32 ? in->groups - g : WIDTH_f32, i,
                               in->samples - i < LANES_SAMPLES ? in->samples : i + LANES_SAMPLES};
            lanes_flags done;
            if (!function(in, at, done))
                finish_lanes(in, at, backward, done);
        }
    }
}

#endif
