/* SPDX-License-Identifier: MIT */
#include "moments.h"

#include <math.h>

void gn_finish_moments(const struct gn_moments *moments, double epsilon, double *mean, double *rstd)
{
    double var = moments->m2 * (1.0 / moments->count); /* the division need not wait for m2 */
    if (isfinite(var)) {
        *mean = moments->mean;
        *rstd = 1.0 / sqrt(var + epsilon);
    } else {
        *mean = NAN;
        *rstd = NAN;
    }
}
