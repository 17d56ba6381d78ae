/* SPDX-License-Identifier: MIT */
/* Packs regions that kernels cannot use in place into contiguous buffers, and unpacks them. */
#include <string.h>

#include "tensor/view.h"
#include "tensor/walk.h"

typedef uint8_t bytes16 __attribute__((vector_size(16), aligned(1), may_alias));

/*
 * Copies n contiguous bytes, which are mostly of short rows. For these a call of memcpy takes
 * longer than the copy itself.
 */
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

/* Copies n elements. Strides are in elements. */
static void copy_strided(void *to, int64_t to_stride, const void *from, int64_t from_stride,
                         int64_t n, gn_type type)
{
    char *out = to;
    const char *in = from;
    to_stride *= gn_size(type);
    from_stride *= gn_size(type);
    switch (type) {
    case GN_BF16:
    case GN_F16:
        for (int64_t i = 0; i < n; i++, out += to_stride, in += from_stride)
            memcpy(out, in, 2);
        break;
    case GN_F32:
        for (int64_t i = 0; i < n; i++, out += to_stride, in += from_stride)
            memcpy(out, in, 4);
        break;
    case GN_F64:
        for (int64_t i = 0; i < n; i++, out += to_stride, in += from_stride)
            memcpy(out, in, 8);
        break;
    }
}

/*
 * One step of packing or unpacking a region: n elements of one row, or of the channels of one
 * pixel.
 */
struct copy {
    int64_t at, stride; /* in elements: the first one's offset, and the stride, in the tensor and in
                           the packed copy */
    int64_t in_packed, packed_stride;
    int64_t n;
};

static void move(char *tensor, char *packed, const struct copy *copy, gn_type type, bool back)
{
    char *a = gn_out_at(tensor, type, copy->at), *b = gn_out_at(packed, type, copy->in_packed);
    if (back)
        copy_strided(a, copy->stride, b, copy->packed_stride, copy->n, type);
    else
        copy_strided(b, copy->packed_stride, a, copy->stride, copy->n, type);
}

/*
 * Copies contiguous rows of one channel. The view has a dim of rows: otherwise they would be a
 * single row.
 */
static void move_pieces(const struct gn_view *view, char *channel, const struct gn_region *region,
                        char *packed, bool back)
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
        for (int64_t i = 0; i < rows; i++, at += pitch, packed += n * size)
            copy_bytes(back ? at : packed, back ? packed : at, n * size);
        if (n == whole)
            gn_walk_on(view, &walk, last - 1, rows);
        else
            gn_walk_on(view, &walk, last, n);
    }
}

/*
 * Copies up to the end of the last spatial dim at a time: one row after the other or, if channels
 * are nearer to each other than a row's elements, a few elements of each row in turn.
 */
static void move_rows(const struct gn_view *view, char *tensor, const struct gn_region *region,
                      char *packed, bool back)
{
    enum { FEW = 32 };
    int64_t stride = view->strides[view->rank - 1], size = gn_size(view->type);
    int64_t base = region->n * view->n + region->c * view->c;
    bool interleaved = region->channels > 1 && view->c < stride;
    if (stride == 1) {
        for (int64_t c = 0; c < region->channels; c++)
            move_pieces(view, tensor + (base + c * view->c) * size, region,
                        packed + c * region->length * size, back);
        return;
    }
    int64_t at_once = interleaved ? region->channels : 1;
    struct gn_walk start = gn_walk_to(view, region->s);
    for (int64_t c = 0; c < region->channels; c += at_once) {
        struct gn_walk walk = start;
        for (int64_t s = 0, n; s < region->length; s += n) {
            n = gn_walk_left(view, &walk, region->length - s);
            n = interleaved && n > FEW ? FEW : n;
            for (int64_t i = c; i < c + at_once; i++) {
                struct copy copy = {base + i * view->c + walk.offset, stride,
                                    i * region->length + s, 1, n};
                move(tensor, packed, &copy, view->type, back);
            }
            gn_walk_on(view, &walk, view->rank - 1, n);
        }
    }
}

/*
 * Copies one pixel after the other if channels are nearer to each other than pixels, else a few
 * pixels of each channel in turn.
 */
static void move_pixels(const struct gn_view *view, char *tensor, const struct gn_region *region,
                        char *packed, bool back)
{
    enum { PIXELS = 16 };
    int64_t stride = view->strides[view->rank - 1];
    int64_t base = region->n * view->n + region->c * view->c;
    struct gn_walk walk = gn_walk_to(view, region->s);
    for (int64_t s = 0, n; s < region->length; s += n) {
        int64_t at = base + walk.offset;
        n = gn_walk_left(view, &walk, region->length - s);
        n = n < PIXELS ? n : PIXELS;
        bool whole = view->c <= stride || n == 1;
        for (int64_t i = 0; i < (whole ? n : region->channels); i++) {
            struct copy copy = {at + i * stride, view->c, (s + i) * region->channels, 1,
                                region->channels};
            if (!whole)
                copy = (struct copy){at + i * view->c, stride, s * region->channels + i,
                                     region->channels, n};
            move(tensor, packed, &copy, view->type, back);
        }
        gn_walk_on(view, &walk, view->rank - 1, n);
    }
}

void gn_copy_in(const struct gn_view *view, const void *tensor, const struct gn_region *region,
                void *packed)
{
    char *from = (char *)(uintptr_t)tensor;
    if (view->axis == GN_AXIS_COLUMNS)
        move_pixels(view, from, region, packed, false);
    else
        move_rows(view, from, region, packed, false);
}

void gn_copy_out(const struct gn_view *view, void *tensor, const struct gn_region *region,
                 const void *packed)
{
    char *from = (char *)(uintptr_t)packed;
    if (view->axis == GN_AXIS_COLUMNS)
        move_pixels(view, tensor, region, from, true);
    else
        move_rows(view, tensor, region, from, true);
}
