/* SPDX-License-Identifier: MIT */
/* Limits on the number of threads of a process. Each applies to the whole process and cannot be
 * undone. */
#ifndef PROCESS_LIMITS_H
#define PROCESS_LIMITS_H

#include <stdbool.h>

enum { SKIPPED = 77 }; /* the exit status of a test whose limit cannot be set here */

/* Each function returns why its limit cannot be set, or NULL if it is set. */

/* RLIMIT_NPROC. The process first becomes another user, because the limit does not apply to
 * root. */
const char *limit_processes(void);
/* RLIMIT_AS: `room` bytes more than the process uses now. */
const char *limit_memory(unsigned long room);
/* Moves the process to the control group that make_group made. */
const char *limit_group(void);

/* Makes a control group of at most `most` threads, which is removed when the process exits. If this
 * machine has no control groups, prints a sentence to stdout and returns false. */
bool make_group(int most);

/* threads_alive returns the number of threads that the process has now. wait_for_threads waits
 * until it has at most `most` threads. */
int threads_alive(void);
void wait_for_threads(int most);

#endif /* PROCESS_LIMITS_H */
