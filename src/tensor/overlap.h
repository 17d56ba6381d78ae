/* SPDX-License-Identifier: MIT */
/* Whether elements that strides place share memory. */
#ifndef GN_OVERLAP_H
#define GN_OVERLAP_H

#include <stdbool.h>
#include <stdint.h>

enum { GN_MAX_RANK = 8 };

/* Elements at start + sum of index * stride, all in bytes. */
struct gn_extent {
    uintptr_t start;
    int64_t size; /* of an element */
    int rank;
    int64_t dims[GN_MAX_RANK], strides[GN_MAX_RANK]; /* each dim 1 or more */
};

/* The bytes from the first element's start to the last one's end. */
int64_t gn_extent_bytes(const struct gn_extent *extent);

/* Whether two elements of different indices share memory, or it takes too long to tell. */
bool gn_overlaps_itself(const struct gn_extent *extent);

/*
 * Whether an element of one shares memory with one of the other, or it takes too long to tell. The
 * caller has asked before whether their ranges do.
 */
bool gn_overlap(const struct gn_extent *a, const struct gn_extent *b);

#endif
