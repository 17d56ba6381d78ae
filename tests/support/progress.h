/* SPDX-License-Identifier: MIT */
/*
 * A line now and then from a test that takes long, so that who waits sees how far it is:
 *
 *     fuzz: case 3800 of 20000 after 12 s
 *
 * GN_TEST_PROGRESS is a list of files with colons between them: lines are appended to the first
 * that can be opened, and go to stderr if there is none. GN_TEST_PROGRESS_SECONDS is the time
 * between two lines, 5 seconds if it is not set; a test that takes less prints nothing.
 */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <stdint.h>

/*
 * Says that the test is at step number `done` of `total`, or of an unknown number if total is 0,
 * and prints a line if it is time. what names one step and must keep its text. Only for the main
 * thread.
 */
void progress(const char *what, int64_t done, int64_t total);

/* Prints the line of the last step, if it is time; for any thread. */
void progress_tick(void);

#endif /* PROGRESS_H */
