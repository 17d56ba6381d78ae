/* SPDX-License-Identifier: MIT */
/* The forward pass: moments of every group, then y. */
#ifndef GN_FORWARD_H
#define GN_FORWARD_H

#include "plan.h"

struct gn_forward_call {
    const gn_plan *plan;
    const float *x, *gamma, *beta; /* gamma, beta may be NULL */
    float *y, *mean, *rstd;        /* mean, rstd may be NULL */
};

/* The bytes of scratch for one call with so many threads. */
int64_t gn_forward_scratch(const gn_plan *plan, int threads);

/* Fails for want of memory alone, before anything is written. */
gn_status gn_forward_run(const struct gn_forward_call *call);

#endif
