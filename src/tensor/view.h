/* SPDX-License-Identifier: MIT */
/*
 * Where the elements of a tensor lie, and regions of it as kernels want them: rows of contiguous
 * elements, or pixels of contiguous channels. A region that lies so is read and written where it
 * is, also where its rows or pixels are unevenly apart; of any other, a packed copy is.
 */
#ifndef GN_VIEW_H
#define GN_VIEW_H

#include <stdbool.h>

#include "kernels/kernels.h"
#include "tensor/overlap.h"

struct gn_view {
    gn_type type;
    enum gn_axis axis;
    int64_t n, c; /* from a sample, or a channel, to the next, in elements */
    int rank;     /* of the spatial extent, in as few dims as it goes, the last the fastest */
    int64_t dims[GN_MAX_RANK], strides[GN_MAX_RANK];
    bool direct;   /* every region lies as kernels want it */
    bool uneven;   /* likewise, but with gaps between rows, or of any kind between pixels */
    bool dense;    /* direct, and sample follows on sample */
    int64_t pixel; /* columns: from a pixel to the next */
    int64_t contiguous_len;  /* rows: so many elements follow each other; 0: few */
    struct gn_extent extent; /* of the tensor, from a start of 0 */
};

/* Channels c to c + channels - 1 of sample n, and of each `length` elements from spatial index s
 * on. */
struct gn_region {
    int64_t n, c, channels, s, length;
    /* Rows may come in contiguous pieces that end at multiples of it; 0: whole, or columns. */
    int64_t contiguous_len;
};

/* How many elements the first piece of a region's rows has, or would have in a longer region. */
static inline int64_t gn_first_len(const struct gn_region *region)
{
    int64_t len = region->contiguous_len;
    return len && region->s ? len - region->s % len : len;
}

/* The pieces in which a pass over rows of several views can go: of all S elements, or fewer. */
int64_t gn_shared_contiguous_len(int64_t S, const struct gn_view *const *views, int count);

/* Strides of a dense tensor. */
void gn_dense_strides(int rank, const int64_t *dims, gn_layout layout, int64_t *strides);

struct gn_view gn_view_of(gn_type type, enum gn_axis axis, int rank, const int64_t *dims,
                          const int64_t *strides);

/* For the functions below: views that are not direct (view.c), and copies (pack.c). */
void gn_operand_apart(const struct gn_view *view, const void *tensor,
                      const struct gn_region *region, void *buffer, struct gn_operand *operand);
void gn_copy_in(const struct gn_view *view, const void *tensor, const struct gn_region *region,
                void *packed);
void gn_copy_out(const struct gn_view *view, void *tensor, const struct gn_region *region,
                 const void *packed);

/*
 * A region as an operand: where it lies, with its offsets in the buffer if it needs some, or as a
 * copy in the buffer, which gn_pack fills and gn_unpack brings back. A region of rows is whole
 * channels or a part of one, and goes on into the next samples only where the view is dense. Where
 * rows come in pieces, the offsets count from the channel's first element.
 */
static inline void gn_operand_at(const struct gn_view *view, const void *tensor,
                                 const struct gn_region *region, void *buffer,
                                 struct gn_operand *operand)
{
    bool columns = view->axis == GN_COLUMNS;
    if (!view->direct) {
        gn_operand_apart(view, tensor, region, buffer, operand);
        return;
    }
    int64_t at =
        region->n * view->n + region->c * view->c + region->s * (columns ? view->pixel : 1);
    *operand = (struct gn_operand){.data = (void *)(uintptr_t)gn_at(tensor, view->type, at),
                                   .type = view->type,
                                   .stride = columns ? view->pixel : view->c};
}

static inline void gn_pack(const struct gn_view *view, const void *tensor,
                           const struct gn_region *region, const struct gn_operand *operand)
{
    if (operand->packed)
        gn_copy_in(view, tensor, region, operand->data);
}

static inline void gn_unpack(const struct gn_view *view, void *tensor,
                             const struct gn_region *region, const struct gn_operand *operand)
{
    if (operand->packed)
        gn_copy_out(view, tensor, region, operand->data);
}

/* A region where kernels can read it. */
static inline void gn_read_region(const struct gn_view *view, const void *tensor,
                                  const struct gn_region *region, void *buffer,
                                  struct gn_operand *operand)
{
    gn_operand_at(view, tensor, region, buffer, operand);
    gn_pack(view, tensor, region, operand);
}

/* Lays rows one after the other: where they lie so already, or as a copy in the buffer. */
void gn_flatten_rows(const struct gn_region *region, void *buffer, struct gn_operand *rows);

#endif
