/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 199309L
#include "run/run.h"

#include <inttypes.h>
#include <time.h>

#include "base/error.h"
#include "run/threads.h"

/*
 * The largest scratch for 1 to `threads` threads. OpenMP may give fewer threads than were asked
 * for, and fewer threads share the work out differently, which may need more bytes.
 */
static int64_t bytes_for(const struct gn_job *job, int threads)
{
    int64_t most = 0;
    for (int t = threads; t > 0; t--) {
        int64_t bytes = gn_schedule_scratch(job, t);
        most = bytes > most ? bytes : most;
    }
    return most;
}

int64_t gn_run_bytes(const struct gn_runner *runner, const struct gn_job *job)
{
    return bytes_for(job, gn_threads_for(runner->threads, runner->elements));
}

/*
 * The runner is const to callers because taking and giving scratch, and timing calls, change
 * nothing that they can see.
 */
static gn_scratch_keeper *keeper_of(const struct gn_runner *runner)
{
    return (gn_scratch_keeper *)(uintptr_t)&runner->scratch;
}

static struct gn_pace *pace_of(const struct gn_runner *runner, const struct gn_job *job)
{
    return (struct gn_pace *)(uintptr_t)&runner->paces[job->kind];
}

static gn_status take(const struct gn_runner *runner, int64_t bytes, struct gn_scratch **scratch)
{
    bytes = bytes > runner->scratch_bytes ? bytes : runner->scratch_bytes;
    *scratch = gn_scratch_take(keeper_of(runner), bytes);
    if (!*scratch)
        return gn_fail(GN_OUT_OF_MEMORY, "no memory for %" PRId64 " bytes of scratch", bytes);
    return GN_OK;
}

gn_status gn_run_prepare(struct gn_runner *runner, int64_t bytes)
{
    runner->scratch_bytes = bytes;
    struct gn_scratch *scratch;
    gn_status status = take(runner, bytes, &scratch);
    if (status == GN_OK)
        gn_scratch_give(keeper_of(runner), scratch);
    return status;
}

static int64_t nanoseconds(void)
{
    struct timespec now = {0};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Runs a job on `threads` threads if they pay and can be had, and records how long it takes. */
static void run_timed(struct gn_pace *pace, struct gn_job *job, int threads, char *memory)
{
    int paying = gn_pace_threads(pace, threads), available = gn_threads_available(paying);
    int64_t start = nanoseconds();
    gn_schedule_run(job, available, memory);
    if (available == paying)
        gn_pace_record(pace, threads, paying == 1, start, nanoseconds());
    else
        gn_pace_reset(pace);
}

gn_status gn_run(const struct gn_runner *runner, struct gn_job *job)
{
    /*
     * Take the scratch before the threads: it may use the memory that stacks of more threads need.
     */
    int threads = gn_threads_for(runner->threads, runner->elements);
    struct gn_scratch *scratch;
    gn_status status = take(runner, bytes_for(job, threads), &scratch);
    if (status != GN_OK)
        return status;
    if (threads > 1)
        run_timed(pace_of(runner, job), job, threads, scratch->memory);
    else
        gn_schedule_run(job, 1, scratch->memory);
    gn_scratch_give(keeper_of(runner), scratch);
    return GN_OK;
}
