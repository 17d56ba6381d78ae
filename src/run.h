/* SPDX-License-Identifier: MIT */
/* Runs a job with a plan's threads and scratch. */
#ifndef GN_RUN_H
#define GN_RUN_H

#include "plan.h"
#include "schedule.h"

/* The bytes of scratch that a job needs, on as many threads as OpenMP gives or on fewer. */
int64_t gn_run_bytes(const gn_plan *plan, const struct gn_job *job);

/*
 * Gets so many bytes now, so that the first call allocates nothing; no call takes fewer, so that
 * what one of several leaves behind does for the next.
 */
gn_status gn_run_prepare(gn_plan *plan, int64_t bytes);

/* Both fail for want of memory alone. */
gn_status gn_run(const gn_plan *plan, struct gn_job *job);

#endif
