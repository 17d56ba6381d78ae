/* SPDX-License-Identifier: MIT */
/* Runs jobs with the threads and the scratch memory of one plan. */
#ifndef GN_RUN_H
#define GN_RUN_H

#include "groupnorm.h"
#include "run/pace.h"
#include "run/schedule.h"
#include "run/scratch.h"

struct gn_runner {
    int threads;           /* as set in the descriptor; 0: automatic */
    int64_t elements;      /* of a tensor */
    int64_t scratch_bytes; /* the least that any job takes */
    gn_scratch_keeper scratch;
    struct gn_pace paces[GN_JOB_KINDS]; /* of the jobs of each kind */
};

/* The bytes of scratch that a job needs on as many threads as it may get, or on fewer. */
int64_t gn_run_bytes(const struct gn_runner *runner, const struct gn_job *job);

/*
 * Allocates `bytes` of scratch now, so that the first job allocates nothing. Every later job takes
 * at least as much, so that the scratch which one job gives back is enough for the next. Fails only
 * for lack of memory.
 */
gn_status gn_run_prepare(struct gn_runner *runner, int64_t bytes);

/*
 * Runs a job. May be called from any number of threads at once. Fails only for lack of memory,
 * before the job starts.
 */
gn_status gn_run(const struct gn_runner *runner, struct gn_job *job);

#endif
