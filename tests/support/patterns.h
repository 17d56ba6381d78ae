/* SPDX-License-Identifier: MIT */
/* Data that is hard to normalize, each pattern laid out along the elements of every group. */
#ifndef PATTERNS_H
#define PATTERNS_H

#include "support.h"

/* The value of element k of m in a group, in the order channel, spatial; rows are spatial long. */
typedef float pattern_value(int64_t k, int64_t m, int64_t spatial, uint64_t *random);

struct pattern {
    const char *name;
    pattern_value *value;
    /* Rounding errors are as independent as the table of bounds asks for. */
    bool independent;
    /* Groups may have no variance at all, so that eps 0 gives no numbers. */
    bool constant;
    /* With eps 0, 1/sqrt(var) is beyond the floats. */
    bool vanishing;
};

extern const struct pattern patterns[];
extern const int pattern_count;
const struct pattern *pattern_named(const char *name);

/* Sets every group of x, or of another tensor of that shape. */
void pattern_fill(const struct shape *shape, pattern_value *value, uint64_t seed, float *x);

/* The memory index of element k of group (n, g). */
int64_t group_index(const struct shape *shape, int64_t n, int64_t g, int64_t k);

#endif /* PATTERNS_H */
