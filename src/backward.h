/* SPDX-License-Identifier: MIT */
/*
 * The backward pass: sums over every channel and group, then dx; dgamma and dbeta over samples.
 * backward.c is what the layouts share; backward_rows.c and backward_columns.c are the two layouts.
 */
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

/* For the layouts: a job's items, sizes and functions. An item is a block of samples. */
void gn_backward_rows(const gn_plan *plan, struct gn_job *job);
void gn_backward_columns(const gn_plan *plan, struct gn_job *job);

/* The sample of an item's step. */
int64_t gn_backward_sample(const gn_plan *plan, int64_t item, int64_t step);

/* Whether what rounding took from the statistics of group n * G + g is to be found again from x. */
bool gn_rounding_matters(const struct gn_backward_call *call, int64_t group);

/*
 * What the last pass needs of a group. of.mean is the stored mean; of.low the true one less it.
 */
struct gn_group {
    struct gn_statistics of;
    double slope, offset;
};

/*
 * The statistics of group (n, g), slope and offset yet unset, from what is stored and, where
 * rounding matters, from the moments of the tiles, as for gn_plan_merge.
 */
struct gn_group gn_start_group(const struct gn_backward_call *call, int64_t n, int64_t g,
                               const struct gn_moments *moments);

/*
 * Sets slope and offset of group g of an item's step from the sums about the stored mean: dy[i *
 * stride] and dyx[i * stride] are those of the group's channel i. Adds to the sums of dgamma and
 * dbeta on the way.
 */
void gn_finish_group(const struct gn_job *job, int64_t item, int64_t step, int64_t g,
                     const double *dy, const double *dyx, int64_t stride, struct gn_group *group);

/* What the kernels need to know of channels first..first + channels - 1 of a group. */
struct gn_norm gn_backward_norm(const struct gn_backward_call *call, int64_t first,
                                int64_t channels, const struct gn_group *group);

#endif
