/* SPDX-License-Identifier: MIT */
/* Whether elements that lie at strides share memory. */
#ifndef GN_OVERLAP_H
#define GN_OVERLAP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/types.h"

/* Elements at start + the sum of index * stride, all in bytes. */
struct gn_extent {
    uintptr_t start;
    int64_t size; /* of an element */
    int rank;
    int64_t dims[GN_MAX_RANK], strides[GN_MAX_RANK]; /* each dim is 1 or more */
};

/* The bytes from the first element's start to the last element's end. */
int64_t gn_extent_bytes(const struct gn_extent *extent);

/* Whether two elements of different indices share memory, or the search takes too long. */
bool gn_overlaps_itself(const struct gn_extent *extent);

/*
 * Whether an element of a shares memory with one of b, or the search takes too long. The caller has
 * found before that their address ranges overlap.
 */
bool gn_overlap(const struct gn_extent *a, const struct gn_extent *b);

#endif
