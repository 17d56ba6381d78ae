/* SPDX-License-Identifier: MIT */
/* Data that is ill-conditioned for normalization. Each pattern is laid out along the elements of
 * every group. */
#ifndef PATTERNS_H
#define PATTERNS_H

#include "support.h"

/* The value of element k of the m elements of a group, ordered by channel, then by spatial index. A
 * row has `spatial` elements. */
typedef float pattern_value(int64_t k, int64_t m, int64_t spatial, uint64_t *random);

struct pattern {
    const char *name;
    pattern_value *value;
    /* The rounding errors are independent enough for the second column of the table of bounds. */
    bool independent;
    /* Some groups may have no variance at all: with eps 0 their results are not numbers. */
    bool constant;
    /* With eps 0, 1/sqrt(var) is too large for a float. */
    bool vanishing;
};

extern const struct pattern patterns[];
extern const int pattern_count;
const struct pattern *pattern_named(const char *name);

/* Fills every group of x, or of another tensor of the shape of x. */
void pattern_fill(const struct shape *shape, pattern_value *value, uint64_t seed, float *x);

/* The memory index of element k of group (n, g). */
int64_t group_index(const struct shape *shape, int64_t n, int64_t g, int64_t k);

#endif /* PATTERNS_H */
