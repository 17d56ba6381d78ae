/* SPDX-License-Identifier: MIT */
/*
 * The forward pass: moments of every group, then y. forward.c is what the layouts share;
 * forward_rows.c and forward_columns.c are the two layouts.
 */
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

/* For the layouts: a job's items, sizes and functions. */
void gn_forward_rows(const gn_plan *plan, struct gn_job *job);
void gn_forward_columns(const gn_plan *plan, struct gn_job *job);

/* Writes a group's mean and rstd where they are wanted; group is n * G + g. */
void gn_forward_store(const struct gn_forward_call *call, int64_t group,
                      const struct gn_statistics *of);

/* What the kernels need to know of channels first..first + channels - 1 of a group. */
struct gn_norm gn_forward_norm(const struct gn_forward_call *call, int64_t first, int64_t channels,
                               const struct gn_statistics *of);

#endif
