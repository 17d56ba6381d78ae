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

/* Of these channels alone: the next may be another thread's. */
INLINE void FN(put_number)(REAL *p, int64_t c, int64_t channels, vec_f64 v)
{
    if (c + WIDTH_f64 <= channels)
        ROUND(p + c, v);
    else
        ROUND_PART(p + c, v, channels - c);
}

static bool FN(lines)(const struct gn_groups *in, REAL *mean, REAL *scale, REAL *shift)
{
    int64_t channels = in->groups * in->depth;
    mask_f64 fits = splat_f64(0) == splat_f64(0);
    double means[SPREAD_ROOM], lows[SPREAD_ROOM], rstds[SPREAD_ROOM];
    for (int64_t first = 0; first < channels; first += SPREAD) {
        int64_t end = channels - first < SPREAD ? channels : first + SPREAD;
        spread(in->of.mean, in->depth, first, end, means);
        spread(in->of.low, in->depth, first, end, lows);
        spread(in->of.rstd, in->depth, first, end, rstds);
        for (int64_t c = first; c < end; c += WIDTH_f64) {
            vec_f64 rstd = get_f64(rstds + c - first);
            vec_f64 a = FN(parameter)(in->gamma, c, channels, 1) * rstd;
            vec_f64 b = FN(parameter)(in->beta, c, channels, 0) - get_f64(lows + c - first) * a;
            fits &=
                (rstd >= splat_f64(0x1p-100)) & fits_float(a) & (abs_f64(b) <= splat_f64(0x1p100));
            FN(put_number)(mean, c, channels, get_f64(means + c - first));
            FN(put_number)(scale, c, channels, a);
            FN(put_number)(shift, c, channels, b);
        }
    }
    return all_f64(fits);
}

static bool FN(planes)(const struct gn_groups *in, REAL *mean, REAL *scale, REAL *slope,
                       REAL *offset)
{
    int64_t channels = in->groups * in->depth;
    mask_f64 fits = splat_f64(0) == splat_f64(0);
    double means[SPREAD_ROOM], rstds[SPREAD_ROOM], slopes[SPREAD_ROOM], offsets[SPREAD_ROOM];
    for (int64_t first = 0; first < channels; first += SPREAD) {
        int64_t end = channels - first < SPREAD ? channels : first + SPREAD;
        spread(in->of.mean, in->depth, first, end, means);
        spread(in->of.rstd, in->depth, first, end, rstds);
        spread(in->slope, in->depth, first, end, slopes);
        spread(in->offset, in->depth, first, end, offsets);
        for (int64_t c = first; c < end; c += WIDTH_f64) {
            vec_f64 rstd = get_f64(rstds + c - first);
            vec_f64 a = FN(parameter)(in->gamma, c, channels, 1) * rstd;
            vec_f64 b = get_f64(slopes + c - first), o = get_f64(offsets + c - first);
            fits &= (rstd >= splat_f64(0x1p-100)) & fits_float(a) & fits_float(b) & fits_float(o) &
                    (abs_f64(b) <= rstd * 0x1p100) & (abs_f64(o) <= splat_f64(0x1p100));
            FN(put_number)(mean, c, channels, get_f64(means + c - first));
            FN(put_number)(scale, c, channels, a);
            FN(put_number)(slope, c, channels, b);
            FN(put_number)(offset, c, channels, o);
        }
    }
    return all_f64(fits);
}
