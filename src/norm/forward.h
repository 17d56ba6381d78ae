/* SPDX-License-Identifier: MIT */
/* The forward pass: moments of every group, unless its statistics are given, then y. */
#ifndef GN_FORWARD_H
#define GN_FORWARD_H

#include "plan/plan.h"

struct gn_forward_call {
    const gn_plan *plan;
    const void *source; /* what is normalized */
    const struct gn_view *source_view;
    struct gn_parameters parameters;
    const void *given_mean, *given_rstd; /* both NULL where the statistics are to be found */
    void *y, *mean, *rstd;               /* mean, rstd may be NULL */
    /* Where skip is not NULL, the sum of addend, a tensor like x, and skip goes to source first. */
    const void *addend, *skip;
    bool nontemporal; /* stores of y pass the caches by */
};

/* The bytes of scratch that a call needs. */
int64_t gn_forward_scratch(const gn_plan *plan);

/* Fails for want of memory only, before anything is written. */
gn_status gn_forward_run(const struct gn_forward_call *call);

#endif
