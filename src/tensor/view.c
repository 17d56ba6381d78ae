/* SPDX-License-Identifier: MIT */
#include "tensor/view.h"

#include <string.h>

#include "tensor/walk.h"

/* Contiguous pieces of fewer elements than this are packed. */
enum { LEAST_CONTIGUOUS = 8 };

void gn_dense_strides(int rank, const int64_t *dims, gn_layout layout, int64_t *strides)
{
    bool last = layout == GN_CHANNELS_LAST;
    int64_t stride = 1;
    if (last) {
        strides[1] = stride;
        stride *= dims[1];
    }
    for (int i = rank - 1; i >= 0; i--) {
        if (i == 1 && last)
            continue;
        strides[i] = stride;
        stride *= dims[i];
    }
}

/*
 * Sets the spatial dims: merges dims that follow each other without a gap, and leaves out those of
 * size 1.
 */
static void set_spatial(struct gn_view *view, int rank, const int64_t *dims, const int64_t *strides)
{
    for (int i = 2; i < rank; i++) {
        int last = view->rank - 1;
        if (dims[i] == 1)
            continue;
        if (last >= 0 && view->strides[last] == strides[i] * dims[i]) {
            view->dims[last] *= dims[i];
            view->strides[last] = strides[i];
        } else {
            view->dims[view->rank] = dims[i];
            view->strides[view->rank++] = strides[i];
        }
    }
    if (view->rank == 0)
        view->dims[view->rank++] = 1;
}

static void set_extent(struct gn_view *view, int rank, const int64_t *dims, const int64_t *strides)
{
    view->extent.size = gn_size(view->type);
    view->extent.rank = rank;
    for (int i = 0; i < rank; i++) {
        view->extent.dims[i] = dims[i];
        view->extent.strides[i] = dims[i] > 1 ? strides[i] * view->extent.size : 0;
    }
}

static void set_columns(struct gn_view *view, int64_t C, int64_t S)
{
    bool even = view->rank == 1;
    view->pixel = S == 1 ? C : view->strides[0];
    view->in_place = view->c == 1;
    view->direct = view->in_place && even;
    view->dense = view->direct && view->n == C * S && (S == 1 || view->pixel == C);
}

static void set_rows(struct gn_view *view, int64_t C, int64_t S)
{
    int last = view->rank - 1;
    bool whole = view->rank == 1 && (S == 1 || view->strides[0] == 1);
    bool pieces = view->strides[last] == 1 && view->dims[last] >= LEAST_CONTIGUOUS;
    view->in_place = whole;
    view->direct = whole && view->c == S;
    view->dense = view->direct && view->n == C * S;
    view->contiguous_len = whole ? S : pieces ? view->dims[last] : 0;
}

struct gn_view gn_view_of(gn_type type, enum gn_axis axis, int rank, const int64_t *dims,
                          const int64_t *strides)
{
    struct gn_view view = {.type = type, .axis = axis};
    set_spatial(&view, rank, dims, strides);
    set_extent(&view, rank, dims, strides);
    int64_t N = dims[0], C = dims[1], S = 1;
    for (int i = 0; i < view.rank; i++)
        S *= view.dims[i];
    view.n = N == 1 ? C * S : strides[0];
    view.c = C > 1 ? strides[1] : axis == GN_AXIS_COLUMNS ? 1 : S;
    if (axis == GN_AXIS_COLUMNS)
        set_columns(&view, C, S);
    else
        set_rows(&view, C, S);
    return view;
}

/*
 * Writes the offset of each of a region's pixels, from the region's first channel at spatial index
 * 0.
 */
static void list_pixels(const struct gn_view *view, const struct gn_region *region,
                        int64_t *offsets)
{
    int64_t stride = view->strides[view->rank - 1];
    struct gn_walk walk = gn_walk_to(view, region->s);
    for (int64_t s = 0, n; s < region->length; s += n) {
        n = gn_walk_left(view, &walk, region->length - s);
        for (int64_t i = 0; i < n; i++)
            offsets[s + i] = walk.offset + i * stride;
        gn_walk_on(view, &walk, view->rank - 1, n);
    }
}

/* Writes the offset of each contiguous piece of a region's rows, from a row's first element. */
static void list_pieces(const struct gn_view *view, const struct gn_region *region,
                        int64_t *offsets)
{
    struct gn_walk walk = gn_walk_to(view, region->s);
    int64_t n = gn_first_len(region);
    for (int64_t s = 0; s < region->length; s += n, n = region->contiguous_len) {
        *offsets++ = walk.offset;
        n = n < region->length - s ? n : region->length - s;
        gn_walk_on(view, &walk, view->rank - 1, n);
    }
}

int64_t gn_shared_contiguous_len(int64_t S, const struct gn_view *const *views, int count)
{
    int64_t len = S;
    for (int i = 0; i < count; i++)
        if (views[i]->contiguous_len && views[i]->contiguous_len < len)
            len = views[i]->contiguous_len;
    return len;
}

void gn_operand_indirect(const struct gn_view *view, const void *tensor,
                         const struct gn_region *region, void *buffer, struct gn_operand *operand)
{
    bool columns = view->axis == GN_AXIS_COLUMNS;
    bool pieces = !view->in_place && region->contiguous_len && view->contiguous_len;
    if (!view->in_place && !pieces) {
        *operand = (struct gn_operand){.data = buffer,
                                       .type = view->type,
                                       .stride = columns ? region->channels : region->length,
                                       .packed = true};
        return;
    }
    int64_t at = region->n * view->n + region->c * view->c + (columns || pieces ? 0 : region->s);
    *operand = (struct gn_operand){.data = (void *)(uintptr_t)gn_at(tensor, view->type, at),
                                   .type = view->type,
                                   .stride = columns ? view->pixel : view->c};
    if (!columns && !pieces)
        return;
    if (columns)
        list_pixels(view, region, buffer);
    else
        list_pieces(view, region, buffer);
    operand->offsets = buffer;
}

void gn_flatten_rows(const struct gn_region *region, void *buffer, struct gn_operand *rows)
{
    gn_type type = rows->type;
    if (rows->stride == region->length || region->channels == 1)
        return;
    for (int64_t c = 0; c < region->channels; c++)
        memcpy(gn_out_at(buffer, type, c * region->length),
               gn_at(rows->data, type, c * rows->stride), (size_t)(region->length * gn_size(type)));
    rows->data = buffer;
    rows->stride = region->length;
}
