/* SPDX-License-Identifier: MIT */
/*
 * The numbers of the last passes, one value a channel. They are computed in double and rounded to
 * REAL; the functions return whether REAL carries them, which for double nobody asks.
 *
 * Float does where every factor is 0 or a normal float, and where nothing overflows unless the
 * result does: with rstd >= 2^-100 and m <= 2^60, |x - mean| <= sqrt(m) / rstd, so that no term
 * that an overflow could cancel against reaches 2^128. For statistics that are given the driver
 * sees to it that x - mean does not overflow; then the product does only where y does, as the
 * shift is below 2^100.
 *
 * The mean is a float, and what is left of it goes into the shift. x holds floats, none of which is
 * nearer to the mean than the mean's rounding, so that this is at most one standard deviation.
 *
 * Parameters: REAL and R, the computing type. See reals.h.
 */

/* Beyond the last channel there are zeros, which always fit. */
INLINE vec_f64 FN(parameter)(const void *p, gn_type t, int64_t c, int64_t channels,
                             double otherwise)
{
    if (!p)
        return splat_f64(otherwise);
    return c + WIDTH_f64 <= channels ? read_f64(p, t, c) : read_part_f64(p, t, c, channels - c, 0);
}

/* Of these channels alone: the next may be another thread's. */
INLINE void FN(put_number)(REAL *p, int64_t c, int64_t channels, vec_f64 v)
{
    if (c + WIDTH_f64 <= channels)
        ROUND(p + c, v);
    else
        ROUND_PART(p + c, v, channels - c);
}

/*
 * How many groups make up a vector of channels together. Where none do, a vector begins with a
 * group, and its lanes beyond that get what is wrong for them, and then what is right: the next
 * group comes after. That they may seem not to fit costs but time: the caller then asks for each
 * group alone, with nothing beyond it.
 */
INLINE int64_t FN(together)(int64_t depth)
{
    return depth <= WIDTH_f64 && WIDTH_f64 % depth == 0 ? WIDTH_f64 / depth : 1;
}

static bool FN(lines)(const struct gn_groups *in, REAL *mean, REAL *scale, REAL *shift)
{
    int64_t depth = in->depth, channels = in->groups * depth, together = FN(together)(depth);
    mask_f64 fits = splat_f64(0) == splat_f64(0);
    for (int64_t g = 0, count; g < in->groups; g += count) {
        count = together <= in->groups - g ? together : 1;
        int64_t each = count > 1 ? depth : WIDTH_f64, end = (g + count) * depth;
        vec_f64 means = repeat_f64(in->of.mean + g, each);
        vec_f64 low = repeat_f64(in->of.low + g, each);
        vec_f64 rstd = repeat_f64(in->of.rstd + g, each);
        fits &= rstd >= splat_f64(0x1p-100);
        for (int64_t c = g * depth; c < end; c += WIDTH_f64) {
            vec_f64 a = FN(parameter)(in->gamma, in->param, c, channels, 1) * rstd;
            vec_f64 b = FN(parameter)(in->beta, in->param, c, channels, 0) - low * a;
            fits &= fits_float(a) & (abs_f64(b) <= splat_f64(0x1p100));
            FN(put_number)(mean, c, channels, means);
            FN(put_number)(scale, c, channels, a);
            FN(put_number)(shift, c, channels, b);
        }
    }
    return all_f64(fits);
}

static bool FN(planes)(const struct gn_groups *in, REAL *mean, REAL *scale, REAL *slope,
                       REAL *offset)
{
    int64_t depth = in->depth, channels = in->groups * depth, together = FN(together)(depth);
    mask_f64 fits = splat_f64(0) == splat_f64(0);
    for (int64_t g = 0, count; g < in->groups; g += count) {
        count = together <= in->groups - g ? together : 1;
        int64_t each = count > 1 ? depth : WIDTH_f64, end = (g + count) * depth;
        vec_f64 means = repeat_f64(in->of.mean + g, each);
        vec_f64 rstd = repeat_f64(in->of.rstd + g, each);
        vec_f64 b = repeat_f64(in->slope + g, each);
        vec_f64 o = repeat_f64(in->offset + g, each);
        fits &= (rstd >= splat_f64(0x1p-100)) & fits_float(b) & fits_float(o) &
                (abs_f64(b) <= rstd * 0x1p100) & (abs_f64(o) <= splat_f64(0x1p100));
        for (int64_t c = g * depth; c < end; c += WIDTH_f64) {
            vec_f64 a = FN(parameter)(in->gamma, in->param, c, channels, 1) * rstd;
            fits &= fits_float(a);
            FN(put_number)(mean, c, channels, means);
            FN(put_number)(scale, c, channels, a);
            FN(put_number)(slope, c, channels, b);
            FN(put_number)(offset, c, channels, o);
        }
    }
    return all_f64(fits);
}
