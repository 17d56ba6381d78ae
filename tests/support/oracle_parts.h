/* SPDX-License-Identifier: MIT */
/* What oracle.c finds of a problem as a whole, for oracle_at.c to make single values of. */
#ifndef ORACLE_PARTS_H
#define ORACLE_PARTS_H

#include "oracle.h"

#include <math.h>

/* A sum and what rounding took from it (Neumaier 1974). */
struct sum {
    long double high, low;
};

static inline void sum_add(struct sum *sum, long double value)
{
    const long double next = sum->high + value;

    if (fabsl(sum->high) >= fabsl(value))
        sum->low += sum->high - next + value;
    else
        sum->low += value - next + sum->high;
    sum->high = next;
}

static inline long double sum_total(const struct sum *sum)
{
    /* What was lost of an infinity is no number. */
    return is_finite(sum->high) ? sum->high + sum->low : sum->high;
}

/* One group: the mean is near + rest, as a rounded mean would be too coarse to subtract for
 * GN_F64; near is NaN where x is not finite. a and b are the two means in the formula of dx, p and
 * r those of the magnitudes that bound the errors, and unsure_a and unsure_b those of what a ReLU
 * may take or leave. */
struct group {
    long double near, rest, dev, rstd;
    struct sum sum_a, sum_b; /* that a and b are made of */
    long double a, b;
    long double p, r, unsure_a[ORACLE_BOUNDS], unsure_b[ORACLE_BOUNDS];
};

/* One element of a dgamma and a dbeta, and what bounds their errors. */
struct channel {
    struct sum dgamma, dbeta;
    long double dgamma_size, dbeta_size;
    long double unsure_dgamma[ORACLE_BOUNDS], unsure_dbeta[ORACLE_BOUNDS];
    bool nonfinite; /* an x in one of its groups is */
};

struct oracle {
    struct oracle_problem in;
    struct group *groups;     /* [N, G] */
    struct channel *channels; /* as gamma */
};

/* One of the [N, C] rows of x: where its elements lie, and what they have in common. */
struct row {
    int64_t first, stride;
    struct group *group;
    struct channel *channel;
    long double gamma, beta;
};

struct row row_of(const struct oracle *o, int64_t number);

/* What the formulas make of the element of a row that is number i in memory. */
static inline long double xhat_at(const struct oracle *o, const struct row *row, int64_t i)
{
    const struct group *group = row->group;

    return (type_load(o->in.x_type, o->in.x, i) - group->near - group->rest) * group->rstd;
}

/* The bound of the error of z, in units of u. */
static inline long double z_size(const struct oracle *o, const struct row *row, long double xhat,
                                 enum oracle_bound bound)
{
    const long double gamma = fabsl(row->gamma), beta = fabsl(row->beta);
    const long double size = gamma * fabsl(xhat);

    if (bound == ORACLE_INDEPENDENT || o->in.mean)
        return 5 * size + 2 * gamma + 2 * beta;
    return 48 * size + 26 * gamma + 2 * beta;
}

/* g = dy * act'(z), and what bounds its error. */
struct g {
    long double value;
    long double size; /* |dy| or, with an activation, what takes its place in bounds */
    long double unsure[ORACLE_BOUNDS]; /* by how much it may differ besides; for a ReLU only */
};

/* By a pointer, as are answers: on x86, copies of long doubles wait for what wrote them. */
static inline void find_g(const struct oracle *o, const struct row *row, long double xhat,
                          int64_t i, struct g *g)
{
    const gn_activation activation = o->in.activation;
    const long double dy = type_load(o->in.y_type, o->in.dy, i);

    g->value = dy;
    g->size = fabsl(dy);
    if (activation != GN_ACTIVATION_IDENTITY) {
        const long double product = row->gamma * xhat, z = product + row->beta;
        for (int k = 0; activation == GN_ACTIVATION_RELU && k < ORACLE_BOUNDS; k++) {
            const long double size = z_size(o, row, xhat, (enum oracle_bound)k);
            g->unsure[k] = fabsl(z) <= oracle_unit(o) * size ? g->size : 0;
        }
        g->value *= oracle_slope(activation, z);
        g->size *= 2 + fabsl(product) + fabsl(row->gamma) + fabsl(row->beta);
    }
    /* Without an activation dbeta does not depend on x, but no one says so for x = NaN. */
    if (isnan(row->group->near))
        g->value = NAN;
}

/* The answers of ORACLE_Y and ORACLE_DX for such an element. */
void find_y(const struct oracle *o, const struct row *row, int64_t i, struct oracle_answer *y);
void find_dx(const struct oracle *o, const struct row *row, int64_t i, struct oracle_answer *dx);

int64_t parameters(const struct oracle_problem *in);

#endif /* ORACLE_PARTS_H */
