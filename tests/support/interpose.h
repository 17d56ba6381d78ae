/* SPDX-License-Identifier: MIT */
/*
 * The C library's allocation functions, replaced for the whole process so that the library's calls
 * of them can be counted and made to fail. Sanitizers and valgrind bring replacements of their own:
 * with them nothing is counted and nothing fails.
 */
#ifndef INTERPOSE_H
#define INTERPOSE_H

#include <stdbool.h>

/* Finds where the library lies in memory; whether its calls are counted. */
bool interpose_start(void);

/* The calling thread's allocations from here on: the library's are counted, and its one of that
 * number fails, 1 being the first and 0 none. */
void interpose_arm(int failing);

/* What was seen since interpose_arm. */
struct interposed {
    int by_library; /* allocations by the library's own code */
    int by_all;     /* and by anything on this thread, OpenMP included */
    int failed;
};
struct interposed interpose_disarm(void);

/* Allocations by the library that were not freed, on any thread, ever. */
int interpose_live(void);

#endif /* INTERPOSE_H */
