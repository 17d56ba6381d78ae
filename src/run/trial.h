/* SPDX-License-Identifier: MIT */
/* A trial of whether the process may have more threads. */
#ifndef GN_TRIAL_H
#define GN_TRIAL_H

/*
 * Returns how many of `count` more threads can exist at once, with stacks of the size that OpenMP
 * uses. When this returns, all of them have exited and the kernel no longer counts them.
 */
int gn_try_threads(int count);

#endif
