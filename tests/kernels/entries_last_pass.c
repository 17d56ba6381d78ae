/* SPDX-License-Identifier: MIT */
/* normalize, gradient_apply. */
#include "kernel_cases.h"

#include "support.h"
#include "typed.h"

#include <math.h>

/* Makes an input the output. Clears nontemporal, which needs an output that aliases no input. */
static void write_into(struct kernel_case *c, struct array *a, const struct gn_operand *operand,
                       struct array *offsets)
{
    c->out = a;
    c->tile.out = *operand;
    c->out_offsets = offsets;
    c->tile.nontemporal = false;
    set_fates(c, a, operand, offsets, WRITTEN);
}

static void make_out(struct kernel_case *c, gn_type type)
{
    c->out = make_tensor(c, "out", &c->tile.out, type, &c->out_offsets, true);
}

/* Chooses the types, and the tile's shape, pieces, activation and nontemporal. */
static void open_tile(struct kernel_case *c, gn_type *x, gn_type *y)
{
    pick_types(c, x, y);
    make_tile(c);
    pick_pieces(c);
    c->tile.activation = (gn_activation)pick(c, 0, ACTIVATIONS - 1);
    c->tile.nontemporal = one_in(c, 2);
}

static void make_x(struct kernel_case *c, gn_type type, bool backward)
{
    const bool is_f64 = type == GN_F64;

    pick_ranges(c, type);
    c->x = make_tensor(c, "x", &c->tile.x, type, &c->x_offsets, false);
    make_statistics(c, is_f64 ? GN_F64 : GN_F32);
    make_parameters(c, one_in(c, 2) || is_f64 ? type : GN_F32, !backward);
    make_coefficients(c, backward, is_f64);
}

/* Checks an element of the output. `bound` does not include the rounding to the output's type. */
static void check_out(const struct kernel_case *c, int64_t k, int64_t i, long double right,
                      long double bound)
{
    const int64_t at = element_at(c, &c->tile.out, c->out_offsets, k, i);
    const gn_type type = c->out->type;

    bound += fabsl(right) * ldexpl(1.01L, -type_digits(type)) + type_subnormal(type);
    if (fabsl(right) + bound < type_largest(type))
        check_near(c, "out", at, (long double)result_at(c->out, at), right, bound);
}

/* ---- normalize ---- */

static void make_normalize(struct kernel_case *c)
{
    gn_type x, y;

    open_tile(c, &x, &y);
    make_x(c, x, false);
    if (x == y && one_in(c, 4))
        write_into(c, c->x, &c->tile.x, c->x_offsets);
    else
        make_out(c, y);
}

static void call_normalize(const struct kernel_case *c, const struct gn_kernels *kernels)
{
    const struct gn_tile tile = tile_of(c);
    const struct gn_parameters parameters = parameters_of(c);
    const struct gn_coefficients with = coefficients_of(c, &parameters);

    kernels->normalize(&tile, &with);
}

static void check_normalize(const struct kernel_case *c)
{
    for (int64_t k = 0; k < c->tile.channels; k++)
        for (int64_t i = 0; i < c->tile.length; i++) {
            const struct element e = element_of(c, k, i);
            const long double y = activated(c->tile.activation, e.z);

            if (e.is_plain)
                check_out(c, k, i, y, e.z_error * 1.2L + fabsl(y) * 8 * e.unit + 0x1p-121L);
        }
}

const struct entry entry_normalize = {"normalize", make_normalize, call_normalize, check_normalize};

/* ---- gradient_apply ---- */

static bool all_in_f32(const struct kernel_case *c)
{
    for (int64_t g = 0; g < c->groups; g++)
        if (!c->use_f32->initial[g])
            return false;
    return true;
}

static void make_dx(struct kernel_case *c, gn_type x, gn_type y)
{
    if (c->saved_g && x == GN_F32 && one_in(c, 2))
        write_into(c, c->saved_g, &c->tile.saved_g, NULL);
    else if (one_in(c, 5))
        write_into(c, c->x, &c->tile.x, c->x_offsets);
    else if (c->dy && x == y && one_in(c, 5))
        write_into(c, c->dy, &c->tile.dy, c->dy_offsets);
    else
        make_out(c, x);
}

static void make_gradient_apply(struct kernel_case *c)
{
    gn_type x, y;

    open_tile(c, &x, &y);
    pick_ranges(c, y);
    c->dy = make_tensor(c, "dy", &c->tile.dy, y, &c->dy_offsets, false);
    make_x(c, x, true);
    if (x != GN_F64 && c->tile.activation != GN_ACTIVATION_IDENTITY && one_in(c, 2))
        make_saved_g(c, false);
    /* If all groups use f32, the kernel reads saved_g and not dy, which may then be NULL. */
    if (c->saved_g && all_in_f32(c) && one_in(c, 2))
        c->dy = c->dy_offsets = NULL;
    make_dx(c, x, y);
}

static void call_gradient_apply(const struct kernel_case *c, const struct gn_kernels *kernels)
{
    const struct gn_tile tile = tile_of(c);
    const struct gn_parameters parameters = parameters_of(c);
    const struct gn_coefficients with = coefficients_of(c, &parameters);

    kernels->gradient_apply(&tile, &with);
}

/*
 * g of an element: the saved one if the kernel reads it, else the one computed from dy. *error is
 * the bound of its rounding errors.
 */
static long double gradient_at(const struct kernel_case *c, const struct element *e, int64_t k,
                               int64_t i, long double *error)
{
    *error = 0;
    if (c->saved_g && e->in_f32)
        return (long double)initial_at(c->saved_g, element_at(c, &c->tile.saved_g, NULL, k, i));
    const int64_t at = element_at(c, &c->tile.dy, c->dy_offsets, k, i);
    return gradient_of(c->tile.activation, e, (long double)initial_at(c->dy, at), error);
}

static void check_dx(const struct kernel_case *c, int64_t k, int64_t i)
{
    const int64_t group = k / c->tile.depth;
    const struct element e = element_of(c, k, i);
    const struct array *slopes = e.in_f32 ? c->slope : c->group_slope;
    const struct array *offsets = e.in_f32 ? c->offset : c->group_offset;
    const int64_t at = e.in_f32 ? k : group;
    const long double slope = (long double)initial_at(slopes, at) * e.d;
    const long double offset = (long double)initial_at(offsets, at);
    long double error;
    const long double g = gradient_at(c, &e, k, i, &error) * e.scale;
    const long double size = fabsl(g) + fabsl(slope) + fabsl(offset);

    if (e.is_plain && is_finite(g) && size < 0x1p100L)
        check_out(c, k, i, g + slope + offset,
                  size * 6 * e.unit + error * fabsl(e.scale) + 0x1p-120L);
}

static void check_gradient_apply(const struct kernel_case *c)
{
    for (int64_t k = 0; k < c->tile.channels; k++)
        for (int64_t i = 0; i < c->tile.length; i++)
            check_dx(c, k, i);
}

const struct entry entry_gradient_apply = {"gradient_apply", make_gradient_apply,
                                           call_gradient_apply, check_gradient_apply};
