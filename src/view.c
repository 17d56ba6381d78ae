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
        view->extent.strides[i] = desc->dims[i] > 1 ? strides[i] * view->extent.size : 0;
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
    view.c = C > 1 ? strides[1] : columns ? 1 : S;
    bool line = view.rank == 1;
    if (columns) {
        view.pixel = S == 1 ? C : view.strides[0];
        view.direct = line && (C == 1 || view.c == 1);
        view.walked = !line && view.c == 1;
        view.dense = view.direct && view.n == C * S && (S == 1 || view.pixel == C);
    } else {
        bool whole = line && (S == 1 || view.strides[0] == 1);
        view.direct = whole && view.c == S;
        view.walked = whole && view.c != S;
        view.dense = view.direct && view.n == C * S;
    }
    return view;
}

/* An element of the spatial extent: where it is along each dim, and in memory. */
struct walk {
    int64_t index[GN_MAX_RANK], offset;
};

static struct walk walk_to(const struct gn_view *view, int64_t s)
{
    struct walk walk = {.offset = 0};
    for (int i = view->rank - 1; i >= 0; i--) {
        walk.index[i] = s % view->dims[i];
        walk.offset += walk.index[i] * view->strides[i];
        s /= view->dims[i];
    }
    return walk;
}

/* How many elements lie one stride of the last dim from the other, from here on, at most n. */
static int64_t run_length(const struct gn_view *view, const struct walk *walk, int64_t n)
{
    int64_t left = view->dims[view->rank - 1] - walk->index[view->rank - 1];
    return left < n ? left : n;
}

/* Goes on by no more than is left of the last dim. */
static void go_on(const struct gn_view *view, struct walk *walk, int64_t n)
{
    int i = view->rank - 1;
    walk->index[i] += n;
    walk->offset += n * view->strides[i];
    for (; i > 0 && walk->index[i] == view->dims[i]; i--) {
        walk->offset += view->strides[i - 1] - view->dims[i] * view->strides[i];
        walk->index[i] = 0;
        walk->index[i - 1]++;
    }
}

/* Where each of a part's pixels begins. */
static void list_pixels(const struct gn_view *view, const struct gn_part *part, int64_t *at)
{
    int64_t stride = view->strides[view->rank - 1];
    struct walk walk = walk_to(view, part->s);
    for (int64_t s = 0, n; s < part->length; s += n) {
        n = run_length(view, &walk, part->length - s);
        for (int64_t i = 0; i < n; i++)
            at[s + i] = walk.offset + i * stride;
        go_on(view, &walk, n);
    }
}

struct gn_block gn_block_at(const struct gn_view *view, const void *tensor,
                            const struct gn_part *part, bool columns, void *buffer)
{
    if (!view->direct && !view->walked)
        return (struct gn_block){buffer, columns ? part->channels : part->length, NULL};
    int64_t at = part->n * view->n + part->c * view->c;
    if (!columns || view->direct)
        at += columns ? part->s * view->pixel : part->s;
    struct gn_block block = {.data = (void *)(uintptr_t)gn_at(tensor, view->type, at),
                             .stride = columns ? view->pixel : view->c};
    if (columns && view->walked) {
        list_pixels(view, part, buffer);
        block.at = buffer;
    }
    return block;
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

/*
 * As far as the last spatial dim goes at a time: row after row, or where channels are nearer to
 * each other, a few elements of each row.
 */
static void move_rows(const struct gn_view *view, char *tensor, const struct gn_part *part,
                      char *block, bool back)
{
    enum { FEW = 32 };
    int64_t stride = view->strides[view->rank - 1], size = gn_size(view->type);
    int64_t base = part->n * view->n + part->c * view->c;
    bool woven = part->channels > 1 && view->c < stride;
    int64_t together = woven ? part->channels : 1;
    struct walk start = walk_to(view, part->s);
    for (int64_t c = 0; c < part->channels; c += together) {
        struct walk walk = start;
        for (int64_t s = 0, n; s < part->length; s += n) {
            n = run_length(view, &walk, part->length - s);
            n = woven && n > FEW ? FEW : n;
            for (int64_t i = c; i < c + together; i++) {
                struct run run = {base + i * view->c + walk.offset, stride, i * part->length + s, 1,
                                  n};
                move_run(tensor, block, &run, size, back);
            }
            go_on(view, &walk, n);
        }
    }
}

/* Pixel after pixel where channels are nearer to each other, else a few pixels of each channel. */
static void move_pixels(const struct gn_view *view, char *tensor, const struct gn_part *part,
                        char *block, bool back)
{
    enum { PIXELS = 16 };
    int64_t stride = view->strides[view->rank - 1], size = gn_size(view->type);
    int64_t base = part->n * view->n + part->c * view->c;
    struct walk walk = walk_to(view, part->s);
    for (int64_t s = 0, n; s < part->length; s += n) {
        int64_t at = base + walk.offset;
        n = run_length(view, &walk, part->length - s);
        if (view->c == 1 && stride == part->channels) {
            struct run run = {at, 1, s * part->channels, 1, n * part->channels};
            move_run(tensor, block, &run, size, back);
            go_on(view, &walk, n);
            continue;
        }
        n = n < PIXELS ? n : PIXELS;
        bool whole = view->c <= stride || n == 1;
        for (int64_t i = 0; i < (whole ? n : part->channels); i++) {
            struct run run = {at + i * stride, view->c, (s + i) * part->channels, 1,
                              part->channels};
            if (!whole)
                run = (struct run){at + i * view->c, stride, s * part->channels + i, part->channels,
                                   n};
            move_run(tensor, block, &run, size, back);
        }
        go_on(view, &walk, n);
    }
}

void gn_gather(const struct gn_view *view, const void *tensor, const struct gn_part *part,
               bool columns, struct gn_block block)
{
    char *from = (char *)(uintptr_t)tensor;
    if (view->direct || view->walked)
        return;
    if (columns)
        move_pixels(view, from, part, block.data, false);
    else
        move_rows(view, from, part, block.data, false);
}

void gn_scatter(const struct gn_view *view, void *tensor, const struct gn_part *part, bool columns,
                struct gn_block block)
{
    if (view->direct || view->walked)
        return;
    if (columns)
        move_pixels(view, tensor, part, block.data, true);
    else
        move_rows(view, tensor, part, block.data, true);
}
