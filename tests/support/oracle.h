/* SPDX-License-Identifier: MIT */
/*
 * The exact answer: group normalization and its gradients by the plain two-pass definition, in long
 * double, from x alone, and the error of a result in units of the bounds that groupnorm.h states.
 */
#ifndef ORACLE_H
#define ORACLE_H

#include <stdbool.h>
#include <stdint.h>

/* What to compute, of x [N, C, S] or, channels last, [N, S, C]. The arrays stay the caller's. */
struct oracle_problem {
    int64_t n, c, s, g; /* each 1 or more, g divides c; s is the product of the spatial dims */
    bool channels_last;
    bool per_sample; /* gamma, beta and their gradients are [N, C], not [C] */
    double eps;
    const float *x;
    const float *gamma; /* NULL: ones */
    const float *beta;  /* NULL: zeros */
    const float *dy;    /* NULL: forward only */
};

enum oracle_output { ORACLE_MEAN, ORACLE_RSTD, ORACLE_Y, ORACLE_DX, ORACLE_DGAMMA, ORACLE_DBETA };

/* The two columns of the table of bounds in groupnorm.h. */
enum oracle_bound { ORACLE_ALWAYS, ORACLE_INDEPENDENT };

struct oracle;

/*
 * Computes the statistics and the sums of a problem; NULL where memory is lacking. The problem's
 * arrays must keep their values until oracle_destroy, which takes NULL as well.
 */
struct oracle *oracle_create(const struct oracle_problem *problem);
void oracle_destroy(struct oracle *oracle);

/* How many elements an output has, and its exact values in memory order. */
int64_t oracle_count(const struct oracle *oracle, enum oracle_output output);
void oracle_values(const struct oracle *oracle, enum oracle_output output, long double *values);

/*
 * The largest error of result in units of the bound, at most 1 where the result is right; *where,
 * if not NULL, is the index of that element.
 *
 * Below the normal floats a bound is one unit of the smallest subnormal wider. An infinity counts
 * as right where the exact value, give or take the bound, exceeds the floats, and a NaN where the
 * exact value is a NaN. All else that is not finite is infinitely wrong.
 */
double oracle_error(const struct oracle *oracle, enum oracle_output output, enum oracle_bound bound,
                    const float *result, int64_t *where);

#endif /* ORACLE_H */
