/* SPDX-License-Identifier: MIT */
/*
 * Replaces the C library's allocation functions for the whole process, so that a test can count the
 * library's allocations and make them fail. Sanitizers and valgrind use replacements of their own:
 * with them, nothing is counted and nothing fails.
 */
#ifndef INTERPOSE_H
#define INTERPOSE_H

#include <stdbool.h>

/* Finds the library's addresses. Returns whether its allocations can be counted. */
bool interpose_start(void);

/* From here on, counts the library's allocations on the calling thread and makes number `failing`
 * of them fail: 1 is the first, 0 is none. */
void interpose_arm(int failing);

/* The allocations since interpose_arm. */
struct interposed {
    int by_library; /* allocations by the library's own code */
    int by_all;     /* allocations by any code on this thread, including OpenMP */
    int failed;
};
struct interposed interpose_disarm(void);

/* The number of allocations by the library, on any thread and at any time, that are not yet
 * freed. */
int interpose_live(void);

#endif /* INTERPOSE_H */
