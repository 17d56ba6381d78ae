/* SPDX-License-Identifier: MIT */
/* The forward pass: the moments of every group, unless its statistics are given, then y. */
#ifndef GN_FORWARD_H
#define GN_FORWARD_H

#include "plan/plan.h"

struct gn_forward_call {
    const gn_plan *plan;
    const void *source; /* the tensor that is normalized */
    const struct gn_view *source_view;
    struct gn_parameters parameters;
    const void *given_mean, *given_rstd; /* both NULL: the statistics are computed */
    void *y, *mean, *rstd;               /* mean and rstd may be NULL */
    /*
     * If skip is not NULL, the call first stores addend + skip in source. addend is a tensor like
     * x.
     */
    const void *addend, *skip;
    bool nontemporal; /* use nontemporal stores for y */
};

/* The bytes of scratch that a call needs. */
int64_t gn_forward_scratch(const gn_plan *plan);

/* Fails only for lack of memory, before it writes anything. */
gn_status gn_forward_run(const struct gn_forward_call *call);

#endif
