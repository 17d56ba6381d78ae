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
