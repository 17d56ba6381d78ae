/* SPDX-License-Identifier: MIT */
/*
 * The exact answer for any types, layout, activation and skip, in long double with compensated
 * sums, and the error of a result in units of the bounds that groupnorm.h states.
 *
 * All arrays are dense and as the library has them: in their own type, x, dy, y and dx in the order
 * of the layout. Nothing is copied, so that a large problem takes no memory beside its tensors.
 *
 * Where long double has 64 bits of significand, values here are within a few 2^-63 of the sizes
 * that the bounds multiply by u: 1/500 of a bound for GN_F64, and nothing for the other types. So
 * GN_F64 needs wide_long_double().
 */
#ifndef ORACLE_H
#define ORACLE_H

#include "typed.h"

struct oracle_problem {
    int64_t n, c, s, g; /* each 1 or more, g divides c; s is the product of the spatial dims */
    gn_layout layout;
    double eps;
    gn_affine affine;
    gn_activation activation;
    gn_type x_type, y_type, param_type;
    const void *x;     /* with a skip: the sum, as oracle_add makes it */
    const void *gamma; /* NULL: ones */
    const void *beta;  /* NULL: zeros */
    const void *dy;    /* NULL: forward only */
    const void *mean;  /* gn_normalize's; NULL: that of x */
    const void *rstd;  /* likewise, and NULL where mean is */
};

enum oracle_output {
    ORACLE_MEAN,
    ORACLE_RSTD,
    ORACLE_Y,
    ORACLE_DX,
    ORACLE_DGAMMA,
    ORACLE_DBETA,
    ORACLE_DSKIP /* [N, C]: dx summed over space */
};

/* The two columns of the table of bounds. gn_normalize has only one bound, the second. */
enum oracle_bound { ORACLE_ALWAYS, ORACLE_INDEPENDENT, ORACLE_BOUNDS };

struct oracle;

/*
 * The statistics and the sums of a problem; NULL where memory is lacking. The problem's arrays must
 * keep their values until oracle_destroy, which takes NULL as well.
 */
struct oracle *oracle_create(const struct oracle_problem *problem);
void oracle_destroy(struct oracle *oracle);

/* An exact value; in a bound of its error u multiplies size, and extra is added: what a ReLU whose
 * z may have either sign takes or leaves, and for dskip what its terms have of subnormal units. */
struct oracle_answer {
    long double value, size[ORACLE_BOUNDS], extra[ORACLE_BOUNDS];
};

/* How many elements an output has, and the answer for the one that is number i in memory. */
int64_t oracle_count(const struct oracle *oracle, enum oracle_output output);
struct oracle_answer oracle_at(const struct oracle *oracle, enum oracle_output output, int64_t i);

/* The type of an output, and the u of its bounds. */
gn_type oracle_type(const struct oracle *oracle, enum oracle_output output);
long double oracle_unit(const struct oracle *oracle);

/*
 * The largest error of result, an array of oracle_type, in units of the bound, at most 1 where the
 * result is right; *where, if not NULL, is the index of that element.
 *
 * Below the normal numbers of its type a bound is one unit of the smallest subnormal wider. An
 * infinity is right where the exact value, give or take the bound, exceeds its type, and a NaN
 * where the exact value is a NaN. A group that has a NaN or an infinity in x must have NaN for
 * mean, rstd, y, dx and dskip; what its channels have for dgamma and dbeta is not looked at.
 */
double oracle_error(const struct oracle *oracle, enum oracle_output output, enum oracle_bound bound,
                    const void *result, int64_t *where);

/* sum = x + skip, rounded once, of x [N, C, S] and skip of that shape or [N, C]. */
void oracle_add(gn_type type, int64_t rows, int64_t s, const long double *x,
                const long double *skip, gn_skip kind, long double *sum);

/* act(z) and act'(z), which for GN_ACTIVATION_RELU is 0 at 0. */
long double oracle_activation(gn_activation activation, long double z);
long double oracle_slope(gn_activation activation, long double z);

#endif /* ORACLE_H */
