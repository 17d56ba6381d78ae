/* SPDX-License-Identifier: MIT */
/*
 * The coefficients of the last passes, one value per channel: z = (x - mean) * scale + shift, and
 * dx = scale * g + (slope * (x - mean) + offset). They are computed in double and rounded to REAL.
 * The functions return whether REAL is accurate enough; for double, callers ignore that.
 *
 * Float is accurate enough if every factor is 0 or a normal float, and if nothing overflows unless
 * the result does. x - mean does not, whatever the statistics that the caller gives, within
 * MEAN_MOST. (x - mean) * scale overflows only if z does, but for a few ulps, as the shift is
 * within TERM_MOST. slope * (x - mean) and scale * g overflow only if they exceed dx's bound too,
 * which is relative to their sizes.
 *
 * The mean is a float, and mean_lo goes into the shift. The values x are floats, and none of them
 * is nearer to the exact mean than the rounded mean is. So mean_lo is at most one standard
 * deviation.
 *
 * Written for a computing type: see real.h.
 */
#ifndef REAL
#ifndef GN_COEFFICIENTS_H
#define GN_COEFFICIENTS_H

#include "kernels/algo/group_parameters.h"
#include "kernels/simd/real.h"

/*
 * 2^102 is less than half of 2^104, the ulp of the largest float. So the sum of a mean within it
 * and the largest float is rounded to the largest float.
 */
#define MEAN_MOST 0x1p102
/* The limit of |shift|, of |offset| and of |slope| / rstd. */
#define TERM_MOST 0x1p100
#define RSTD_LEAST 0x1p-100

#define EACH_REAL "kernels/algo/coefficients.h"
#include "kernels/simd/each_real.h"

#endif
#else

/*
 * Load and store a vector of channels, of which only `part` exist if part is not 0. Lanes beyond
 * the last channel load zeros, or `otherwise` from a NULL array, which always fit. They are not
 * stored, because the memory after the last channel may belong to another thread.
 */
INLINE vec_f64 FN(parameter)(const void *p, gn_type t, int64_t c, int64_t part, double otherwise)
{
    if (!p)
        return splat_f64(otherwise);
    return part ? read_part_f64(p, t, c, part, 0) : read_f64(p, t, c);
}

INLINE void FN(put_coefficient)(REAL *p, int64_t c, int64_t part, vec_f64 v)
{
    if (part)
        ROUND_PART(p + c, v, part);
    else
        ROUND(p + c, v);
}

/*
 * The number of groups whose channels together fill a vector, or 1. With 1, vectors start at a
 * group's channels, and their lanes beyond the group belong to the next one: they get wrong values,
 * which are overwritten when the next group is processed. Such lanes may also seem not to fit. That
 * only costs time: the caller then repeats each group by itself, without lanes beyond it.
 */
INLINE int64_t FN(groups_together)(int64_t depth)
{
    return depth <= WIDTH_f64 && WIDTH_f64 % depth == 0 ? WIDTH_f64 / depth : 1;
}

/* Statistics and coefficients of a vector's channels: those of its group, or one value per lane. */
struct FN(group) {
    vec_f64 mean, mean_lo, rstd, slope, offset;
};

/* Whether the statistics of a group are within the limits. */
INLINE mask_f64 FN(statistics_fit)(const struct FN(group) * group)
{
    return (group->rstd >= splat_f64(RSTD_LEAST)) & (abs_f64(group->mean) <= splat_f64(MEAN_MOST));
}

/* The output arrays, of one value per channel. */
struct FN(coefficients_out) {
    REAL *mean, *scale, *shift, *slope, *offset;
};

INLINE mask_f64 FN(z_vector)(const struct group_parameters *in, const struct FN(group) * group,
                             int64_t c, int64_t part, struct FN(coefficients_out) to)
{
    vec_f64 a = FN(parameter)(in->gamma, in->type, c, part, 1) * group->rstd;
    vec_f64 b = FN(parameter)(in->beta, in->type, c, part, 0) - group->mean_lo * a;
    FN(put_coefficient)(to.mean, c, part, group->mean);
    FN(put_coefficient)(to.scale, c, part, a);
    FN(put_coefficient)(to.shift, c, part, b);
    return fits_float(a) & (abs_f64(b) <= splat_f64(TERM_MOST));
}

static bool FN(z_coefficients)(const struct group_parameters *in, struct FN(coefficients_out) to)
{
    int64_t depth = in->depth, channels = in->groups * depth, together = FN(groups_together)(depth);
    mask_f64 fits = splat_f64(0) == splat_f64(0);
    for (int64_t g = 0, count; g < in->groups; g += count) {
        count = together <= in->groups - g ? together : 1;
        int64_t channels_each = count > 1 ? depth : WIDTH_f64, c = g * depth,
                end = (g + count) * depth;
        struct FN(group) group = {.mean = repeat_f64(in->statistics.mean + g, channels_each),
                                  .mean_lo = repeat_f64(in->statistics.mean_lo + g, channels_each),
                                  .rstd = repeat_f64(in->statistics.rstd + g, channels_each)};
        fits &= FN(statistics_fit)(&group);
        for (; c < end && c + WIDTH_f64 <= channels; c += WIDTH_f64)
            fits &= FN(z_vector)(in, &group, c, 0, to);
        if (c < end)
            fits &= FN(z_vector)(in, &group, c, channels - c, to);
    }
    return all_f64(fits);
}

INLINE mask_f64 FN(dx_vector)(const struct group_parameters *in, const struct FN(group) * group,
                              int64_t c, int64_t part, struct FN(coefficients_out) to)
{
    vec_f64 a = FN(parameter)(in->gamma, in->type, c, part, 1) * group->rstd;
    FN(put_coefficient)(to.mean, c, part, group->mean);
    FN(put_coefficient)(to.scale, c, part, a);
    FN(put_coefficient)(to.slope, c, part, group->slope);
    FN(put_coefficient)(to.offset, c, part, group->offset);
    return fits_float(a);
}

static bool FN(dx_coefficients)(const struct group_parameters *in, struct FN(coefficients_out) to)
{
    int64_t depth = in->depth, channels = in->groups * depth, together = FN(groups_together)(depth);
    mask_f64 fits = splat_f64(0) == splat_f64(0);
    for (int64_t g = 0, count; g < in->groups; g += count) {
        count = together <= in->groups - g ? together : 1;
        int64_t channels_each = count > 1 ? depth : WIDTH_f64, c = g * depth,
                end = (g + count) * depth;
        struct FN(group) group = {.mean = repeat_f64(in->statistics.mean + g, channels_each),
                                  .rstd = repeat_f64(in->statistics.rstd + g, channels_each),
                                  .slope = repeat_f64(in->slope + g, channels_each),
                                  .offset = repeat_f64(in->offset + g, channels_each)};
        fits &= FN(statistics_fit)(&group) & fits_float(group.slope) & fits_float(group.offset) &
                (abs_f64(group.slope) <= group.rstd * TERM_MOST) &
                (abs_f64(group.offset) <= splat_f64(TERM_MOST));
        for (; c < end && c + WIDTH_f64 <= channels; c += WIDTH_f64)
            fits &= FN(dx_vector)(in, &group, c, 0, to);
        if (c < end)
            fits &= FN(dx_vector)(in, &group, c, channels - c, to);
    }
    return all_f64(fits);
}

#endif
