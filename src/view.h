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
    int64_t run;             /* of rows: so many elements are contiguous, 0: few */
    struct gn_extent extent; /* of all, from a start of 0 */
};

/* A part of a sample: `length` elements of the spatial extent from s on, of channels from c on. */
struct gn_part {
    int64_t n, c, channels, s, length;
    int64_t run; /* rows may come in runs that end at multiples of it; 0: whole, or columns */
};

/* How many elements the first of a part's runs has, or would have in a longer part. */
static inline int64_t gn_first_run(const struct gn_part *part)
{
    return part->run && part->s ? part->run - part->s % part->run : part->run;
}

/* In what runs a pass over rows can go that needs no others: of the whole extent, S, or less. */
int64_t gn_shared_run(int64_t S, const struct gn_view *const *views, int count);

/* The view of one of the descriptor's tensors, of the type; columns: as kernels want it. */
struct gn_view gn_view_of(const struct gn_desc *desc, gn_tensor which, gn_type type, bool columns);

/* A part where kernels get it, and how far its rows or pixels are apart. */
struct gn_block {
    void *data;
    int64_t stride;
    const int64_t *at; /* where each pixel begins, or each run of a row; NULL: none apart */
    bool copied;
};

/* For the functions below: where views are not direct (view.c), and what is copied (gather.c). */
void gn_block_apart(const struct gn_view *view, const void *tensor, const struct gn_part *part,
                    bool columns, void *buffer, struct gn_block *block);
void gn_copy_in(const struct gn_view *view, const void *tensor, const struct gn_part *part,
                bool columns, void *block);
void gn_copy_out(const struct gn_view *view, void *tensor, const struct gn_part *part, bool columns,
                 const void *block);

/*
 * The part itself where the view is direct, or walked, with what the walk needs in the buffer; else
 * its place in the buffer, into which gather copies it, and from which scatter brings it back.
 * Parts of rows are whole channels or of one alone, and where the view is dense, may go on into the
 * next samples. Rows may come in runs where the tensor has them: then the data is a channel's first
 * element, and `at` counts from there, of a single run too.
 */
static inline void gn_block_at(const struct gn_view *view, const void *tensor,
                               const struct gn_part *part, bool columns, void *buffer,
                               struct gn_block *block)
{
    if (!view->direct) {
        gn_block_apart(view, tensor, part, columns, buffer, block);
        return;
    }
    int64_t at = part->n * view->n + part->c * view->c + part->s * (columns ? view->pixel : 1);
    *block = (struct gn_block){.data = (void *)(uintptr_t)gn_at(tensor, view->type, at),
                               .stride = columns ? view->pixel : view->c};
}

static inline void gn_gather(const struct gn_view *view, const void *tensor,
                             const struct gn_part *part, bool columns, const struct gn_block *block)
{
    if (block->copied)
        gn_copy_in(view, tensor, part, columns, block->data);
}

static inline void gn_scatter(const struct gn_view *view, void *tensor, const struct gn_part *part,
                              bool columns, const struct gn_block *block)
{
    if (block->copied)
        gn_copy_out(view, tensor, part, columns, block->data);
}

#endif
