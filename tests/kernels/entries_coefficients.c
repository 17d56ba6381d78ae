/* SPDX-License-Identifier: MIT */
/* forward_coefficients, gradient_coefficients. */
#include "kernel_cases.h"

#include "support.h"

#include <math.h>

/* The array has no padding, because the channels after it may belong to another thread. */
static struct array *floats_of(struct kernel_case *c, const char *name)
{
    struct array *a = array_of(&c->arrays, name, GN_F32, c->tile.channels, 0);

    array_is_output(a);
    return a;
}

/* Makes the statistics and parameters of whole groups, without tensors. */
static void make_groups(struct kernel_case *c, gn_type type, bool wraps)
{
    const gn_type stored = type == GN_F64 ? GN_F64 : GN_F32;

    c->tile.depth = pick_depth(c);
    c->groups = pick(c, 1, c->tile.depth > 65 ? 4 : 40);
    c->tile.channels = c->groups * c->tile.depth;
    pick_ranges(c, one_in(c, 2) ? stored : type);
    make_statistics(c, stored);
    make_parameters(c, type, wraps);
    /* The entries take whole groups only. */
    c->parameters.depth = c->tile.depth;
    c->channel = 0;
}

/* ---- forward_coefficients ---- */

static gn_type pick_float(struct kernel_case *c)
{
    static const gn_type types[] = {GN_F32, GN_F32, GN_BF16, GN_F16};

    return types[pick(c, 0, 3)];
}

static void make_forward(struct kernel_case *c)
{
    make_groups(c, pick_float(c), true);
    c->mean = floats_of(c, "mean");
    c->scale = floats_of(c, "scale");
    c->shift = floats_of(c, "shift");
    c->use_f32 = array_of_bytes(&c->arrays, "use_f32", sizeof(bool), c->groups);
    array_is_output(c->use_f32);
}

static void call_forward_coefficients(const struct kernel_case *c, const struct gn_kernels *kernels)
{
    const struct gn_parameters parameters = parameters_of(c);
    const struct gn_coefficients with = coefficients_of(c, &parameters);

    kernels->forward_coefficients(c->groups, &with);
}

static void check_forward(const struct kernel_case *c)
{
    for (int64_t k = 0; k < c->tile.channels; k++) {
        const int64_t g = k / c->tile.depth;
        const long double rstd = (long double)initial_at(c->statistics_rstd, g);
        const long double scale = (long double)gamma_at(c, k) * rstd;
        const long double beta = (long double)beta_at(c, k);
        const long double moved = (long double)initial_at(c->statistics_mean_lo, g) * scale;

        if (!c->use_f32->result[g])
            continue;
        check_near(c, "mean", k, (long double)result_at(c->mean, k),
                   (long double)initial_at(c->statistics_mean, g), 0);
        check_near(c, "scale", k, (long double)result_at(c->scale, k), scale,
                   fabsl(scale) * 0x1.01p-24L);
        check_near(c, "shift", k, (long double)result_at(c->shift, k), beta - moved,
                   fabsl(beta - moved) * 0x1.01p-24L + (fabsl(beta) + fabsl(moved)) * 0x1p-51L +
                       0x1p-149L);
    }
}

const struct entry entry_forward_coefficients = {"forward_coefficients", make_forward,
                                                 call_forward_coefficients, check_forward};

/* ---- gradient_coefficients ---- */

static struct array *sums(struct kernel_case *c, const char *name, double unit)
{
    struct array *a = array_of(&c->arrays, name, GN_F64, c->tile.channels, 0);
    const bool tame = one_in(c, 2);

    for (int64_t k = 0; k < a->count; k++) {
        const double value = unit * (double)random_normal(&c->random);

        set_initial(a, k, tame || !one_in(c, 20) ? value : ldexp(value, (int)pick(c, -300, 300)));
    }
    return a;
}

