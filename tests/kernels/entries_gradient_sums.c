/* SPDX-License-Identifier: MIT */
/* gradient_sums. */
#include "kernel_cases.h"

#include "support.h"
#include "typed.h"

#include <math.h>

static struct array *sums(struct kernel_case *c, const char *name)
{
    struct array *a = array_of(&c->arrays, name, GN_F64, c->tile.channels, 0);

    array_is_output(a);
    return a;
}

/* For floats without an activation, the kernel reads only the stored means. */
static void make_group_means(struct kernel_case *c)
{
    c->group_mean = array_of(&c->arrays, "group_mean", GN_F32, c->groups, 0);
    for (int64_t g = 0; g < c->groups; g++)
        set_initial(c->group_mean, g, initial_at(c->statistics_mean, g));
}

static void make_others(struct kernel_case *c, gn_type type)
{
    const bool is_f64 = type == GN_F64;

    make_parameters(c, one_in(c, 2) || is_f64 ? type : GN_F32, false);
    make_coefficients(c, false, is_f64);
    if (!is_f64 && one_in(c, 2))
        make_saved_g(c, true);
    c->needs_f64 = sums(c, "needs_f64");
    for (int64_t k = 0; k < c->tile.channels; k++)
        c->needs_f64->fate[k] = uses_f32(c, k) ? WRITTEN : ANY;
}

static void make_gradient_sums(struct kernel_case *c)
{
    gn_type x, y;

    pick_types(c, &x, &y);
    make_tile(c);
    c->tile.activation = (gn_activation)pick(c, 0, ACTIVATIONS - 1);
    pick_ranges(c, y);
    c->dy = make_tensor(c, "dy", &c->tile.dy, y, &c->dy_offsets, false);
    pick_ranges(c, x);
    c->x = make_tensor(c, "x", &c->tile.x, x, &c->x_offsets, false);
    make_statistics(c, x == GN_F64 ? GN_F64 : GN_F32);
    if (c->tile.activation == GN_ACTIVATION_IDENTITY && x != GN_F64)
        make_group_means(c);
    else
        make_others(c, x);
    c->sum_dy = sums(c, "sums of dy");
    c->sum_dyx = sums(c, "sums of dy * x");
    make_scratch(c, c->tile.activation != GN_ACTIVATION_IDENTITY);
}

static void call_gradient_sums(const struct kernel_case *c, const struct gn_kernels *kernels)
{
    const struct gn_tile tile = tile_of(c);
    const struct gn_parameters parameters = parameters_of(c);
    const struct gn_coefficients with = coefficients_of(c, &parameters);
    const struct gn_sums to = {data_of(c->sum_dy), data_of(c->sum_dyx), data_of(c->needs_f64)};

    kernels->gradient_sums(&tile, &with, to, data_of(c->scratch));
}

static void check_channel(const struct kernel_case *c, int64_t k)
{
    long double a = 0, b = 0, a_size = 0, b_size = 0, a_error = 0, b_error = 0, unit = 0;

    for (int64_t i = 0; i < c->tile.length; i++) {
        const struct element e = element_of(c, k, i);
        const int64_t at = element_at(c, &c->tile.dy, c->dy_offsets, k, i);
        const long double dy = (long double)initial_at(c->dy, at);
        long double error;
        const long double g = gradient_of(c->tile.activation, &e, dy, &error);

        if (!e.is_plain || !is_finite(g))
            return;
        unit = e.unit;
        a += g;
        b += g * e.d;
        a_size += fabsl(g);
        b_size += fabsl(g * e.d);
        a_error += error;
        b_error += error * fabsl(e.d);
    }
    /* Skip sums near overflow or underflow. The accuracy tests check those that matter. */
    if (a_size >= 0x1p100L || b_size >= 0x1p100L || a_size <= 0x1p-90L || b_size <= 0x1p-90L)
        return;
    check_near(c, "sum of g", k, (long double)result_at(c->sum_dy, k), a,
               a_size * 64 * unit + a_error);
    check_near(c, "sum of g * x", k, (long double)result_at(c->sum_dyx, k), b,
               b_size * 64 * unit + b_error);
}

static void check_gradient_sums(const struct kernel_case *c)
{
    for (int64_t k = 0; k < c->tile.channels; k++)
        check_channel(c, k);
}

const struct entry entry_gradient_sums = {"gradient_sums", make_gradient_sums, call_gradient_sums,
                                          check_gradient_sums};
