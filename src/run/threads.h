/* SPDX-License-Identifier: MIT */
/* How many threads a call uses: what was asked for, what pays, and what can be had. */
#ifndef GN_THREADS_H
#define GN_THREADS_H

#include <stdint.h>

enum { GN_MAX_THREADS = 1024 };

/*
 * The threads that a call on so many elements is to use: at most `wanted`, or for 0 OpenMP's number
 * and the processors that the process may use. 1 where OpenMP cannot make a team: in a parallel
 * region, and in a forked process.
 */
int gn_threads_for(int wanted, int64_t elements);

/*
 * How many of these OpenMP can have as one team, which the calling thread must start next if they
 * are more than one. libgomp ends the process where it cannot make a thread, so threads that it
 * does not have yet are tried out first. Where some cannot be had, the next calls do without them
 * and do not try.
 */
int gn_threads_available(int threads);

/* The calling thread as the leader of its teams, after gn_threads_available gave it some. */
struct gn_leader *gn_threads_leader(void);
/* In the team: its leader says that OpenMP has made it; the exit of each other thread is noted. */
void gn_threads_made(struct gn_leader *leader, int threads);
void gn_threads_join(struct gn_leader *leader);

#endif
