/* SPDX-License-Identifier: MIT */
/*
 * Small groups of 2, 4, 8 or 16 channels, one group per lane: as many groups as a vector has lanes
 * are transposed in registers, computed, and transposed back, in one pass. Sums run over
 * the depth in the order in which columns_of leaves it, which does not depend on the vector width.
 * A group's result does not depend on those in the other lanes.
 *
 * Means are summed in double. Everything else is in float, for groups whose values keep far from
 * what float cannot hold. The other groups are computed as those of any depth (small_groups.h).
 */
#ifndef GN_SMALL_LANES_H
#define GN_SMALL_LANES_H

#include "kernels/algo/small_groups.h"
#include "kernels/simd/transpose.h"

/*
 * Within these limits no sum overflows, and what a sum loses to underflow is far smaller than the
 * sum.
 */
#define LANES_VAR_LEAST 0x1p-72f
#define LANES_RSTD_LEAST 0x1p-36f
#define LANES_DY_LEAST 0x1p-90f /* or 0 */
#define LANES_DY_MOST 0x1p50f   /* of the sum of |dy| */
#define LANES_X_MOST 0x1p10f    /* of the sum of |xhat| */

COLD bool put_some_flags(mask_f32 mask, int64_t groups, bool *flags)
{
    bool all = true;
    for (int64_t g = 0; g < groups; g++) {
        flags[g] = mask[g] != 0;
        all &= flags[g];
    }
    return all;
}

/* Stores which of the first `groups` lanes are true. Returns whether all of these are. */
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

/* A double for each lane of a vector of floats: its lower and its upper half. */
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

/* The sum of each lane's values, in pairs: few of the additions depend on each other. */
INLINE vec_f32 column_sums(const vec_f32 *v, int depth)
{
    vec_f32 sums[MAX_LANES_DEPTH];
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
    struct pair sums[MAX_LANES_DEPTH / 2];
    UNROLL
    for (int i = 0; i < depth / 2; i++) {
        struct pair first = widened(x[i]), second = widened(x[i + depth / 2]);
        sums[i] = (struct pair){first.low + second.low, first.high + second.high};
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
 * The parameters of the groups in lanes, and the least variance (forward) or rstd (backward) of a
 * group within the limits. `least` is infinite for groups whose parameters are outside their
 * limits.
 */
struct lanes_parameters {
    vec_f32 gamma[MAX_LANES_DEPTH], beta[MAX_LANES_DEPTH], least;
};

INLINE vec_f32 least_where(mask_f32 fit, float least)
{
    return select_f32(fit, splat_f32(least), splat_f32(INFINITY));
}

/* Whether the gamma of each lane's group is within the limits, as in parameters_fit. */
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

/* Computes the groups that are not done as those of any depth. */
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

/*
 * Samples per call of a function in lanes. The fallback is called after it, so that no call in its
 * loop costs registers.
 */
enum { LANES_SAMPLES = 64 };

/* n groups from group g on, of samples first to end - 1. */
struct lanes {
    int64_t g, n, first, end;
};

/* Which groups are done, per sample. */
typedef bool lanes_flags[LANES_SAMPLES][WIDTH_f32];

COLD void finish_lanes(const struct gn_small *in, struct lanes at, bool backward, lanes_flags done)
{
    for (int64_t i = at.first; i < at.end; i++)
        finish_groups(in, i, at.g, at.n, backward, done[i - at.first]);
}

typedef bool lanes_of_depth(const struct gn_small *in, struct lanes at, lanes_flags done);

/* Computes all groups of all samples: in lanes, then those that are not done. */
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
