/* SPDX-License-Identifier: MIT */
/*
 * Group normalization as groupnorm.h defines it, forward and backward, in double: short and slow.
 * Read this first. The library computes the same results, with a bound on the error of each.
 */
#ifndef REFERENCE_H
#define REFERENCE_H

#include <groupnorm.h>

#include <stdint.h>

struct reference_problem {
    int64_t N, C, S, G; /* samples, channels, elements per channel, groups; G divides C */
    double eps;
    gn_activation activation;
};

/*
 * Tensors x, y, dy and dx have shape [N, C, S] and are dense. gamma, beta, dgamma and dbeta have
 * shape [C]. A gamma of NULL stands for ones, a beta of NULL for zeros. mean and rstd have shape
 * [N, G]. No output may be NULL or overlap an input.
 */
void reference_forward(const struct reference_problem *p, const double *x, const double *gamma,
                       const double *beta, double *y, double *mean, double *rstd);

/* mean and rstd are those that reference_forward computed for x. */
void reference_backward(const struct reference_problem *p, const double *dy, const double *x,
                        const double *mean, const double *rstd, const double *gamma,
                        const double *beta, double *dx, double *dgamma, double *dbeta);

#endif /* REFERENCE_H */
