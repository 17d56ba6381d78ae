/* SPDX-License-Identifier: MIT */
/* The backward pass: sums over every channel and group, then dx; dgamma and dbeta over samples. */
#ifndef GN_BACKWARD_H
#define GN_BACKWARD_H

#include "plan.h"

struct gn_backward_call {
    const gn_plan *plan;
    const float *dy, *x, *mean, *rstd, *gamma; /* gamma may be NULL */
    float *dx, *dgamma, *dbeta;                /* each may be NULL */
};

/* The bytes of scratch for one call with so many threads. */
int64_t gn_backward_scratch(const gn_plan *plan, int threads);

/* Fails for want of memory alone, before anything is written. */
gn_status gn_backward_run(const struct gn_backward_call *call);

#endif
