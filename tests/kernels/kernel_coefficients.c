/* SPDX-License-Identifier: MIT */
/* Statistics, parameters and coefficients that fit the ranges of a case's values. */
#include "kernel_cases.h"

#include "support.h"

#include <float.h>
#include <math.h>

/* Makes an array of one value per channel or group, with the padding of gn_padded. */
static struct array *padded(struct kernel_case *c, const char *name, gn_type type, int64_t n)
{
    return array_of(&c->arrays, name, type, n, gn_padded(n) - n);
}

void make_statistics(struct kernel_case *c, gn_type stored)
{
    c->statistics_mean = padded(c, "mean of groups", GN_F64, c->groups);
    c->statistics_mean_lo = padded(c, "mean_lo of groups", GN_F64, c->groups);
    c->statistics_rstd = padded(c, "rstd of groups", GN_F64, c->groups);
    for (int64_t g = 0; g < c->groups; g++) {
        const double spread = c->spread[g] > 0 ? c->spread[g] : 0.003;
        const double mean = c->center[g] + 0.1 * spread * (double)random_uniform(&c->random);
        const double rounded = stored == GN_F32 ? (double)(float)mean : mean;
        const double rstd = one_in(c, 50) ? (double)NAN : 1 / spread;

        set_initial(c->statistics_mean, g, rounded);
        set_initial(c->statistics_mean_lo, g,
                    stored == GN_F32 ? mean - rounded : rounded * 0x1p-55);
        set_initial(c->statistics_rstd, g, rstd > DBL_MAX ? DBL_MAX : rstd);
    }
}

/* ---- Parameters ---- */

struct array *make_parameter(struct kernel_case *c, const char *name, double center)
{
    const struct gn_parameters *p = &c->parameters;
    struct array *a = array_of(&c->arrays, name, p->type, p->groups * p->depth, 0);
    const bool tame = !one_in(c, 4), infinite = one_in(c, 5);

    for (int64_t i = 0; i < a->count; i++) {
        double value = center + (double)random_normal(&c->random) / 2;

        if (!tame && one_in(c, 5))
            value = one_in(c, 3) ? 0 : ldexp(value, (int)pick(c, -140, 127));
        if (infinite && one_in(c, 2))
            value = INFINITY;
        set_initial(a, i, value);
    }
    return a;
}

void make_parameters(struct kernel_case *c, gn_type type, bool wraps)
{
    struct gn_parameters *p = &c->parameters;

    p->type = type;
    p->depth = c->tile.depth;
    if (c->groups == 1 && one_in(c, 3)) { /* the tile has some channels of a group */
        p->depth += pick(c, 0, 70);
        c->channel = pick(c, 0, p->depth - c->tile.depth);
    }
    p->groups = wraps && one_in(c, 2) ? pick(c, 1, c->groups) : c->groups + pick(c, 0, 3);
    c->group = pick(c, 0, wraps ? p->groups - 1 : p->groups - c->groups);
    if (!one_in(c, 4))
        c->gamma = make_parameter(c, "gamma", 1);
    if (!one_in(c, 4))
        c->beta = make_parameter(c, "beta", 0);
}

static double parameter_at(const struct kernel_case *c, const struct array *a, int64_t k,
                           double otherwise)
{
    const struct gn_parameters *p = &c->parameters;

    if (!a)
        return otherwise;
    const int64_t g = (c->group + k / c->tile.depth) % p->groups;
    return initial_at(a, g * p->depth + c->channel + k % c->tile.depth);
}

double gamma_at(const struct kernel_case *c, int64_t k)
{
    return parameter_at(c, c->gamma, k, 1);
}

double beta_at(const struct kernel_case *c, int64_t k)
{
    return parameter_at(c, c->beta, k, 0);
}

struct gn_parameters parameters_of(const struct kernel_case *c)
{
    struct gn_parameters p = c->parameters;

    p.gamma = data_of(c->gamma);
    p.beta = data_of(c->beta);
    return p;
}

/* ---- Coefficients ---- */

