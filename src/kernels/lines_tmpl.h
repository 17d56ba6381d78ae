/* SPDX-License-Identifier: MIT */
/*
 * The numbers of the last passes, one value a channel. They are computed in double and rounded to
 * REAL; the functions return whether REAL carries them, which for double nobody asks.
 *
 * Float does where every factor is 0 or a normal float, and where nothing overflows unless the
 * result does: with rstd >= 2^-100 and m <= 2^60, |x - mean| <= sqrt(m) / rstd, so that no term
 * that an overflow could cancel against reaches 2^128.
 *
 * The mean is a float, and what is left of it goes into the shift. x holds floats, none of which is
 * nearer to the mean than the mean's rounding, so that this is at most one standard deviation.
 *
 * Parameters: REAL and R, the computing type. See reals.h.
 */

/* Beyond the last channel there are zeros, which always fit. */
INLINE vec_f64 FN(parameter)(const float *p, int64_t c, int64_t channels, double otherwise)
{
    if (!p)
        return splat_f64(otherwise);
    return c + WIDTH_f64 <= channels ? load_f64(p + c) : load_part_f64(p + c, channels - c, 0);
}

/* Exactly n values at the end: what follows may be another thread's. */
INLINE void FN(put_rounded)(REAL *p, vec_f64 v, int64_t n)
{
    if (n >= WIDTH_f64)
        ROUND(p, v);
    else
        for (int64_t i = 0; i < n; i++)
            p[i] = (REAL)v[i];
}

static bool FN(lines)(const struct gn_norm *norm, REAL *mean, REAL *scale, REAL *shift)
{
    vec_f64 high = splat_f64(norm->of.mean), rstd = splat_f64(norm->of.rstd);
    double low = norm->of.low;
    mask_f64 fits = rstd >= splat_f64(0x1p-100);
    for (int64_t c = 0; c < norm->channels; c += WIDTH_f64) {
        vec_f64 a = FN(parameter)(norm->gamma, c, norm->channels, 1) * rstd;
        vec_f64 b = FN(parameter)(norm->beta, c, norm->channels, 0);
        if (low != 0)
            b -= low * a;
        fits &= fits_float(a) & (abs_f64(b) <= splat_f64(0x1p100));
        FN(put_rounded)(mean + c, high, norm->channels - c);
        FN(put_rounded)(scale + c, a, norm->channels - c);
        FN(put_rounded)(shift + c, b, norm->channels - c);
    }
    return all_true(fits);
}

static bool FN(planes)(const struct gn_norm *norm, REAL *mean, REAL *scale, REAL *slope,
                       REAL *offset)
{
    vec_f64 rstd = splat_f64(norm->of.rstd), m = splat_f64(norm->of.mean);
    vec_f64 b = splat_f64(norm->slope), o = splat_f64(norm->offset);
    mask_f64 fits = (rstd >= splat_f64(0x1p-100)) & fits_float(b) & (abs_f64(b) <= rstd * 0x1p100) &
                    (abs_f64(o) <= splat_f64(0x1p100));
    for (int64_t c = 0; c < norm->channels; c += WIDTH_f64) {
        vec_f64 a = FN(parameter)(norm->gamma, c, norm->channels, 1) * rstd;
        fits &= fits_float(a);
        FN(put_rounded)(mean + c, m, norm->channels - c);
        FN(put_rounded)(scale + c, a, norm->channels - c);
        FN(put_rounded)(slope + c, b, norm->channels - c);
        FN(put_rounded)(offset + c, o, norm->channels - c);
    }
    return all_true(fits);
}
