/* SPDX-License-Identifier: MIT */
/* oracle.c computes these structures for a whole problem. oracle_at.c computes single values from
 * them. */
#ifndef ORACLE_PARTS_H
#define ORACLE_PARTS_H

#include "oracle.h"

#include <math.h>

/* A sum, and the part that rounding removed from it (Neumaier 1974). */
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
    /* If the sum is infinite, its low part is a NaN or infinite. */
    return is_finite(sum->high) ? sum->high + sum->low : sum->high;
}

/*
 * One group. The mean is near + rest, because for GN_F64 a rounded mean is too coarse to subtract;
 * near is NaN if x is not finite. a and b are the two means in the formula of dx. p and r are the
 * means of the magnitudes that bound the errors. unsure_a and unsure_b are the means of what a ReLU
 * may add or remove.
 */
struct group {
    long double near, rest, dev, rstd;
    struct sum sum_a, sum_b; /* a and b are computed from them */
    long double a, b;
    long double p, r, unsure_a[ORACLE_BOUNDS], unsure_b[ORACLE_BOUNDS];
};

/* One element of dgamma and of dbeta, and the terms of their bounds. */
struct channel {
    struct sum dgamma, dbeta;
    long double dgamma_size, dbeta_size;
    long double unsure_dgamma[ORACLE_BOUNDS], unsure_dbeta[ORACLE_BOUNDS];
    bool nonfinite; /* one of its groups has an x that is not finite */
};

struct oracle {
    struct oracle_problem in;
    struct group *groups;     /* [N, G] */
    struct channel *channels; /* the shape of gamma */
};

/* One of the N * C rows of x: the indices of its elements, and what they have in common. */
struct row {
    int64_t first, stride;
    struct group *group;
    struct channel *channel;
    long double gamma, beta;
};

struct row row_of(const struct oracle *o, int64_t number);

/* xhat of element i, in memory order, which belongs to the row. */
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

/* g = dy * act'(z), and the bound of its error. */
struct g {
    long double value;
    long double size; /* |dy| or, with an activation, its substitute in the bounds */
    long double unsure[ORACLE_BOUNDS]; /* how much more g may differ; only for a ReLU */
};

/* Returns g through a pointer, as others return answers: on x86, a copy of a long double waits for
 * the store that wrote it. */
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
    /* Without an activation dbeta does not depend on x, but groupnorm.h does not promise that for x
     * = NaN. */
    if (isnan(row->group->near))
        g->value = NAN;
}

/* The exact y and dx of such an element. */
void find_y(const struct oracle *o, const struct row *row, int64_t i, struct oracle_answer *y);
void find_dx(const struct oracle *o, const struct row *row, int64_t i, struct oracle_answer *dx);

int64_t parameters(const struct oracle_problem *in);

#endif /* ORACLE_PARTS_H */
