/* SPDX-License-Identifier: MIT */
/*
 * Shares out a job over threads, never changing what is computed in which order.
 *
 * A job has items that do not depend on each other (groups, or samples). An item is worked off in
 * one or more steps, one after the other; each step first reduces all tiles of its data, then
 * finishes the reduction, then applies the result to all tiles. A thread takes whole items where
 * there are enough of them, several small ones in one go: first from its own part of them, then
 * from those of threads that are slower. The items that would leave threads idle are done by all
 * together.
 */
#ifndef GN_SCHEDULE_H
#define GN_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

/* Consecutive items that are worked off as one, at one of their steps. */
struct gn_batch {
    int64_t item, items, step;
};

struct gn_job {
    int64_t items;
    int64_t most;     /* items that a thread takes at a time, at most */
    int64_t tiles;    /* of a step */
    int64_t units;    /* in which finishing can be shared out */
    int64_t collects; /* in which collecting can be shared out; 0: nothing to collect */

    /* Divides a slot, before anything else is done with it. */
    void (*open)(const struct gn_job *job, void *slot);
    /* How many items from `item` on, at most `limit`, can be worked off as one. */
    int64_t (*batch)(const struct gn_job *job, int64_t item, int64_t limit);
    /* The steps of an item; those of a batch have the same. NULL: one. */
    int64_t (*steps)(const struct gn_job *job, int64_t item);
    /* Each of the next five may be NULL, prepared with prepare: then there is nothing to do. */
    /* Before reduce, for what it needs of the step: as reduce and finish. */
    void (*prepare)(const struct gn_job *job, const struct gn_batch *batch, int64_t tile,
                    void *slot, void *work);
    void (*prepared)(const struct gn_job *job, const struct gn_batch *batch, void *slot,
                     int64_t first, int64_t last);
    /* Reduces one tile into the step's slot, or does all there is to do; work is the thread's own.
     */
    void (*reduce)(const struct gn_job *job, const struct gn_batch *batch, int64_t tile, void *slot,
                   void *work);
    /*
     * Turns what all tiles left in the slot into what apply needs, for units first..last - 1; a
     * batch of several items is one unit.
     */
    void (*finish)(const struct gn_job *job, const struct gn_batch *batch, void *slot,
                   int64_t first, int64_t last, void *work);
    /* Writes one tile of the output. */
    void (*apply)(const struct gn_job *job, const struct gn_batch *batch, int64_t tile,
                  const void *slot, void *work);
    /* After all items: gathers what they left, first..last - 1 of `collects`. */
    void (*collect)(const struct gn_job *job, int64_t first, int64_t last);

    /* Multiples of 64: each thread has a work area; see gn_schedule_scratch for slots. */
    int64_t slot_bytes, work_bytes;
    /* What the items leave for collect to gather, a multiple of 64; gn_schedule_run sets left. */
    int64_t left_bytes;
    void *left;

    const void *call; /* the driver's own */
};

/* The bytes of scratch that a job needs on so many threads. */
int64_t gn_schedule_scratch(const struct gn_job *job, int threads);

/* `threads` is gn_threads_available's; scratch has the bytes for so many. */
void gn_schedule_run(struct gn_job *job, int threads, char *scratch);

#endif
