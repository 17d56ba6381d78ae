/* SPDX-License-Identifier: MIT */
/*
 * The exact results for any types, layout, activation and skip, computed in long double with
 * compensated sums, and the error of a result in units of the bounds that groupnorm.h states.
 *
 * All arrays are dense and in the library's format: they have their own type, and x, dy, y and dx
 * are in the order of the layout. Nothing is copied, so a large problem needs no memory except its
 * tensors.
 *
 * If long double has a significand of 64 bits, the values are accurate to a few times 2^-63 of the
 * sizes that the bounds multiply by u. For GN_F64 that is 1/500 of a bound; for the other types it
 * is negligible. GN_F64 therefore needs wide_long_double().
 */
#ifndef ORACLE_H
#define ORACLE_H

#include "typed.h"

struct oracle_problem {
    int64_t n, c, s, g; /* each is at least 1; g divides c; s is the product of the spatial dims */
    gn_layout layout;
    double eps;
    gn_affine affine;
    gn_activation activation;
    gn_type x_type, y_type, param_type;
    const void *x;     /* with a skip, x + skip as oracle_add computes it */
    const void *gamma; /* NULL: ones */
    const void *beta;  /* NULL: zeros */
    const void *dy;    /* NULL: forward only */
    const void *mean;  /* given to gn_normalize; NULL: the mean of x */
    const void *rstd;  /* given to gn_normalize; NULL exactly if mean is */
};

enum oracle_output {
    ORACLE_MEAN,
    ORACLE_RSTD,
    ORACLE_Y,
    ORACLE_DX,
    ORACLE_DGAMMA,
    ORACLE_DBETA,
    ORACLE_DSKIP /* [N, C]: the sum of dx over the spatial extent */
};

/* The two columns of the table of bounds. gn_normalize has only the second. */
enum oracle_bound { ORACLE_ALWAYS, ORACLE_INDEPENDENT, ORACLE_BOUNDS };

struct oracle;

/* Computes the statistics and the sums of a problem. Returns NULL if memory is lacking. The
 * problem's arrays must keep their values until oracle_destroy, which accepts NULL. */
struct oracle *oracle_create(const struct oracle_problem *problem);
void oracle_destroy(struct oracle *oracle);

/*
 * An exact value and the bound of its error, which is u * size + extra. `extra` contains what a
 * ReLU adds or removes if its z may have either sign and, for dskip, the subnormal units that the
 * terms' bounds contain.
 */
struct oracle_answer {
    long double value, size[ORACLE_BOUNDS], extra[ORACLE_BOUNDS];
};

/* The number of elements of an output, and the exact result for element i in memory order. */
int64_t oracle_count(const struct oracle *oracle, enum oracle_output output);
struct oracle_answer oracle_at(const struct oracle *oracle, enum oracle_output output, int64_t i);

/* The type of an output, and the u in its bounds. */
gn_type oracle_type(const struct oracle *oracle, enum oracle_output output);
long double oracle_unit(const struct oracle *oracle);

/*
 * The largest error of `result`, an array of oracle_type, in units of the bound. It is at most 1 if
 * the result is right. *where, if where is not NULL, is the index of that element.
 *
 * Below the normal numbers of its type, a bound is larger by one unit of the smallest subnormal. An
 * infinity is right if the exact value, plus or minus the bound, exceeds its type. A NaN is right
 * if the exact value is a NaN. A group that has a NaN or an infinity in x must have NaN for mean,
 * rstd, y, dx and dskip; dgamma and dbeta of its channels are not checked.
 */
double oracle_error(const struct oracle *oracle, enum oracle_output output, enum oracle_bound bound,
                    const void *result, int64_t *where);

/* sum = x + skip, rounded once. x has shape [N, C, S], skip that shape or [N, C]. */
void oracle_add(gn_type type, int64_t rows, int64_t s, const long double *x,
                const long double *skip, gn_skip kind, long double *sum);

/* act(z) and act'(z). For GN_ACTIVATION_RELU, act'(0) is 0. */
long double oracle_activation(gn_activation activation, long double z);
long double oracle_slope(gn_activation activation, long double z);

#endif /* ORACLE_H */
