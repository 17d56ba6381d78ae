/* SPDX-License-Identifier: MIT */
/*
 * Distributes a job over threads. The distribution never changes what is computed in which order.
 *
 * A job has independent items: groups, samples, or blocks of samples. An item is processed in
 * steps, one per sample of its block, in order. A step consists of phases. A phase calls one
 * function on the tiles of the item, then another one on the groups that the tiles complete.
 *
 * If there are enough items, a thread takes whole items, several small ones as one batch: first
 * from its own share, then from the shares of slower threads. Items that would leave threads idle
 * are processed cooperatively: all threads take tiles of all these items, phase by phase.
 */
#ifndef GN_SCHEDULE_H
#define GN_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

/* Consecutive items that are processed as one, and their current step. */
struct gn_batch {
    int64_t item, items, step;
};

struct gn_job;

/* What a phase works on: its job, its batch, the batch's workspace, and the thread's buffer. */
struct gn_place {
    const struct gn_job *job;
    const struct gn_batch *batch;
    void *workspace, *buffer;
};

struct gn_phase {
    /* Processes tiles first to last - 1 of an item. NULL: nothing to do. */
    void (*tiles)(const struct gn_place *place, int64_t first, int64_t last);
    /*
     * Processes units first to last - 1 of the batch's groups. NULL: nothing to do, and no barrier.
     */
    void (*groups)(const struct gn_place *place, int64_t first, int64_t last);
};

enum { GN_PHASES = 3 };

enum { GN_JOB_KINDS = 4 };

struct gn_job {
    const void *call; /* the driver's arguments */
    int kind;         /* below GN_JOB_KINDS; jobs of one kind take about as long as each other */
    struct gn_phase phases[GN_PHASES];
    int phase_count;

    int64_t items;
    int64_t tiles;      /* per item */
    int64_t units;      /* per item: in how many units threads can share its groups */
    int64_t most_items; /* per batch */
    int64_t within;     /* no batch crosses a multiple of this; 0: no limit */
    /*
     * `items_per_block` consecutive items share a block of `block_samples` samples. The job has
     * `samples` samples, so the last block may have fewer.
     */
    int64_t items_per_block, block_samples, samples;

    /* Lays out a workspace. Called once per workspace, before any phase uses it. */
    void (*open)(const struct gn_job *job, void *workspace);
    /*
     * Called after all items: reduces partial sums first to last - 1 of `partials`. Not called if
     * `partials` is 0.
     */
    void (*reduce)(const struct gn_job *job, int64_t first, int64_t last);
    int64_t partials;

    /* Bytes of one workspace, of one thread's buffer, and of all partial sums: multiples of 64. */
    int64_t workspace_bytes, buffer_bytes, partial_bytes;
    void *partial; /* set by gn_schedule_run; NULL if partial_bytes is 0 */
};

/* The bytes of scratch that a job needs on `threads` threads. */
int64_t gn_schedule_scratch(const struct gn_job *job, int threads);

/*
 * Runs a job. `threads` is what gn_threads_available returned, and `scratch` has
 * gn_schedule_scratch bytes for that number.
 */
void gn_schedule_run(struct gn_job *job, int threads, char *scratch);

#endif
