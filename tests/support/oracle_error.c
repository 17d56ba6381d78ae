/* SPDX-License-Identifier: MIT */
/* The functions of which the exact results consist, and the error of a result. */
#include "oracle_parts.h"

#include <math.h>

long double oracle_activation(gn_activation activation, long double z)
{
    switch (activation) {
    case GN_ACTIVATION_RELU:
        return z <= 0 ? 0 : z; /* a NaN stays NaN */
    case GN_ACTIVATION_SILU:
        return z == -INFINITY ? 0 : z / (1 + expl(-z));
    case GN_ACTIVATION_IDENTITY:
        break;
    }
    return z;
}

long double oracle_slope(gn_activation activation, long double z)
{
    switch (activation) {
    case GN_ACTIVATION_RELU:
        return z <= 0 ? 0 : z > 0 ? 1 : z;
    case GN_ACTIVATION_SILU: {
        /* The logistic function and its difference from 1, both without cancellation. */
        const long double small = expl(-fabsl(z)), near = 1 / (1 + small),
                          far = small / (1 + small);
        return z > 0 ? near * (1 + z * far) : far * (1 + z * near);
    }
    case GN_ACTIVATION_IDENTITY:
        break;
    }
    return 1;
}

void oracle_add(gn_type type, int64_t rows, int64_t s, const long double *x,
                const long double *skip, gn_skip kind, long double *sum)
{
    for (int64_t i = 0; i < rows * s; i++) {
        const long double a = x[i], b = skip[kind == GN_SKIP_CHANNEL ? i / s : i];
        /* The sum and its exact rounding error (Knuth), so that a tie is not rounded twice. */
        const long double high = a + b, part = high - a;
        const long double low = a - (high - part) + (b - part);

        sum[i] = type_rounded(type, high, is_finite(high) ? low : 0);
    }
}

/* The comparison of the results for one output. */
struct comparison {
    const struct oracle *oracle;
    enum oracle_output output;
    enum oracle_bound bound;
    gn_type type;
    bool coarse; /* its type is coarser than that of the computation */
    long double unit, half_unit, normal, subnormal, largest;
    /* The largest error so far, and its index. */
    long double worst;
    int64_t where;
};

static struct comparison comparison_of(const struct oracle *oracle, enum oracle_output output,
                                       enum oracle_bound bound)
{
    const gn_type type = oracle_type(oracle, output);
    struct comparison c = {oracle, output, bound, type, .unit = oracle_unit(oracle)};

    c.half_unit = ldexpl(1, -type_digits(type));
    c.coarse = c.half_unit > c.unit;
    c.normal = type_normal(type);
    c.subnormal = type_subnormal(type);
    c.largest = type_largest(type);
    return c;
}

/* Whether any result is right for element i, whose exact value is a NaN. */
static bool any_is_right(const struct comparison *c, int64_t i)
{
    return (c->output == ORACLE_DGAMMA || c->output == ORACLE_DBETA) &&
           c->oracle->channels[i].nonfinite;
}

static void compare(struct comparison *c, const struct oracle_answer *answer, const void *results,
                    int64_t i)
{
    const long double result = type_load(c->type, results, i);
    const long double size = fabsl(answer->value), error = fabsl(result - answer->value);
    long double allowed = answer->size[c->bound] * c->unit + answer->extra[c->bound];

    if (c->coarse)
        allowed += c->half_unit * size;
    if (size < c->normal)
        allowed += c->subnormal;
    if (error <= c->worst * allowed)
        return;
    if (isnan(answer->value) && (isnan(result) || any_is_right(c, i)))
        return;
    /* gn_normalize of an infinity gives an infinity or a NaN. */
    if (is_infinite(allowed) && c->output == ORACLE_Y && c->oracle->in.mean)
        return;
    if (is_infinite(result) && (result > 0 ? answer->value : -answer->value) + allowed > c->largest)
        return;

    const long double ratio = is_finite(error) && allowed > 0 ? error / allowed : INFINITY;
    if (ratio > c->worst) {
        c->worst = ratio;
        c->where = i;
    }
}

/* If the output has the shape of x, compares it row by row, because the elements of a row share
 * much of the work. */
static void compare_rows(struct comparison *c, const void *results)
{
    const struct oracle_problem *in = &c->oracle->in;
    void (*const find)(const struct oracle *, const struct row *, int64_t, struct oracle_answer *) =
        c->output == ORACLE_Y ? find_y : find_dx;
    struct oracle_answer answer;

    for (int64_t number = 0; number < in->n * in->c; number++) {
        const struct row row = row_of(c->oracle, number);
        for (int64_t s = 0; s < in->s; s++) {
            const int64_t i = row.first + s * row.stride;
            find(c->oracle, &row, i, &answer);
            compare(c, &answer, results, i);
        }
    }
}

double oracle_error(const struct oracle *oracle, enum oracle_output output, enum oracle_bound bound,
                    const void *result, int64_t *where)
{
    struct comparison c = comparison_of(oracle, output, bound);

    if (output == ORACLE_Y || output == ORACLE_DX) {
        compare_rows(&c, result);
    } else {
        for (int64_t i = 0; i < oracle_count(oracle, output); i++) {
            const struct oracle_answer answer = oracle_at(oracle, output, i);
            compare(&c, &answer, result, i);
        }
    }
    if (where)
        *where = c.where;
    return (double)c.worst;
}
