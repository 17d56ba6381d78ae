/* SPDX-License-Identifier: MIT */
/* Computes the values of last passes in long double, and bounds of the kernels' rounding errors. */
#include "kernel_cases.h"

#include "support.h"
#include "typed.h"

#include <math.h>

/*
 * Uses the float coefficients if the kernel does. Otherwise uses the statistics and parameters from
 * which the kernel computes double coefficients.
 */
struct element element_of(const struct kernel_case *c, int64_t k, int64_t i)
{
    const int64_t g = k / c->tile.depth;
    const int64_t at = element_at(c, &c->tile.x, c->x_offsets, k, i);
    const long double x = (long double)initial_at(c->x, at);
    const long double lo = (long double)initial_at(c->statistics_mean_lo, g);
    const long double beta = (long double)beta_at(c, k);
    struct element e = {.in_f32 = c->group_mean || uses_f32(c, k)};
    long double shift, size;

    e.unit = e.in_f32 ? 0x1p-24L : 0x1p-53L;
    e.d = x - (long double)initial_at(c->statistics_mean, g);
    if (c->group_mean) { /* the case has no other coefficients */
        e.is_plain = is_finite(e.d) && fabsl(e.d) <= 0x1p100L;
        return e;
    }
    if (e.in_f32) {
        e.scale = (long double)initial_at(c->scale, k);
        shift = (long double)initial_at(c->shift, k);
        size = fabsl(shift);
    } else {
        e.scale = (long double)gamma_at(c, k) * (long double)initial_at(c->statistics_rstd, g);
        shift = beta - lo * e.scale;
        size = fabsl(beta) + fabsl(lo * e.scale);
    }
    e.z = e.d * e.scale + shift;
    size += fabsl(e.d * e.scale);
    e.z_error = size * 6 * e.unit + 0x1p-140L;
    e.is_plain = is_finite(e.z) && size <= 0x1p100L && fabsl(e.d) <= 0x1p100L &&
                 (e.scale == 0 || (fabsl(e.scale) >= 0x1p-100L && fabsl(e.scale) <= 0x1p1000L));
    return e;
}

long double activated(gn_activation activation, long double z)
{
    switch (activation) {
    case GN_ACTIVATION_IDENTITY:
        return z;
    case GN_ACTIVATION_RELU:
        return z > 0 ? z : 0;
    case GN_ACTIVATION_SILU:
        return z / (1 + expl(-z));
    }
    return (long double)NAN;
}

/* |silu''| is at most 1/2. If |z| is within its error, the kernel's z may have the other sign. */
long double gradient_of(gn_activation activation, const struct element *e, long double dy,
                        long double *error)
{
    const long double s = 1 / (1 + expl(-e->z));

    switch (activation) {
    case GN_ACTIVATION_IDENTITY:
        *error = 0;
        return dy;
    case GN_ACTIVATION_RELU:
        *error = fabsl(e->z) <= e->z_error ? fabsl(dy) : 0;
        return e->z > 0 ? dy : 0;
    case GN_ACTIVATION_SILU:
        *error = fabsl(dy) * (e->z_error / 2 + 16 * e->unit) + 0x1p-120L;
        return dy * s * (1 + e->z * (1 - s));
    }
    return (long double)NAN;
}
