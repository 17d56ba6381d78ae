/* SPDX-License-Identifier: MIT */
/*
 * Whether all threads pay. A team waits for its last thread, which another program may keep off its
 * processor for milliseconds. So a plan's calls are timed. If those on all threads take much longer
 * than the fastest of them did, some calls are made on one thread; if these take less time, one
 * thread is used, and all of them are tried again now and then. Results do not depend on it.
 */
#ifndef GN_PACE_H
#define GN_PACE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Must be all zeros at first. Times are in nanoseconds; 0: unknown. */
struct gn_pace {
    atomic_bool on_one;    /* use one thread */
    atomic_bool recording; /* a call is being recorded; others at that time are not */
    int threads;           /* all threads: another number makes the times unknown */
    int64_t least;         /* the fastest call on all threads */
    int64_t all, one;      /* the mean time of a call in the last windows on all, and on one */
    int64_t calls, time;   /* of this window */
    int64_t patience;      /* how long it takes until the slower way is tried again */
    int64_t waited;        /* the time since it was tried */
};

/* The number of threads for the next call: `threads`, which is more than 1, or 1. */
int gn_pace_threads(struct gn_pace *pace, int threads);

/* Records that a call with this number of threads for all took `time` on all threads or on one. */
void gn_pace_record(struct gn_pace *pace, int threads, bool on_one, int64_t time);

#endif
