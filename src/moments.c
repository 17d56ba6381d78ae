/* SPDX-License-Identifier: MIT */
#include "moments.h"

#include <math.h>

struct gn_statistics gn_finish_moments(const struct gn_moments *moments, double epsilon)
{
    double var = moments->m2 * (1.0 / moments->count); /* the division need not wait for m2 */
    if (!isfinite(var))
        return (struct gn_statistics){NAN, NAN, NAN};
    double mean = (double)(float)(moments->origin + moments->offset);
    double low = (moments->origin - mean) + moments->offset;
    return (struct gn_statistics){mean, low, 1.0 / sqrt(var + epsilon)};
}