static void make_last_pass(struct kernel_case *c)
{
    c->mean = floats_of(c, "mean");
    c->scale = floats_of(c, "scale");
    c->shift = floats_of(c, "shift");
    c->slope = floats_of(c, "slope");
    c->offset = floats_of(c, "offset");
    /* forward_coefficients has set shift. gradient_coefficients does not write it. */
    array_set_fate(c->shift, UNCHANGED);
    c->use_f32 = array_of_bytes(&c->arrays, "use_f32", sizeof(bool), c->groups);
    array_set_fate(c->use_f32, WRITTEN);
    for (int64_t g = 0; g < c->groups; g++)
        c->use_f32->initial[g] = !one_in(c, 4);
    if (one_in(c, 2)) {
        c->needs_f64 = array_of(&c->arrays, "needs_f64", GN_F64, c->tile.channels, 0);
        for (int64_t k = 0; k < c->tile.channels; k++)
            set_initial(c->needs_f64, k, one_in(c, 30));
    }
}

static struct array *slopes(struct kernel_case *c, const char *name)
{
    struct array *a =
        array_of(&c->arrays, name, GN_F64, c->groups, gn_padded(c->groups) - c->groups);

    array_is_output(a);
    return a;
}

/* The groups are consecutive groups of one sample, so their parameters do not wrap around. */
static void make_gradient(struct kernel_case *c)
{
    const gn_type type = pick_type(c);

    make_groups(c, type, false);
    c->count = (double)(c->tile.depth * pick_length(c));
    c->sum_dy = sums(c, "sums of dy", 3);
    c->sum_dyx = sums(c, "sums of dy * x", 5);
    c->group_slope = slopes(c, "slope of groups");
    c->group_offset = slopes(c, "offset of groups");
    if (type != GN_F64 && !one_in(c, 3))
        make_last_pass(c);
    if (!one_in(c, 3)) {
        c->dgamma = sums(c, "dgamma", 1);
        c->dbeta = sums(c, "dbeta", 1);
        array_set_fate(c->dgamma, WRITTEN);
        array_set_fate(c->dbeta, WRITTEN);
    }
}

static void call_gradient_coefficients(const struct kernel_case *c,
                                       const struct gn_kernels *kernels)
{
    const struct gn_parameters parameters = parameters_of(c);
    const struct gn_coefficients with = coefficients_of(c, &parameters);
    const struct gn_sums channel_sums = {data_of(c->sum_dy), data_of(c->sum_dyx),
                                         data_of(c->needs_f64)};

    kernels->gradient_coefficients(c->groups, c->count, channel_sums, &with, data_of(c->dgamma),
                                   data_of(c->dbeta));
}

/* The slope is -rstd^3 * R/m, with R = sum over channels of gamma * (B - mean_lo * A). */
static void check_gradient(const struct kernel_case *c)
{
    for (int64_t g = 0; g < c->groups; g++) {
        const long double lo = (long double)initial_at(c->statistics_mean_lo, g);
        const long double rstd = (long double)initial_at(c->statistics_rstd, g);
        const long double factor = -rstd * rstd * rstd / (long double)c->count;
        long double r = 0, size = 0;

        for (int64_t k = g * c->tile.depth; k < (g + 1) * c->tile.depth; k++) {
            const long double a = lo * (long double)initial_at(c->sum_dy, k);
            const long double b = (long double)initial_at(c->sum_dyx, k);
            const long double gamma = (long double)gamma_at(c, k);

            r += gamma * (b - a);
            size += fabsl(gamma) * (fabsl(a) + fabsl(b));
        }
        size *= fabsl(factor);
        /* Check only groups whose products neither overflow nor underflow in double. */
        if (size >= 0x1p-900L && size <= 0x1p900L && rstd >= 0x1p-300L && rstd <= 0x1p300L)
            check_near(c, "slope", g, (long double)result_at(c->group_slope, g), factor * r,
                       size * 0x1p-44L);
    }
}

const struct entry entry_gradient_coefficients = {"gradient_coefficients", make_gradient,
                                                  call_gradient_coefficients, check_gradient};
