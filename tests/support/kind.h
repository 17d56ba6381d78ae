/* SPDX-License-Identifier: MIT */
/* Plans of other types and activations than support.h's, whose tensors are dense. */
#ifndef KIND_H
#define KIND_H

#include "support.h"

struct kind {
    gn_type x, y, param;
    gn_activation activation;
    gn_skip skip;
};

/* The calling test fails where the plan cannot be made. */
gn_plan *make_plan_of(const struct shape *shape, const struct kind *kind, gn_isa isa, int threads);

/*
 * y of gn_normalize with mean 0 and rstd 1, without gamma and beta, which is the activation alone:
 * of count elements in every shape and layout that the library may treat differently, by every
 * instruction set. Fails where two of all these differ in a bit.
 */
void activate(const struct kind *kind, int64_t count, const void *x, void *y);

#endif /* KIND_H */
