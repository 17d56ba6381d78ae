/* SPDX-License-Identifier: MIT */
/*
 * The backward pass: sums over every channel and group, then dx; dgamma and dbeta are summed over
 * samples.
 */
#ifndef GN_BACKWARD_H
#define GN_BACKWARD_H

#include "plan/plan.h"

struct gn_backward_call {
    const gn_plan *plan;
    const void *dy, *x, *mean, *rstd;
    struct gn_parameters parameters;
    const struct gn_view *x_view, *dx_view;
    void *dx, *dskip, *dgamma, *dbeta; /* each may be NULL: not computed */
    bool nontemporal;                  /* use nontemporal stores for dx */
    /*
     * Where g = dy * act'(z) is saved between the sums and the last pass: nowhere, in the memory of
     * dx, or in the workspace, which then has room for saved_g elements.
     */
    enum { GN_SAVE_NOT, GN_SAVE_IN_DX, GN_SAVE_IN_WORKSPACE } save_g;
    int64_t saved_g;
};

/* Decides where the call saves g. Called last, when all else of the call is known. */
void gn_choose_saved_g(struct gn_backward_call *call);

/* The bytes of scratch that a call needs. */
int64_t gn_backward_scratch(const gn_plan *plan);

/* Fails only for lack of memory, before it writes anything. */
gn_status gn_backward_run(const struct gn_backward_call *call);

#endif
