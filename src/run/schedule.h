/* SPDX-License-Identifier: MIT */
/*
 * Shares out a job over threads, never changing what is computed in which order.
 *
 * A job has items that do not depend on each other: groups, samples, or blocks of samples. An item
 * is worked on in one or more steps, one for each sample of its block, in that order; and a step in
 * phases. A phase is one function on each tile of the item, then one on the groups that its tiles
 * complete.
 *
 * A thread takes whole items where there are enough of them, several small ones as one batch: first
 * of its own share, then of the shares of threads that are slower. The items that would leave
 * threads idle are worked on cooperatively: all threads take tiles of one item.
 */
#ifndef GN_SCHEDULE_H
#define GN_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

/* Consecutive items that are worked on as one, at one of their steps. */
struct gn_batch {
    int64_t item, items, step;
};

struct gn_job;

/* Where a phase works: the batch's workspace, and a buffer of the thread's own. */
struct gn_place {
    const struct gn_job *job;
    const struct gn_batch *batch;
    void *workspace, *buffer;
};

struct gn_phase {
    void (*tile)(const struct gn_place *place, int64_t tile); /* NULL: nothing to do */
    /* Units first to last - 1 of the batch's groups. NULL: nothing to do, no thread waits. */
    void (*groups)(const struct gn_place *place, int64_t first, int64_t last);
    bool backwards; /* tiles from the last to the first: the last ones read are in the cache yet */
};

enum { GN_PHASES = 3 };

struct gn_job {
    const void *call; /* the driver's own */
    struct gn_phase phases[GN_PHASES];
    int phase_count;

    int64_t items;
    int64_t tiles;      /* per item */
    int64_t units;      /* in which the groups of an item can be shared out */
    int64_t most_items; /* in a batch */
    int64_t within;     /* no batch crosses a multiple of it; 0: any may */
    /* Items share a block of samples: so many have the same, of the job's samples. */
    int64_t items_per_block, block_samples, samples;

    /* Divides a workspace, before anything else is done with it. */
    void (*open)(const struct gn_job *job, void *workspace);
    /* After all items: adds up partial sums first to last - 1 of `partials`. 0: there are none. */
    void (*reduce)(const struct gn_job *job, int64_t first, int64_t last);
    int64_t partials;

    /* Bytes, multiples of 64: of a workspace, of a thread's buffer, of all partial sums. */
    int64_t workspace_bytes, buffer_bytes, partial_bytes;
    void *partial; /* set by gn_schedule_run, NULL without */
};

/* The bytes of scratch that a job needs on so many threads. */
int64_t gn_schedule_scratch(const struct gn_job *job, int threads);

/* `threads` is gn_threads_available's; scratch has the bytes for so many. */
void gn_schedule_run(struct gn_job *job, int threads, char *scratch);

#endif
