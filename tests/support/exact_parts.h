/* SPDX-License-Identifier: MIT */
/* What exact.c finds of a problem as a whole, for exact_at to make single values of. */
#ifndef EXACT_PARTS_H
#define EXACT_PARTS_H

#include "exact.h"

/* A sum and what rounding took from it (Neumaier 1974). */
struct sum {
    long double high, low;
};

void sum_add(struct sum *sum, long double value);
long double sum_total(const struct sum *sum);

/* One group: the mean is near + rest, as a rounded mean would be too coarse to subtract for
 * GN_F64. a and b are the two means in the formula of dx, p and r those of the magnitudes that
 * bound the errors, and unsure_a and unsure_b those of what a ReLU may take or leave. */
struct group {
    long double near, rest, dev, rstd;
    struct sum a, b;
    long double p, r, unsure_a[EXACT_BOUNDS], unsure_b[EXACT_BOUNDS];
};

/* One element of a dgamma and a dbeta, and what bounds their errors. */
struct channel {
    struct sum dgamma, dbeta;
    long double dgamma_size, dbeta_size;
    long double unsure_dgamma[EXACT_BOUNDS], unsure_dbeta[EXACT_BOUNDS];
};

struct exact {
    struct exact_problem in;
    struct group *groups;     /* [N, G] */
    struct channel *channels; /* as gamma */
};

/* What the formulas make of one element. */
struct element {
    long double xhat, gamma, beta, z;
    long double z_size[EXACT_BOUNDS]; /* its error's bound, in units of u */
    long double g;                    /* dy * act'(z) */
    long double g_size; /* |dy| or, with an activation, what takes its place in bounds */
    long double unsure[EXACT_BOUNDS]; /* by how much g may differ besides */
};

/* The element i of x, in a row of the [N, C] rows of x. */
struct element element_at(const struct exact *e, int64_t row, int64_t i);

struct group *group_of(const struct exact *e, int64_t row);
int64_t parameters(const struct exact_problem *in);

#endif /* EXACT_PARTS_H */
