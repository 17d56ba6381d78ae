/* SPDX-License-Identifier: MIT */
/*
 * The numbers of the last passes, one value per channel: z = (x - mean) * scale + shift, and dx =
 * scale * g + (slope * (x - mean) + offset). They are computed in double and rounded to REAL; the
 * functions return whether REAL carries them, which for double nobody asks.
 *
 * Float does where every factor is 0 or a normal float, and where nothing overflows unless the
 * result does: with rstd >= 2^-100 and m <= 2^60, |x - mean| <= sqrt(m) / rstd, so that no term
 * that an overflow could cancel against reaches 2^128. For statistics that are given the driver
 * sees to it that x - mean does not overflow; then the product does only where y does, as the
 * shift is below 2^100.
 *
 * The mean is a float, and mean_lo goes into the shift. x holds floats, none of which is
 * nearer to the mean than the mean's rounding, so that this is at most one standard deviation.
 *
 * Written for a computing type: see real.h.
 */
#ifndef REAL
#ifndef GN_COEFFICIENTS_H
#define GN_COEFFICIENTS_H

#include "kernels/algo/group_parameters.h"
#include "kernels/simd/real.h"

#define EACH_REAL "kernels/algo/coefficients.h"
#include "kernels/simd/each_real.h"

#endif
#else

/*
 * A vector of channels, of which `part` are left, or 0 for all. Beyond the last there are zeros,
 * or ones, which always fit, and nothing is written: the next may be another thread's.
 */
INLINE vec_f64 FN(parameter)(const void *p, gn_type t, int64_t c, int64_t part, double otherwise)
{
    if (!p)
        return splat_f64(otherwise);
    return part ? read_part_f64(p, t, c, part, 0) : read_f64(p, t, c);
}

INLINE void FN(put_number)(REAL *p, int64_t c, int64_t part, vec_f64 v)
{
    if (part)
        ROUND_PART(p + c, v, part);
    else
        ROUND(p + c, v);
}

/*
 * How many groups make up a vector of channels together. Where none do, a vector begins with a
 * group, and its lanes beyond that get what is wrong for them, and then what is right: the next
 * group comes after. That they may seem not to fit costs but time: the caller then asks for each
 * group alone, with nothing beyond it.
 */
INLINE int64_t FN(groups_together)(int64_t depth)
{
    return depth <= WIDTH_f64 && WIDTH_f64 % depth == 0 ? WIDTH_f64 / depth : 1;
}

/* What the channels of a vector share, or groups in it have each. */
struct FN(group) {
    vec_f64 mean, mean_lo, rstd, slope, offset;
};

/* Where the numbers go: arrays of one value per channel. */
struct FN(numbers_out) {
    REAL *mean, *scale, *shift, *slope, *offset;
};

INLINE mask_f64 FN(z_vector)(const struct group_parameters *in, const struct FN(group) * of,
                             int64_t c, int64_t part, struct FN(numbers_out) to)
{
    vec_f64 a = FN(parameter)(in->gamma, in->type, c, part, 1) * of->rstd;
    vec_f64 b = FN(parameter)(in->beta, in->type, c, part, 0) - of->mean_lo * a;
    FN(put_number)(to.mean, c, part, of->mean);
    FN(put_number)(to.scale, c, part, a);
    FN(put_number)(to.shift, c, part, b);
    return fits_float(a) & (abs_f64(b) <= splat_f64(0x1p100));
}

static bool FN(z_coefficients)(const struct group_parameters *in, struct FN(numbers_out) to)
{
    int64_t depth = in->depth, channels = in->groups * depth, together = FN(groups_together)(depth);
    mask_f64 fits = splat_f64(0) == splat_f64(0);
    for (int64_t g = 0, count; g < in->groups; g += count) {
        count = together <= in->groups - g ? together : 1;
        int64_t each = count > 1 ? depth : WIDTH_f64, c = g * depth, end = (g + count) * depth;
        struct FN(group) of = {.mean = repeat_f64(in->of.mean + g, each),
                               .mean_lo = repeat_f64(in->of.mean_lo + g, each),
                               .rstd = repeat_f64(in->of.rstd + g, each)};
        fits &= of.rstd >= splat_f64(0x1p-100);
        for (; c < end && c + WIDTH_f64 <= channels; c += WIDTH_f64)
            fits &= FN(z_vector)(in, &of, c, 0, to);
        if (c < end)
            fits &= FN(z_vector)(in, &of, c, channels - c, to);
    }
    return all_f64(fits);
}

INLINE mask_f64 FN(dx_vector)(const struct group_parameters *in, const struct FN(group) * of,
                              int64_t c, int64_t part, struct FN(numbers_out) to)
{
    vec_f64 a = FN(parameter)(in->gamma, in->type, c, part, 1) * of->rstd;
    FN(put_number)(to.mean, c, part, of->mean);
    FN(put_number)(to.scale, c, part, a);
    FN(put_number)(to.slope, c, part, of->slope);
    FN(put_number)(to.offset, c, part, of->offset);
    return fits_float(a);
}

static bool FN(dx_coefficients)(const struct group_parameters *in, struct FN(numbers_out) to)
{
    int64_t depth = in->depth, channels = in->groups * depth, together = FN(groups_together)(depth);
    mask_f64 fits = splat_f64(0) == splat_f64(0);
    for (int64_t g = 0, count; g < in->groups; g += count) {
        count = together <= in->groups - g ? together : 1;
        int64_t each = count > 1 ? depth : WIDTH_f64, c = g * depth, end = (g + count) * depth;
        struct FN(group) of = {.mean = repeat_f64(in->of.mean + g, each),
                               .rstd = repeat_f64(in->of.rstd + g, each),
                               .slope = repeat_f64(in->slope + g, each),
                               .offset = repeat_f64(in->offset + g, each)};
        fits &= (of.rstd >= splat_f64(0x1p-100)) & fits_float(of.slope) & fits_float(of.offset) &
                (abs_f64(of.slope) <= of.rstd * 0x1p100) &
                (abs_f64(of.offset) <= splat_f64(0x1p100));
        for (; c < end && c + WIDTH_f64 <= channels; c += WIDTH_f64)
            fits &= FN(dx_vector)(in, &of, c, 0, to);
        if (c < end)
            fits &= FN(dx_vector)(in, &of, c, channels - c, to);
    }
    return all_f64(fits);
}

#endif
