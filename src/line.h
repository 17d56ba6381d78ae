/* SPDX-License-Identifier: MIT */
/*
 * A channel's numbers for the last pass, forward (a line in x) and backward (a plane in dy and x),
 * and whether float carries them.
 *
 * Float does where every factor is 0 or a normal float, and where no intermediate value overflows
 * unless the result does. With rstd >= 2^-100 and m < 2^61, |x - mean| <= sqrt(m) / rstd < 2^131
 * bounds the terms that an overflow elsewhere could cancel against.
 */
#ifndef GN_LINE_H
#define GN_LINE_H

#include <float.h>
#include <math.h>

#include "kernels/kernels.h"

static inline bool gn_fits_float(double factor)
{
    return factor == 0 || (fabs(factor) >= FLT_MIN && fabs(factor) <= FLT_MAX);
}

/*
 * y = gamma * (x - mean) * rstd + beta. In float, the mean's low bits go into the shift: x holds
 * floats, none of which is nearer to the mean than its rounding, so that these bits are at most one
 * standard deviation.
 */
static inline struct gn_line gn_make_line(double mean, double rstd, double gamma, double beta)
{
    double scale = gamma * rstd;
    float high = (float)mean;
    double shift = beta - (mean - (double)high) * scale;
    bool fits = rstd >= 0x1p-100 && gn_fits_float(scale) && fabs(shift) <= 0x1p100;
    return (struct gn_line){mean, scale, beta, high, (float)scale, (float)shift, fits};
}

/*
 * dx = gamma * rstd * dy + slope * (x - mean) + offset, where mean, slope and offset are the
 * group's. mean is a float already.
 */
static inline struct gn_plane gn_make_plane(double mean, double rstd, double gamma, double slope,
                                            double offset)
{
    double scale = gamma * rstd;
    bool fits = rstd >= 0x1p-100 && gn_fits_float(scale) && gn_fits_float(slope) &&
                fabs(slope) <= 0x1p100 * rstd && fabs(offset) <= 0x1p100;
    return (struct gn_plane){mean, scale, slope, offset, fits};
}

#endif
