/* SPDX-License-Identifier: MIT */
/*
 * Prints a line from time to time in a long test, to show how far the test is:
 *
 *     fuzz: case 3800 of 20000 after 12 s
 *
 * GN_TEST_PROGRESS is a list of files, separated by colons: lines are appended to the first that
 * can be opened, and go to stderr if there is none. GN_TEST_PROGRESS_SECONDS is the time between
 * two lines, by default 5 seconds; a test that takes less time prints nothing.
 */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <stdint.h>

/* Records that the test is at step number `done` of `total` (0: unknown), and prints a line if it
 * is time. `what` names one step and must keep its text. Only for the main thread. */
void progress(const char *what, int64_t done, int64_t total);

/* Prints the line of the last recorded step, if it is time. Any thread may call it. */
void progress_tick(void);

#endif /* PROGRESS_H */
