/* SPDX-License-Identifier: MIT */
/* Statistics of groups, a vector of groups at a time: from moments, and from stored values. */
#ifndef GN_STATISTICS_H
#define GN_STATISTICS_H

#include "kernels/kernels.h"
#include "kernels/simd/vec.h"

static void statistics(int64_t groups, double count, double epsilon, gn_type stored,
                       struct gn_moments moments, struct gn_statistics out)
{
    vec_f64 none = splat_f64((double)NAN);
    double inverse = 1.0 / count;
    for (int64_t g = 0; g < groups; g += WIDTH_f64) {
        vec_f64 origin = some_f64(moments.origin + g, groups - g),
                offset = some_f64(moments.offset + g, groups - g);
        vec_f64 var = some_f64(moments.m2 + g, groups - g) * inverse;
        mask_f64 finite = var <= splat_f64(DBL_MAX);
        vec_f64 mean = origin + offset;
        if (stored == GN_F32)
            mean = WIDEN(NARROW(mean));
        put_f64(out.mean + g, select_f64(finite, mean, none));
        put_f64(out.mean_lo + g, select_f64(finite, (origin - mean) + offset, none));
        put_f64(out.rstd + g, select_f64(finite, 1.0 / sqrt_f64(var + epsilon), none));
    }
}

/* Whether rstd is 0 or a normal number of the type. */
INLINE mask_f64 usual_rstd(vec_f64 rstd, gn_type t)
{
    double least = t == GN_F64 ? DBL_MIN : (double)FLT_MIN;
    double most = t == GN_F64 ? DBL_MAX : (double)FLT_MAX;
    return (rstd == splat_f64(0)) | ((rstd >= splat_f64(least)) & (rstd <= splat_f64(most)));
}

/*
 * For which groups the rounding of stored values matters: the rounding of the mean changes xhat by
 * up to u * |mean| * rstd. If rstd is NaN, all results are NaN anyway.
 */
INLINE mask_f64 which_matter(vec_f64 mean, vec_f64 rstd, gn_type t)
{
    mask_f64 large_mean = abs_f64(mean * rstd) > splat_f64(GN_ROUNDING_MATTERS);
    return (rstd == rstd) & (large_mean | ~usual_rstd(rstd, t));
}

/* A vector of stored values from group g on; zeros beyond the last group. */
INLINE vec_f64 some_stored(const void *p, gn_type t, int64_t g, int64_t groups)
{
    return groups - g >= WIDTH_f64 ? read_f64(p, t, g) : read_part_f64(p, t, g, groups - g, 0);
}

static bool load_statistics(struct gn_stored stored, const struct gn_statistics *found,
                            struct gn_statistics out)
{
    gn_type t = stored.type;
    int64_t groups = stored.groups;
    double epsilon = t == GN_F64 ? DBL_EPSILON : (double)FLT_EPSILON;
    double least = t == GN_F64 ? DBL_TRUE_MIN : (double)FLT_TRUE_MIN;
    mask_f64 any = splat_f64(0) != splat_f64(0);
    for (int64_t g = 0; g < groups; g += WIDTH_f64) {
        vec_f64 mean = some_stored(stored.mean, t, g, groups), mean_lo = splat_f64(0);
        vec_f64 rstd = some_stored(stored.rstd, t, g, groups);
        mask_f64 matters = which_matter(mean, rstd, t);
        any |= matters;
        if (found) {
            /* If the stored mean is not the mean of x, use it as it is. */
            vec_f64 lo = (some_f64(found->mean + g, groups - g) - mean) +
                         some_f64(found->mean_lo + g, groups - g);
            mask_f64 near =
                (abs_f64(lo) <= abs_f64(mean) * epsilon) | (abs_f64(lo) <= splat_f64(least));
            mean_lo = select_f64(matters & near, lo, mean_lo);
            rstd = select_f64(matters & ~usual_rstd(rstd, t), some_f64(found->rstd + g, groups - g),
                              rstd);
        }
        if (!out.mean)
            continue;
        put_f64(out.mean + g, mean);
        put_f64(out.mean_lo + g, mean_lo);
        put_f64(out.rstd + g, rstd);
    }
    return !all_f64(~any);
}

#endif
