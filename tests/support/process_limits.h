/* SPDX-License-Identifier: MIT */
/* Limits of the threads that a process may have. Each is for the whole process, and for good. */
#ifndef PROCESS_LIMITS_H
#define PROCESS_LIMITS_H

#include <stdbool.h>

enum { SKIPPED = 77 }; /* the status of a test that cannot have its limit here */

/* Each returns why the limit cannot be had, or NULL. */

/* RLIMIT_NPROC, as another user than the superuser, who may have any number. */
const char *limit_processes(void);
/* RLIMIT_AS: so many bytes more than the process has now. */
const char *limit_memory(unsigned long room);
/* The control group that make_group made. */
const char *limit_group(void);

/*
 * A control group of `most` threads, which is removed when the process exits; false, with a
 * sentence on stdout, where this machine has none.
 */
bool make_group(int most);

/* How many threads the process has now, and waits until they are no more than so many. */
int threads_alive(void);
void wait_for_threads(int most);

#endif /* PROCESS_LIMITS_H */
