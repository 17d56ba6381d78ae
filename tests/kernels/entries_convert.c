/* SPDX-License-Identifier: MIT */
/*
 * convert, convert_back, add. The results are compared bit for bit with conversions by frexp and
 * ldexp.
 */
#include "kernel_cases.h"

#include "support.h"
#include "typed.h"

#include <math.h>

static gn_type pick_short(struct kernel_case *c)
{
    return one_in(c, 2) ? GN_BF16 : GN_F16;
}

static long double value_at(const struct array *a, int64_t i)
{
    return type_value(a->type, bits_at(a, a->initial, i));
}

/* Fails unless result i has the bits of value + rest, rounded to its type. */
static void check_bits(const struct kernel_case *c, int64_t i, long double value, long double rest)
{
    const uint64_t bits = bits_at(c->out, c->out->result, i);
    const uint64_t right = type_bits(c->out->type, value, rest);

    if (bits == right || (isnan(value) && isnan(type_value(c->out->type, bits))))
        return;
    fail_msg("generic, seed %llu: result %lld of %s is 0x%llx, not 0x%llx",
             (unsigned long long)c->seed, (long long)i, type_name(c->out->type),
             (unsigned long long)bits, (unsigned long long)right);
}

/* ---- convert ---- */

static void make_convert(struct kernel_case *c)
{
    c->n = pick_length(c);
    c->type = pick_short(c);
    c->x = array_of(&c->arrays, "p", c->type, c->n, 0);
    c->out = array_of(&c->arrays, "out", GN_F32, c->n, 0);
    fill_values(c, c->x);
    array_is_output(c->out);
}

static void call_convert(const struct kernel_case *c, const struct gn_kernels *kernels)
{
    kernels->convert(data_of(c->x), c->type, c->n, data_of(c->out));
}

static void check_convert(const struct kernel_case *c)
{
    for (int64_t i = 0; i < c->n; i++)
        check_bits(c, i, value_at(c->x, i), 0);
}

const struct entry entry_convert = {"convert", make_convert, call_convert, check_convert};

/* ---- convert_back ---- */

/* A number of the type, the midpoint of two neighbours, or a float next to a midpoint. */
static float near_halfway(struct kernel_case *c)
{
    const uint64_t bits = random_next(&c->random) & 0xffff;
    const float value = (float)type_value(c->type, bits);
    const float next = (float)type_value(c->type, bits ^ 1);
    const float halfway = value / 2 + next / 2;

    switch (pick(c, 0, 3)) {
    case 0:
        return value;
    case 1:
        return halfway;
    default:
        return nextafterf(halfway, one_in(c, 2) ? -INFINITY : INFINITY);
    }
}

static void make_convert_back(struct kernel_case *c)
{
    c->n = pick_length(c);
    c->type = pick_short(c);
    c->x = array_of(&c->arrays, "in", GN_F32, c->n, 0);
    c->out = array_of(&c->arrays, "p", c->type, c->n, 0);
    fill_values(c, c->x);
    for (int64_t i = 0; one_in(c, 2) && i < c->n; i++)
        set_initial(c->x, i, (double)near_halfway(c));
    /*
     * convert_back gets only NaNs that come from arithmetic, which sets their quiet bit. The
     * conversion to double and back sets it too.
     */
    for (int64_t i = 0; i < c->n; i++)
        set_initial(c->x, i, initial_at(c->x, i));
    array_is_output(c->out);
}

static void call_convert_back(const struct kernel_case *c, const struct gn_kernels *kernels)
{
    kernels->convert_back(data_of(c->x), c->type, c->n, data_of(c->out));
}

const struct entry entry_convert_back = {"convert_back", make_convert_back, call_convert_back,
                                         check_convert};

/* ---- add ---- */

static void make_add(struct kernel_case *c)
{
    c->n = pick_length(c);
    c->type = pick_type(c);
    c->one = one_in(c, 3);
    c->x = array_of(&c->arrays, "x", c->type, c->n, 0);
    c->dy = array_of(&c->arrays, "skip", c->type, c->one ? 1 : c->n, 0);
    fill_values(c, c->x);
    fill_values(c, c->dy);
    if (one_in(c, 4)) {
        c->out = c->one || one_in(c, 2) ? c->x : c->dy;
        array_set_fate(c->out, WRITTEN);
    } else {
        c->out = array_of(&c->arrays, "out", c->type, c->n, 0);
        array_is_output(c->out);
    }
}

static void call_add(const struct kernel_case *c, const struct gn_kernels *kernels)
{
    kernels->add(data_of(c->x), data_of(c->dy), c->one, c->type, c->n, data_of(c->out));
}

static void check_add(const struct kernel_case *c)
{
    for (int64_t i = 0; i < c->n; i++) {
        const long double a = value_at(c->x, i), b = value_at(c->dy, c->one ? 0 : i);
        /* Knuth's TwoSum: sum + rest is exact. */
        const volatile long double sum = a + b, b_part = sum - a, a_part = sum - b_part;
        const long double rest = (a - a_part) + (b - b_part);

        check_bits(c, i, sum, is_finite(sum) ? rest : 0);
    }
}

const struct entry entry_add = {"add", make_add, call_add, check_add};