/* Whether float is accurate enough for a factor: it is 0 or a normal float. */
static bool is_factor(double value)
{
    return value == 0 || (fabs(value) >= (double)FLT_MIN && fabs(value) <= (double)FLT_MAX);
}

/* Whether a term is small enough that sums with it do not overflow in float. */
static bool is_moderate(double value)
{
    return fabs(value) <= 0x1p100;
}

/* Sets the float coefficients of channel k of group g. Returns whether they are accurate enough. */
static bool set_coefficients(struct kernel_case *c, int64_t k, int64_t g)
{
    const double rstd = initial_at(c->statistics_rstd, g), scale = gamma_at(c, k) * rstd;
    const double shift = beta_at(c, k) - initial_at(c->statistics_mean_lo, g) * scale;
    bool fit = is_factor(scale) && is_moderate(shift) && rstd >= 0x1p-100 &&
               is_moderate(initial_at(c->statistics_mean, g));

    set_initial(c->mean, k, initial_at(c->statistics_mean, g));
    set_initial(c->scale, k, scale);
    set_initial(c->shift, k, shift);
    if (c->slope) {
        const double slope = initial_at(c->group_slope, g);
        const double offset = initial_at(c->group_offset, g);

        set_initial(c->slope, k, slope);
        set_initial(c->offset, k, offset);
        fit &= is_factor(slope) && is_factor(offset) && fabs(slope) <= rstd * 0x1p100 &&
               is_moderate(offset);
    }
    return fit;
}

void make_coefficients(struct kernel_case *c, bool backward, bool is_f64)
{
    const int64_t channels = c->tile.channels, depth = c->tile.depth;
    const bool some_f64 = one_in(c, 2);

    c->mean = padded(c, "mean", GN_F32, channels);
    c->scale = padded(c, "scale", GN_F32, channels);
    c->shift = padded(c, "shift", GN_F32, channels);
    c->use_f32 = array_of_bytes(&c->arrays, "use_f32", sizeof(bool), c->groups);
    if (backward) {
        c->slope = padded(c, "slope", GN_F32, channels);
        c->offset = padded(c, "offset", GN_F32, channels);
        c->group_slope = padded(c, "slope of groups", GN_F64, c->groups);
        c->group_offset = padded(c, "offset of groups", GN_F64, c->groups);
    }
    for (int64_t g = 0; g < c->groups; g++) {
        const double rstd = initial_at(c->statistics_rstd, g);
        bool fit = true;

        if (backward) {
            set_initial(c->group_slope, g, rstd * rstd * (double)random_normal(&c->random) * 0.3);
            set_initial(c->group_offset, g, rstd * (double)random_normal(&c->random) * 0.1);
        }
        for (int64_t k = g * depth; k < (g + 1) * depth; k++)
            fit &= set_coefficients(c, k, g);
        c->use_f32->initial[g] = fit && !is_f64 && !(some_f64 && one_in(c, 3));
    }
}

bool uses_f32(const struct kernel_case *c, int64_t k)
{
    return c->use_f32->initial[k / c->tile.depth];
}

struct gn_statistics statistics_of(const struct kernel_case *c)
{
    return (struct gn_statistics){data_of(c->statistics_mean), data_of(c->statistics_mean_lo),
                                  data_of(c->statistics_rstd)};
}

struct gn_coefficients coefficients_of(const struct kernel_case *c,
                                       const struct gn_parameters *parameters)
{
    return (struct gn_coefficients){.mean = data_of(c->mean),
                                    .scale = data_of(c->scale),
                                    .shift = data_of(c->shift),
                                    .slope = data_of(c->slope),
                                    .offset = data_of(c->offset),
                                    .use_f32 = data_of(c->use_f32),
                                    .statistics = statistics_of(c),
                                    .group_slope = data_of(c->group_slope),
                                    .group_offset = data_of(c->group_offset),
                                    .parameters = parameters,
                                    .group = c->group,
                                    .channel = c->channel,
                                    .group_mean = data_of(c->group_mean)};
}
