/* SPDX-License-Identifier: MIT */
/*
 * Random strides, and the place of each element. layout_at uses only the definition of strides, so
 * that tests can compare src/tensor with it.
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
    bool shared; /* elements may share memory, so the tensor can only be an input */
    struct gn_view view;
};

/*
 * Chooses dims in any order in memory, with or without gaps. Dims of size 1 have an arbitrary
 * stride. If `shared` is false, no two elements share memory.
 */
void layout_random(struct layout *layout, uint64_t *random, bool shared);

/* The same dims, type and axis with other strides. */
void layout_random_strides(struct layout *layout, uint64_t *random, bool shared);

/* The offset of the element of sample n, channel c and spatial index s, in elements. */
int64_t layout_at(const struct layout *layout, int64_t n, int64_t c, int64_t s);

/* The number of elements from the first to the last in memory, gaps included. */
int64_t layout_length(const struct layout *layout);

/* A description for messages. It is valid until the next call. */
const char *layout_text(const struct layout *layout);

#endif /* LAYOUT_H */
