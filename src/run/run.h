/* SPDX-License-Identifier: MIT */
/* Runs jobs with the threads and the scratch memory of one plan. */
#ifndef GN_RUN_H
#define GN_RUN_H

#include "groupnorm.h"
#include "run/schedule.h"
#include "run/scratch.h"

struct gn_runner {
    int threads;           /* as set in the descriptor, 0: automatic */
    int64_t elements;      /* of a tensor */
    int64_t scratch_bytes; /* at least, of every job */
    gn_scratch_keeper scratch;
};

/* The bytes of scratch that a job needs, on as many threads as there may be, or on fewer. */
int64_t gn_run_bytes(const struct gn_runner *runner, const struct gn_job *job);

/*
 * Gets so many bytes now, so that the first job allocates nothing; no job takes fewer, so that what
 * one of several leaves behind does for the next. Fails for want of memory only.
 */
gn_status gn_run_prepare(struct gn_runner *runner, int64_t bytes);

/* Runs a job, from any number of threads at once. Fails for want of memory only, before it starts.
 */
gn_status gn_run(const struct gn_runner *runner, struct gn_job *job);

#endif
