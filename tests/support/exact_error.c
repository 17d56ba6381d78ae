/* SPDX-License-Identifier: MIT */
/* The functions that the exact answer is made of, and how far from it a result is. */
#include "exact.h"

#include <math.h>

long double exact_activation(gn_activation activation, long double z)
{
    switch (activation) {
    case GN_ACTIVATION_RELU:
        return z <= 0 ? 0 : z; /* NaN stays NaN */
    case GN_ACTIVATION_SILU:
        return z == -INFINITY ? 0 : z / (1 + expl(-z));
    default:
        return z;
    }
}

long double exact_slope(gn_activation activation, long double z)
{
    switch (activation) {
    case GN_ACTIVATION_RELU:
        return z <= 0 ? 0 : z > 0 ? 1 : z;
    case GN_ACTIVATION_SILU: {
        /* The logistic function and what it lacks of 1, each without cancellation. */
        const long double small = expl(-fabsl(z)), near = 1 / (1 + small),
                          far = small / (1 + small);
        return z > 0 ? near * (1 + z * far) : far * (1 + z * near);
    }
    default:
        return 1;
    }
}

void exact_add(gn_type type, int64_t rows, int64_t s, const long double *x, const long double *skip,
               gn_skip kind, long double *sum)
{
    for (int64_t i = 0; i < rows * s; i++) {
        const long double a = x[i], b = skip[kind == GN_SKIP_CHANNEL ? i / s : i];
        /* Both terms of the sum's rounding error (Knuth), so that no tie is rounded twice. */
        const long double high = a + b, part = high - a;
        const long double low = a - (high - part) + (b - part);

        sum[i] = type_rounded(type, high, is_finite(high) ? low : 0);
    }
}

/* The error in units of the bound, or 0 where it is no more than worst. */
static long double error_beyond(const struct exact *exact, enum exact_output output,
                                enum exact_bound bound, int64_t i, long double result,
                                long double worst)
{
    const struct exact_answer answer = exact_at(exact, output, i);
    const gn_type type = exact_type(exact, output);
    const long double size = fabsl(answer.value), half_unit = ldexpl(1, -type_digits(type));
    long double allowed = answer.size[bound] * exact_unit(exact) + answer.extra[bound];

    if (isnan(answer.value))
        return isnan(result) || output == EXACT_DGAMMA || output == EXACT_DBETA ? 0 : INFINITY;
    /* gn_normalize of an infinity: infinite, or no number. */
    if (is_infinite(allowed) && output == EXACT_Y)
        return 0;
    /* A type coarser than what it is computed in: the 16-bit ones, and GN_F32 beside GN_F64. */
    if (half_unit > exact_unit(exact))
        allowed += half_unit * size;
    if (size < type_normal(type))
        allowed += type_subnormal(type);
    if (is_infinite(result) &&
        (result > 0 ? answer.value : -answer.value) + allowed > type_largest(type))
        return 0;

    const long double error = fabsl(result - answer.value);
    if (error <= worst * allowed)
        return 0;
    return is_finite(error) && allowed > 0 ? error / allowed : INFINITY;
}

double exact_error(const struct exact *exact, enum exact_output output, enum exact_bound bound,
                   const long double *result, int64_t *where)
{
    long double worst = 0;

    if (where)
        *where = 0;
    for (int64_t i = 0; i < exact_count(exact, output); i++) {
        const long double error = error_beyond(exact, output, bound, i, result[i], worst);
        if (error > worst) {
            worst = error;
            if (where)
                *where = i;
        }
    }
    return (double)worst;
}
