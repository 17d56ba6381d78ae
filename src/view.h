/* SPDX-License-Identifier: MIT */
/*
 * Where the elements of a tensor lie, and parts of it as kernels want them: rows of contiguous
 * elements, or pixels of contiguous channels. A part that lies so already is read and written where
 * it is, as are rows and pixels that are unevenly apart; of any other, there is a copy.
 */
#ifndef GN_VIEW_H
#define GN_VIEW_H

#include <stdbool.h>

#include "desc.h"
#include "kernels/kernels.h"
#include "overlap.h"
#include "types.h"

struct gn_view {
    gn_type type;
    int64_t n, c; /* from a sample, or a channel, to the next, in elements */
    int rank;     /* of the spatial extent, in as few dims as it goes, the last the fastest */
    int64_t dims[GN_MAX_RANK], strides[GN_MAX_RANK];
    bool direct;             /* every part lies as kernels want it */
    bool walked;             /* likewise, but that rows do not follow on each other, or pixels are
                                unevenly apart */
    bool dense;              /* and sample follows on sample */
    int64_t pixel;           /* of columns: from a pixel to the next */
    int64_t contiguous_len;  /* of rows: so many elements follow each other, 0: few */
    struct gn_extent extent; /* of all, from a start of 0 */
};

/* A part of a sample: `length` elements of the spatial extent from s on, of channels from c on. */
struct gn_region {
    int64_t n, c, channels, s, length;
    /* Rows may come in contiguous pieces that end at multiples of it; 0: whole, or columns. */
    int64_t contiguous_len;
};

/* How many elements the first of a part's runs has, or would have in a longer part. */
static inline int64_t gn_first_len(const struct gn_region *region)
{
    return region->contiguous_len && region->s
               ? region->contiguous_len - region->s % region->contiguous_len
               : region->contiguous_len;
}

/* In what runs a pass over rows can go that needs no others: of the whole extent, S, or less. */
int64_t gn_shared_contiguous_len(int64_t S, const struct gn_view *const *views, int count);

/* The view of one of the descriptor's tensors, of the type; columns: as kernels want it. */
struct gn_view gn_view_of(const struct gn_desc *desc, gn_tensor which, gn_type type, bool columns);

/* For the functions below: where views are not direct (view.c), and what is packed (pack.c). */
void gn_operand_apart(const struct gn_view *view, const void *tensor,
                      const struct gn_region *region, bool columns, void *buffer,
                      struct gn_operand *operand);
void gn_copy_in(const struct gn_view *view, const void *tensor, const struct gn_region *region,
                bool columns, void *operand);
void gn_copy_out(const struct gn_view *view, void *tensor, const struct gn_region *region,
                 bool columns, const void *operand);

/*
 * The part itself where the view is direct, or walked, with what the walk needs in the buffer; else
 * its place in the buffer, into which gather copies it, and from which scatter brings it back.
 * Parts of rows are whole channels or of one alone, and where the view is dense, may go on into the
 * next samples. Rows may come in runs where the tensor has them: then the data is a channel's first
 * element, and `at` counts from there, of a single run too.
 */
static inline void gn_operand_at(const struct gn_view *view, const void *tensor,
                                 const struct gn_region *region, bool columns, void *buffer,
                                 struct gn_operand *operand)
{
    if (!view->direct) {
        gn_operand_apart(view, tensor, region, columns, buffer, operand);
        return;
    }
    int64_t at =
        region->n * view->n + region->c * view->c + region->s * (columns ? view->pixel : 1);
    *operand = (struct gn_operand){.data = (void *)(uintptr_t)gn_at(tensor, view->type, at),
                                   .type = view->type,
                                   .stride = columns ? view->pixel : view->c};
}

static inline void gn_pack(const struct gn_view *view, const void *tensor,
                           const struct gn_region *region, bool columns,
                           const struct gn_operand *operand)
{
    if (operand->packed)
        gn_copy_in(view, tensor, region, columns, operand->data);
}

static inline void gn_unpack(const struct gn_view *view, void *tensor,
                             const struct gn_region *region, bool columns,
                             const struct gn_operand *operand)
{
    if (operand->packed)
        gn_copy_out(view, tensor, region, columns, operand->data);
}

#endif
