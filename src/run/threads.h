/* SPDX-License-Identifier: MIT */
/* How many threads a call uses: what was asked for, what pays, and what the process can have. */
#ifndef GN_THREADS_H
#define GN_THREADS_H

#include <stdint.h>

enum { GN_MAX_THREADS = 1024 };

/*
 * The number of threads that a call on `elements` elements should use: at most `wanted`; if that is
 * 0, at most OpenMP's number and the processors that the process may use. It is 1 where OpenMP
 * cannot make a team: in a parallel region, and in a forked process.
 */
int gn_threads_for(int wanted, int64_t elements);

/*
 * How many of `threads` threads OpenMP can have as one team. If the result is more than 1, the
 * calling thread must start that team next. libgomp ends the process if it cannot make a thread, so
 * threads that do not exist yet are tried out first. If a trial fails, the next calls use the
 * threads that exist and make no trial.
 */
int gn_threads_available(int threads);

/*
 * The calling thread as a leader of teams. Valid after gn_threads_available returned more than 1.
 */
struct gn_leader *gn_threads_leader(void);
/*
 * Called inside the team. The leader calls gn_threads_made when OpenMP has made its team of
 * `threads` threads; every other thread calls gn_threads_join, so that its exit is noticed.
 */
void gn_threads_made(struct gn_leader *leader, int threads);
void gn_threads_join(struct gn_leader *leader);

#endif
