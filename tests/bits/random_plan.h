/* SPDX-License-Identifier: MIT */
/* Plans of random shapes as the library makes them, but without kernels. */
#ifndef RANDOM_PLAN_H
#define RANDOM_PLAN_H

#include "plan/plan.h"

/* The parameters of a plan. */
struct problem {
    int64_t N, D, G, S;
    gn_layout layout;
    gn_type x, y, param;
    gn_activation activation;
    gn_affine affine;
    int threads;
};

/* The sizes are small, next to a size at which the partition changes, or up to the largest legal
 * ones. */
struct problem random_problem(uint64_t *random);

/* A random number from 0 to most - 1. */
int64_t random_below(uint64_t *random, int64_t most);

/* The calling test fails if the plan cannot be made. */
gn_plan *plan_for(const struct problem *problem);

/* All parameters, for a message. The text is valid until the next call. */
const char *problem_text(const struct problem *problem);

#endif /* RANDOM_PLAN_H */
