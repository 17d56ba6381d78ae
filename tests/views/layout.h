/* SPDX-License-Identifier: MIT */
/*
 * Random strides, and where they place each element: by the definition of strides alone, so that
 * what src/tensor makes of them can be compared with it.
 */
#ifndef LAYOUT_H
#define LAYOUT_H

#include "tensor/view.h"

/* A tensor's dims and strides as a descriptor has them, and the view that the library makes. */
struct layout {
    gn_type type;
    int rank;
    int64_t dims[GN_MAX_RANK], strides[GN_MAX_RANK];
    int64_t N, C, S;
    enum gn_axis axis;
    bool shared; /* some elements share memory: it can only be an input */
    struct gn_view view;
};

/*
 * Dims of any order in memory, with and without gaps. Dims of size 1 have a stride that means
 * nothing. If `shared` is not set, no two elements share memory.
 */
void layout_random(struct layout *layout, uint64_t *random, bool shared);

/* The same dims, type and axis with other strides. */
void layout_random_strides(struct layout *layout, uint64_t *random, bool shared);

/* Where the element of sample n, channel c and spatial index s is, in elements. */
int64_t layout_at(const struct layout *layout, int64_t n, int64_t c, int64_t s);

/* The elements from the first to the last in memory. */
int64_t layout_length(const struct layout *layout);

/* All of it, for a message; valid until the next call. */
const char *layout_text(const struct layout *layout);

#endif /* LAYOUT_H */
