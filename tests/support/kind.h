/* SPDX-License-Identifier: MIT */
/* Plans for more types, activations and skips than those of support.h, with dense tensors. */
#ifndef KIND_H
#define KIND_H

#include "support.h"

struct kind {
    gn_type x, y, param;
    gn_activation activation;
    gn_skip skip;
};

/* The calling test fails if the plan cannot be made. */
gn_plan *make_plan_of(const struct shape *shape, const struct kind *kind, gn_isa isa, int threads);

/*
 * Computes y of gn_normalize with mean 0, rstd 1, gamma NULL and beta NULL, which is the activation
 * of x. Runs `count` elements in every shape and layout that the library may treat differently,
 * with every instruction set. The calling test fails if any two results differ in a bit.
 */
void activate(const struct kind *kind, int64_t count, const void *x, void *y);

#endif /* KIND_H */
