/* SPDX-License-Identifier: MIT */
/*
 * Views: the places of a tensor's elements, and its regions as kernels want them: rows of
 * contiguous elements, or pixels of contiguous channels. A region with that structure is read and
 * written in place, even if its rows or pixels have no constant stride. Any other region is packed.
 */
#ifndef GN_VIEW_H
#define GN_VIEW_H

#include <stdbool.h>

#include "kernels/kernels.h"
#include "tensor/overlap.h"

struct gn_view {
    gn_type type;
    enum gn_axis axis;
    int64_t n, c; /* strides of samples and channels, in elements */
    int rank;     /* spatial dims, merged into as few as possible, the last one the fastest */
    int64_t dims[GN_MAX_RANK], strides[GN_MAX_RANK];
    bool in_place; /* kernels can use every region where it is */
    bool direct;   /* in place without offsets and, in rows, without gaps between channels */
    bool dense;    /* direct, and samples follow each other without a gap */
    int64_t pixel; /* columns: stride of pixels */
    int64_t contiguous_len;  /* rows: elements that follow each other; 0: too few */
    struct gn_extent extent; /* of the tensor, from a start of 0 */
};

/*
 * Channels c to c + channels - 1 of sample n, and of each the `length` elements from spatial index
 * s on.
 */
struct gn_region {
    int64_t n, c, channels, s, length;
    /* Rows: whole rows if 0; else pieces that end at multiples of this. Columns: 0. */
    int64_t contiguous_len;
};

/* The length of the first piece of a region's rows, not limited by the region's length. */
static inline int64_t gn_first_len(const struct gn_region *region)
{
    int64_t len = region->contiguous_len;
    return len && region->s ? len - region->s % len : len;
}

/* The contiguous_len with which a pass over rows can use all of these views: S, or less. */
int64_t gn_shared_contiguous_len(int64_t S, const struct gn_view *const *views, int count);

/* Writes the strides of a dense tensor, in elements. */
void gn_dense_strides(int rank, const int64_t *dims, gn_layout layout, int64_t *strides);

struct gn_view gn_view_of(gn_type type, enum gn_axis axis, int rank, const int64_t *dims,
                          const int64_t *strides);

/* Used by the functions below: views that are not direct (view.c), and copies (pack.c). */
void gn_operand_indirect(const struct gn_view *view, const void *tensor,
                         const struct gn_region *region, void *buffer, struct gn_operand *operand);
void gn_copy_in(const struct gn_view *view, const void *tensor, const struct gn_region *region,
                void *packed);
void gn_copy_out(const struct gn_view *view, void *tensor, const struct gn_region *region,
                 const void *packed);

/*
 * Makes a region an operand: in place, with its offsets in `buffer` if it needs any, or packed into
 * `buffer`, which gn_pack fills and gn_unpack writes back. A region of rows is whole channels or a
 * part of one; it extends into the next samples only if the view is dense. The offsets of pieces
 * count from the channel's first element.
 */
static inline void gn_operand_at(const struct gn_view *view, const void *tensor,
                                 const struct gn_region *region, void *buffer,
                                 struct gn_operand *operand)
{
    bool columns = view->axis == GN_AXIS_COLUMNS;
    if (!view->direct) {
        gn_operand_indirect(view, tensor, region, buffer, operand);
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

/* Makes a region an operand that kernels can read, packing it if needed. */
static inline void gn_read_region(const struct gn_view *view, const void *tensor,
                                  const struct gn_region *region, void *buffer,
                                  struct gn_operand *operand)
{
    gn_operand_at(view, tensor, region, buffer, operand);
    gn_pack(view, tensor, region, operand);
}

/*
 * Makes rows follow each other without a gap: in place if they do already, else as a copy in
 * `buffer`.
 */
void gn_flatten_rows(const struct gn_region *region, void *buffer, struct gn_operand *rows);

#endif
