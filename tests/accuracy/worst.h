/* SPDX-License-Identifier: MIT */
/*
 * Groups of three values, whose exact results are sums of three terms however many elements there
 * are, and the library's errors on them in units of the first column of bounds.
 */
#ifndef WORST_H
#define WORST_H

#include "support.h"

enum { CLASSES = 3, RESULTS = 6, MOST_LOG = 24 };

/*
 * One group. The outlier is element `at`; the others are of the first class where (i / 32) % period
 * is below `duty`, else of the second: 32 elements are one round of additions of a long row.
 */
struct problem {
    int log2_m;
    int64_t at;
    int period, duty;
    float x[CLASSES], dy[CLASSES];
    bool last; /* channels last, with 32 channels, or without spatial extent for m below 1024 */
    bool f64;
};

/* What a call works on, for up to 2^MOST_LOG elements; false where memory is lacking. */
bool worst_allocate(void);
void worst_release(void);

/* The errors of mean, rstd, y, dx, dgamma and dbeta; the last two where the group is one channel.
 */
void worst_evaluate(const struct problem *p, double errors[RESULTS]);

#endif /* WORST_H */
