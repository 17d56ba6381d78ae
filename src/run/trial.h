/* SPDX-License-Identifier: MIT */
/* Trying out whether the process may have more threads. */
#ifndef GN_TRIAL_H
#define GN_TRIAL_H

/*
 * How many of `count` more threads can live at once, with stacks as OpenMP's have. None of them is
 * left, nor counted by the kernel any more, when this returns.
 */
int gn_try_threads(int count);

#endif
