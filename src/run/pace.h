/* SPDX-License-Identifier: MIT */
/*
 * Whether all threads pay. A team waits for its last thread, which another program may keep off its
 * processor for milliseconds. So a plan's calls are timed. If those on all threads take much longer
 * than the fastest of them did, a trial makes every other call on one thread, and what was faster
 * is used until the next trial. Results do not depend on it.
 */
#ifndef GN_PACE_H
#define GN_PACE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum gn_pace_mode { GN_PACE_ALL, GN_PACE_ONE, GN_PACE_TRIAL };

/* Calls, and the sum of their times in nanoseconds. */
struct gn_pace_calls {
    int64_t count, time;
};

/* Must be all zeros at first. */
struct gn_pace {
    atomic_int mode;               /* an enum gn_pace_mode */
    atomic_uint trial;             /* counts calls in a trial, to alternate */
    atomic_bool recording;         /* a call is being recorded; others at that time are not */
    int threads;                   /* all threads: another number begins anew */
    bool prefers_one;              /* the result of the last trial */
    int64_t least;                 /* the fastest call on all threads */
    struct gn_pace_calls all, one; /* of this window, or of this trial */
    int64_t waited, patience;      /* the time since the last trial, and until the next one */
};

/* The number of threads for the next call: `threads`, which is more than 1, or 1. */
int gn_pace_threads(struct gn_pace *pace, int threads);

/* Records that a call took `time`, on `threads` threads or, if on_one is true, on one instead. */
void gn_pace_record(struct gn_pace *pace, int threads, bool on_one, int64_t time);

#endif
