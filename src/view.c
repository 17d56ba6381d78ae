/* SPDX-License-Identifier: MIT */
#include "view.h"

#include <string.h>

#include "types.h"

/* Merges spatial dims that follow on each other, and leaves out those of size 1. */
static void set_spatial(struct gn_view *view, const struct gn_desc *desc, const int64_t *strides)
{
    for (int i = 2; i < desc->rank; i++) {
        int last = view->rank - 1;
        if (desc->dims[i] == 1)
            continue;
        if (last >= 0 && view->strides[last] == strides[i] * desc->dims[i]) {
            view->dims[last] *= desc->dims[i];
            view->strides[last] = strides[i];
        } else {
            view->dims[view->rank] = desc->dims[i];
            view->strides[view->rank++] = strides[i];
        }
    }
    if (view->rank == 0)
        view->dims[view->rank++] = 1;
}

static void set_extent(struct gn_view *view, const struct gn_desc *desc, const int64_t *strides)
{
    view->extent.size = gn_size(view->type);
    view->extent.rank = desc->rank;
    for (int i = 0; i < desc->rank; i++) {
        view->extent.dims[i] = desc->dims[i];
        view->extent.strides[i] = desc->dims[i] == 1 ? 0 : strides[i] * view->extent.size;
    }
}

struct gn_view gn_view_of(const struct gn_desc *desc, gn_tensor which, gn_type type, bool columns)
{
    struct gn_view view = {.type = type};
    int64_t dense[GN_MAX_RANK];
    const int64_t *strides = desc->strided[which] ? desc->strides[which] : dense;
    gn_desc_dense_strides(desc, dense);
    set_spatial(&view, desc, strides);
    set_extent(&view, desc, strides);
    int64_t N = desc->dims[0], C = desc->dims[1], S = 1;
    for (int i = 0; i < view.rank; i++)
        S *= view.dims[i];
    view.n = N == 1 ? C * S : strides[0];
    view.c = C == 1 ? 1 : strides[1];
    bool line = view.rank == 1;
    if (columns) {
        view.pixel = S == 1 ? C : view.strides[0];
        view.direct = line && (C == 1 || view.c == 1);
        view.dense = view.direct && view.n == C * S && (S == 1 || view.pixel == C);
    } else {
        view.direct = line && (S == 1 || view.strides[0] == 1) && (C == 1 || view.c == S);
        view.dense = view.direct && view.n == C * S;
    }
    return view;
}

/* How many elements lie before this one of the spatial extent. */
static int64_t spatial_offset(const struct gn_view *view, int64_t s, int64_t *left)
{
    int64_t offset = 0;
    for (int i = view->rank - 1; i >= 0; i--) {
        int64_t index = s % view->dims[i];
        if (i == view->rank - 1)
            *left = view->dims[i] - index;
        offset += index * view->strides[i];
        s /= view->dims[i];
    }
    return offset;
}

struct gn_block gn_block_at(const struct gn_view *view, const void *tensor,
                            const struct gn_part *part, bool columns, void *buffer)
{
    if (!view->direct)
        return (struct gn_block){buffer, part->channels};
    int64_t at = part->n * view->n;
    at += columns ? part->s * view->pixel + part->c : part->c * view->c + part->s;
    return (struct gn_block){(void *)(uintptr_t)gn_at(tensor, view->type, at), view->pixel};
}

/* Elements of any size, so far apart in both. */
static void copy_run(void *to, int64_t to_stride, const void *from, int64_t from_stride, int64_t n,
                     int64_t size)
{
    if (to_stride == 1 && from_stride == 1) {
        memcpy(to, from, (size_t)(n * size));
        return;
    }
    char *out = to;
    const char *in = from;
    to_stride *= size;
    from_stride *= size;
    switch (size) {
    case 2:
        for (int64_t i = 0; i < n; i++, out += to_stride, in += from_stride)
            memcpy(out, in, 2);
        break;
    case 4:
        for (int64_t i = 0; i < n; i++, out += to_stride, in += from_stride)
            memcpy(out, in, 4);
        break;
    default:
        for (int64_t i = 0; i < n; i++, out += to_stride, in += from_stride)
            memcpy(out, in, 8);
    }
}

/* A step of copying between a part and its block: n elements of a row, or of the channels. */
struct run {
    int64_t at, stride; /* in the tensor */
    int64_t in_block, block_stride;
    int64_t n;
};

static void move_run(char *tensor, char *block, const struct run *run, int64_t size, bool back)
{
    char *a = tensor + run->at * size, *b = block + run->in_block * size;
    if (back)
        copy_run(a, run->stride, b, run->block_stride, run->n, size);
    else
        copy_run(b, run->block_stride, a, run->stride, run->n, size);
}

/* Row after row, as far as the last spatial dim goes at a time. */
static void move_rows(const struct gn_view *view, char *tensor, const struct gn_part *part,
                      char *block, bool back)
{
    int64_t stride = view->strides[view->rank - 1];
    for (int64_t c = 0; c < part->channels; c++) {
        int64_t base = part->n * view->n + (part->c + c) * view->c;
        for (int64_t s = 0, n; s < part->length; s += n) {
            int64_t left = 1, at = base + spatial_offset(view, part->s + s, &left);
            n = left < part->length - s ? left : part->length - s;
            struct run run = {at, stride, c * part->length + s, 1, n};
            move_run(tensor, block, &run, gn_size(view->type), back);
        }
    }
}

/* Pixel after pixel where channels are contiguous, else channel after channel of a few pixels. */
static void move_pixels(const struct gn_view *view, char *tensor, const struct gn_part *part,
                        char *block, bool back)
{
    enum { PIXELS = 16 };
    int64_t stride = view->strides[view->rank - 1], size = gn_size(view->type);
    int64_t base = part->n * view->n + part->c * view->c;
    for (int64_t s = 0, n; s < part->length; s += n) {
        int64_t left = 1, at = base + spatial_offset(view, part->s + s, &left);
        n = left < part->length - s ? left : part->length - s;
        n = n < PIXELS ? n : PIXELS;
        bool whole = view->c == 1 || n == 1;
        for (int64_t i = 0; i < (whole ? n : part->channels); i++) {
            struct run run = {at + i * stride, view->c, (s + i) * part->channels, 1,
                              part->channels};
            if (!whole)
                run = (struct run){at + i * view->c, stride, s * part->channels + i, part->channels,
                                   n};
            move_run(tensor, block, &run, size, back);
        }
    }
}

void gn_gather(const struct gn_view *view, const void *tensor, const struct gn_part *part,
               bool columns, struct gn_block block)
{
    char *from = (char *)(uintptr_t)tensor;
    if (view->direct)
        return;
    if (columns)
        move_pixels(view, from, part, block.data, false);
    else
        move_rows(view, from, part, block.data, false);
}

void gn_scatter(const struct gn_view *view, void *tensor, const struct gn_part *part, bool columns,
                struct gn_block block)
{
    if (view->direct)
        return;
    if (columns)
        move_pixels(view, tensor, part, block.data, true);
    else
        move_rows(view, tensor, part, block.data, true);
}
