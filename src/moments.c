/* SPDX-License-Identifier: MIT */
#include "moments.h"

#include <math.h>

void gn_finish_moments(const struct gn_moments *moments, double epsilon, double *mean, double *rstd)
{
    double var = moments->m2 / moments->count;
    if (isfinite(var)) {
        *mean = moments->mean;
        *rstd = 1.0 / sqrt(var + epsilon);
    } else {
        *mean = NAN;
        *rstd = NAN;
    }
}
