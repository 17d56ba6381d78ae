/* SPDX-License-Identifier: MIT */
/*
 * The exact answer for any types, activation and skip, in long double with compensated sums, and
 * the error of a result in units of the bounds that groupnorm.h states.
 *
 * All arrays are in logical order, [N, C, S], whatever the layout and the strides were.
 *
 * Where long double has 64 bits of significand, values here are within a few 2^-63 of the sizes
 * that the bounds multiply by u: 1/500 of a bound for GN_F64, and nothing for the other types. So
 * GN_F64 needs wide_long_double().
 */
#ifndef EXACT_H
#define EXACT_H

#include "typed.h"

struct exact_problem {
    int64_t n, c, s, g; /* each 1 or more, g divides c; s is the product of the spatial dims */
    double eps;
    gn_affine affine;
    gn_activation activation;
    gn_type x_type, y_type, param_type;
    const long double *x;     /* with a skip: the sum, as exact_add makes it */
    const long double *gamma; /* NULL: ones */
    const long double *beta;  /* NULL: zeros */
    const long double *dy;    /* NULL: forward only */
    const long double *mean;  /* gn_normalize's; NULL: that of x */
    const long double *rstd;  /* likewise, and NULL where mean is */
};

enum exact_output {
    EXACT_MEAN,
    EXACT_RSTD,
    EXACT_Y,
    EXACT_DX,
    EXACT_DGAMMA,
    EXACT_DBETA,
    EXACT_DSKIP /* [N, C]: dx summed over space */
};

/* The two columns of the table of bounds. gn_normalize has but one bound, the second. */
enum exact_bound { EXACT_ALWAYS, EXACT_INDEPENDENT, EXACT_BOUNDS };

struct exact;

/* The problem's arrays must keep their values until exact_destroy. NULL where memory is lacking. */
struct exact *exact_create(const struct exact_problem *problem);
void exact_destroy(struct exact *exact);

/* An exact value; in a bound of its error u multiplies size, and extra is added: what a ReLU whose
 * z may have either sign takes or leaves, and for dskip what its terms have of subnormal units. */
struct exact_answer {
    long double value, size[EXACT_BOUNDS], extra[EXACT_BOUNDS];
};

int64_t exact_count(const struct exact *exact, enum exact_output output);
struct exact_answer exact_at(const struct exact *exact, enum exact_output output, int64_t i);

/* The type of an output, and the u of its bounds. */
gn_type exact_type(const struct exact *exact, enum exact_output output);
long double exact_unit(const struct exact *exact);

/*
 * The largest error of result in units of the bound, at most 1 where the result is right; *where,
 * if not NULL, is the index of that element.
 *
 * An infinity is right where the exact value, give or take the bound, exceeds its type. A group
 * that has a NaN or an infinity in x must have NaN for mean, rstd, y, dx and dskip; what its
 * channels have for dgamma and dbeta is not looked at.
 */
double exact_error(const struct exact *exact, enum exact_output output, enum exact_bound bound,
                   const long double *result, int64_t *where);

/* sum = x + skip, rounded once, of x [N, C, S] and skip of that shape or [N, C]. */
void exact_add(gn_type type, int64_t rows, int64_t s, const long double *x, const long double *skip,
               gn_skip kind, long double *sum);

/* act(z) and act'(z), which for GN_ACTIVATION_RELU is 0 at 0. */
long double exact_activation(gn_activation activation, long double z);
long double exact_slope(gn_activation activation, long double z);

#endif /* EXACT_H */
