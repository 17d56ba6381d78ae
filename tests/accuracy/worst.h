/* SPDX-License-Identifier: MIT */
/* Groups of three different values, and the library's errors on them in units of the first column
 * of bounds. The exact results are sums of three terms, however many elements a group has. */
#ifndef WORST_H
#define WORST_H

#include "support.h"

enum { CLASSES = 3, RESULTS = 6, MOST_LOG = 24 };

/*
 * One group. The outlier is element `at`. The other elements are of the first class if (i / 32) %
 * period is below `duty`, otherwise of the second: 32 elements are one round of additions of a long
 * row.
 */
struct problem {
    int log2_m;
    int64_t at;
    int period, duty;
    float x[CLASSES], dy[CLASSES];
    bool last; /* channels last, with 32 channels, or without spatial extent if m is below 1024 */
    bool f64;
};

/* Allocates the arguments of a call for up to 2^MOST_LOG elements. Returns false if memory is
 * lacking. */
bool worst_allocate(void);
void worst_release(void);

/* The errors of mean, rstd, y, dx, dgamma and dbeta, the last two only if the group is one
 * channel. */
void worst_evaluate(const struct problem *p, double errors[RESULTS]);

#endif /* WORST_H */
