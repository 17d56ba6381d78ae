/* SPDX-License-Identifier: MIT */
/*
 * One problem of floats with any activation, checked: the generic answer on one thread against the
 * exact one, then those of every instruction set and of more threads against its bits.
 */
#ifndef CHECK_KIND_H
#define CHECK_KIND_H

#include "exact.h"
#include "support.h"

struct kind_check {
    struct shape shape;
    gn_activation activation;
    enum exact_bound bound;
    bool given; /* mean and rstd are the caller's: y is gn_normalize's */
    const char *label;
};

/*
 * Fills the outputs among the tensors; prints what is wrong, and returns how many things were. In
 * an exact problem the tensors are in logical order, as exact_values gives them.
 */
int check_kind(const struct kind_check *check, float *const tensors[TENSORS]);

/* A tensor in long double and logical order; the caller frees it. */
long double *exact_values(const struct shape *shape, enum tensor tensor, const float *data);

/* The problem of the tensors: its arrays are new, and exact_problem_free frees them. */
struct exact_problem exact_problem_of(const struct kind_check *check,
                                      float *const tensors[TENSORS]);
void exact_problem_free(struct exact_problem *problem);

#endif /* CHECK_KIND_H */
