/* SPDX-License-Identifier: MIT */
/* Iterates over the spatial extent of a view in order. */
#ifndef GN_WALK_H
#define GN_WALK_H

#include "tensor/view.h"

/* An element of the spatial extent: its index along each dim, and its offset in elements. */
struct gn_walk {
    int64_t index[GN_MAX_RANK], offset;
};

static inline struct gn_walk gn_walk_to(const struct gn_view *view, int64_t s)
{
    struct gn_walk walk = {.offset = 0};
    for (int i = view->rank - 1; i >= 0; i--) {
        walk.index[i] = s % view->dims[i];
        walk.offset += walk.index[i] * view->strides[i];
        s /= view->dims[i];
    }
    return walk;
}

/* The number of elements from here to the end of the last dim, at most n. */
static inline int64_t gn_walk_left(const struct gn_view *view, const struct gn_walk *walk,
                                   int64_t n)
{
    int64_t left = view->dims[view->rank - 1] - walk->index[view->rank - 1];
    return left < n ? left : n;
}

/* Advances by n along a dim, by no more than is left of it. */
static inline void gn_walk_on(const struct gn_view *view, struct gn_walk *walk, int dim, int64_t n)
{
    int i = dim;
    walk->index[i] += n;
    walk->offset += n * view->strides[i];
    for (; i > 0 && walk->index[i] == view->dims[i]; i--) {
        walk->offset += view->strides[i - 1] - view->dims[i] * view->strides[i];
        walk->index[i] = 0;
        walk->index[i - 1]++;
    }
}

#endif
