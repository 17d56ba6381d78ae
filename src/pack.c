/* SPDX-License-Identifier: MIT */
/* Copies of parts of tensors that kernels cannot use where they lie, and back. */
#include <string.h>

#include "view.h"
#include "walk.h"

typedef uint8_t bytes16 __attribute__((vector_size(16), aligned(1), may_alias));

/* Bytes side by side, mostly of short rows: for these a call takes longer than what it does. */
static inline void copy_bytes(char *to, const char *from, int64_t n)
{
    if (n < 16 || n > 1024) {
        memcpy(to, from, (size_t)n);
        return;
    }
    bytes16 last = *(const bytes16 *)(from + n - 16);
    int64_t i = 0;
    for (; i + 64 <= n; i += 64) {
        bytes16 a = *(const bytes16 *)(from + i), b = *(const bytes16 *)(from + i + 16);
        bytes16 c = *(const bytes16 *)(from + i + 32), d = *(const bytes16 *)(from + i + 48);
        *(bytes16 *)(to + i) = a;
        *(bytes16 *)(to + i + 16) = b;
        *(bytes16 *)(to + i + 32) = c;
        *(bytes16 *)(to + i + 48) = d;
    }
    for (; i + 16 < n; i += 16)
        *(bytes16 *)(to + i) = *(const bytes16 *)(from + i);
    *(bytes16 *)(to + n - 16) = last;
}

/* Elements of any size, so far apart in both. */
static void copy_run(void *to, int64_t to_stride, const void *from, int64_t from_stride, int64_t n,
                     int64_t size)
{
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

/* Rows of contiguous elements of a channel; there is a dim of rows, or they would be one. */
static void move_lines(const struct gn_view *view, char *channel, const struct gn_region *region,
                       char *block, bool back)
{
    int last = view->rank - 1;
    int64_t size = gn_size(view->type), whole = view->dims[last];
    int64_t pitch = view->strides[last - 1] * size;
    struct gn_walk walk = gn_walk_to(view, region->s);
    for (int64_t s = 0, n, rows; s < region->length; s += rows * n) {
        char *at = channel + walk.offset * size;
        n = gn_walk_left(view, &walk, region->length - s);
        rows = 1;
        if (n == whole) {
            rows = (region->length - s) / n;
            int64_t left = view->dims[last - 1] - walk.index[last - 1];
            rows = rows < left ? rows : left;
        }
        for (int64_t i = 0; i < rows; i++, at += pitch, block += n * size)
            copy_bytes(back ? at : block, back ? block : at, n * size);
        if (n == whole)
            gn_walk_on(view, &walk, last - 1, rows);
        else
            gn_walk_on(view, &walk, last, n);
    }
}

/*
 * As far as the last spatial dim goes at a time: row after row, or where channels are nearer to
 * each other, a few elements of each row.
 */
static void move_rows(const struct gn_view *view, char *tensor, const struct gn_region *region,
                      char *block, bool back)
{
    enum { FEW = 32 };
    int64_t stride = view->strides[view->rank - 1], size = gn_size(view->type);
    int64_t base = region->n * view->n + region->c * view->c;
    bool woven = region->channels > 1 && view->c < stride;
    if (stride == 1) {
        for (int64_t c = 0; c < region->channels; c++)
            move_lines(view, tensor + (base + c * view->c) * size, region,
                       block + c * region->length * size, back);
        return;
    }
    int64_t together = woven ? region->channels : 1;
    struct gn_walk start = gn_walk_to(view, region->s);
    for (int64_t c = 0; c < region->channels; c += together) {
        struct gn_walk walk = start;
        for (int64_t s = 0, n; s < region->length; s += n) {
            n = gn_walk_left(view, &walk, region->length - s);
            n = woven && n > FEW ? FEW : n;
            for (int64_t i = c; i < c + together; i++) {
                struct run run = {base + i * view->c + walk.offset, stride, i * region->length + s,
                                  1, n};
                move_run(tensor, block, &run, size, back);
            }
            gn_walk_on(view, &walk, view->rank - 1, n);
        }
    }
}

/* Pixel after pixel where channels are nearer to each other, else a few pixels of each channel. */
static void move_pixels(const struct gn_view *view, char *tensor, const struct gn_region *region,
                        char *block, bool back)
{
    enum { PIXELS = 16 };
    int64_t stride = view->strides[view->rank - 1], size = gn_size(view->type);
    int64_t base = region->n * view->n + region->c * view->c;
    struct gn_walk walk = gn_walk_to(view, region->s);
    for (int64_t s = 0, n; s < region->length; s += n) {
        int64_t at = base + walk.offset;
        n = gn_walk_left(view, &walk, region->length - s);
        n = n < PIXELS ? n : PIXELS;
        bool whole = view->c <= stride || n == 1;
        for (int64_t i = 0; i < (whole ? n : region->channels); i++) {
            struct run run = {at + i * stride, view->c, (s + i) * region->channels, 1,
                              region->channels};
            if (!whole)
                run = (struct run){at + i * view->c, stride, s * region->channels + i,
                                   region->channels, n};
            move_run(tensor, block, &run, size, back);
        }
        gn_walk_on(view, &walk, view->rank - 1, n);
    }
}

void gn_copy_in(const struct gn_view *view, const void *tensor, const struct gn_region *region,
                bool columns, void *block)
{
    char *from = (char *)(uintptr_t)tensor;
    if (columns)
        move_pixels(view, from, region, block, false);
    else
        move_rows(view, from, region, block, false);
}

void gn_copy_out(const struct gn_view *view, void *tensor, const struct gn_region *region,
                 bool columns, const void *block)
{
    char *from = (char *)(uintptr_t)block;
    if (columns)
        move_pixels(view, tensor, region, from, true);
    else
        move_rows(view, tensor, region, from, true);
}
