/* SPDX-License-Identifier: MIT */
/* Random choices of a case, and the values of its arrays. */
#include "kernel_cases.h"

#include "support.h"
#include "typed.h"

#include <math.h>

int64_t pick(struct kernel_case *c, int64_t lowest, int64_t highest)
{
    return random_range(&c->random, lowest, highest);
}

bool one_in(struct kernel_case *c, int64_t many)
{
    return pick(c, 1, many) == 1;
}

gn_type pick_type(struct kernel_case *c)
{
    static const gn_type types[] = {GN_F32, GN_F32, GN_F64, GN_BF16, GN_F16};

    return types[pick(c, 0, 4)];
}

int64_t pick_length(struct kernel_case *c)
{
    switch (pick(c, 0, 9)) {
    case 0:
        return pick(c, 71, 520);
    case 1:
        return pick(c, 127, 129);
    case 2:
        return pick(c, 511, 513);
    case 3:
        return pick(c, 2047, 2049);
    case 4:
        return pick(c, 2050, 5000);
    case 5:
        return one_in(c, 3) ? pick(c, 8191, 8193) : pick(c, 255, 257);
    case 6: /* shorter than most vectors */
        return pick(c, 1, 9);
    default:
        return pick(c, 1, 70);
    }
}

int64_t pick_depth(struct kernel_case *c)
{
    static const int64_t depths[] = {1, 1, 2, 3, 4, 5, 8, 16, 17, 32, 64, 65, 130, 520};

    return depths[pick(c, 0, one_in(c, 4) ? 13 : 11)];
}

/* ---- Values ---- */

/* The exponent of the type's largest number, as frexp returns it. */
static int top_exponent(gn_type type)
{
    int exponent;

    frexpl(type_largest(type), &exponent);
    return exponent;
}

/*
 * Chooses center and spread: ordinary, or such that sums or squares overflow, underflow or cancel.
 */
static void pick_range(struct kernel_case *c, gn_type type, double *center, double *spread)
{
    const int top = top_exponent(type);

    *center = random_normal(&c->random);
    *spread = 1;
    switch (pick(c, 0, 11)) {
    case 0: /* the mean is large, compared with the spread */
        *center = 100 * random_normal(&c->random);
        *spread = type == GN_BF16 ? 1 : 0.01;
        break;
    case 1: /* squares overflow */
        *spread = ldexp(1, top * 4 / 5);
        break;
    case 2: /* values nearly overflow */
        *center = ldexp((double)random_uniform(&c->random), top - 1);
        *spread = ldexp(1, top - 4);
        break;
    case 3: /* squares underflow */
        *center = 0;
        *spread = ldexp(1, -top * 11 / 20);
        break;
    case 4: /* products with small factors underflow too */
        *center = 0;
        *spread = ldexp(1, -top * 4 / 5);
        break;
    case 5: /* values are subnormal, or nearly */
        *center = 0;
        *spread = (double)type_subnormal(type) * (type == GN_BF16 ? 10 : 300);
        break;
    case 6: /* all values are equal */
        *spread = 0;
        break;
    case 7:
        *center = *spread = 0;
        break;
    default:
        break;
    }
}

void pick_ranges(struct kernel_case *c, gn_type type)
{
    const bool tame = one_in(c, 2);

    for (int64_t g = 0; g < MAX_GROUPS; g++) {
        c->center[g] = random_normal(&c->random);
        c->spread[g] = 1;
        if (!tame && one_in(c, 2))
            pick_range(c, type, &c->center[g], &c->spread[g]);
    }
}

double pick_value(struct kernel_case *c, int64_t g, gn_type type)
{
    double value = c->center[g] + c->spread[g] * (double)random_normal(&c->random);
    const double most = (double)type_largest(type);

    if (one_in(c, 20000))
        return one_in(c, 2) ? INFINITY : (double)NAN;
    if (one_in(c, 3000))
        return one_in(c, 2) ? 0 : ldexp(value, (int)pick(c, -30, 30));
    return value > most ? most : value < -most ? -most : value;
}

void fill_values(struct kernel_case *c, struct array *array)
{
    const bool any = one_in(c, 3);

    pick_ranges(c, array->type);
    for (int64_t i = 0; i < array->count; i++) {
        char *element = array->initial + (size_t)i * array->size;
        const uint64_t bits = random_next(&c->random) << 32 | random_next(&c->random);

        if (any)
            for (size_t k = 0; k < array->size; k++)
                element[k] = (char)(bits >> 8 * k);
        else
            set_initial(array, i, pick_value(c, 0, array->type));
    }
}

/* ---- Checks ---- */

void check_near(const struct kernel_case *c, const char *what, int64_t i, long double value,
                long double right, long double bound)
{
    if (is_finite(right) ? fabsl(value - right) <= bound : !is_finite(value))
        return;
    fail_msg("generic, seed %llu: %s %lld is %.17Lg, not %.17Lg, bound %.3Lg",
             (unsigned long long)c->seed, what, (long long)i, value, right, bound);
}
