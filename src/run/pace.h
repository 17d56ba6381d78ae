/* SPDX-License-Identifier: MIT */
/*
 * Whether all threads pay. A team waits for its last thread, which another program may keep off its
 * processor for milliseconds. So a plan's calls are timed. If those on all threads take much longer
 * than the fastest of them did, all threads and one are compared, in calls that take turns, and
 * what was faster is used until the next comparison. Results do not depend on it.
 */
#ifndef GN_PACE_H
#define GN_PACE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum gn_pace_mode { GN_PACE_ALL, GN_PACE_ONE, GN_PACE_COMPARE };

/* Calls, and the sum of their times. Times are in nanoseconds. */
struct gn_pace_calls {
    int64_t count, time;
};

/* The pace of calls that take about as long as each other. Must be all zeros at first. */
struct gn_pace {
    atomic_int mode;               /* an enum gn_pace_mode */
    atomic_uint turn;              /* counts calls while all and one are compared */
    atomic_bool recording;         /* a call is being recorded; others at that time are not */
    int threads;                   /* all threads: another number begins anew */
    bool prefers_one;              /* the result of the last comparison */
    int64_t least;                 /* the fastest call on all threads since the last comparison */
    struct gn_pace_calls all, one; /* of this window, or of this comparison */
    int64_t compared, patience;    /* when they were compared, and how long until the next time */
};

/* The number of threads for the next call: `threads`, which is more than 1, or 1. */
int gn_pace_threads(struct gn_pace *pace, int threads);

/*
 * Records that a call took from `start` until `end`, on `threads` threads or, if on_one is true, on
 * one instead. A call that took no time by the clock does not count.
 */
void gn_pace_record(struct gn_pace *pace, int threads, bool on_one, int64_t start, int64_t end);

/* Begins anew: the threads could not be had. */
void gn_pace_reset(struct gn_pace *pace);

#endif
