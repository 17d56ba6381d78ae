/* SPDX-License-Identifier: MIT */
/* g = dy * act'(z) of rows and of pixels, for tiles with an activation, four vectors at a time. */
#ifndef GN_ACTIVE_GRADIENTS_H
#define GN_ACTIVE_GRADIENTS_H

#include "kernels/algo/gradient_sums.h"
#include "kernels/algo/last_pass_tile.h"

INLINE void row_gradients(const void *dy, const void *x, struct operands_f32 types, int64_t first,
                          int64_t n, const struct coefficients_f32 *all, float *g)
{
    enum { ACT_LENGTH = ACT_VECS_f32 * WIDTH_f32 };
    struct coefficients_f32 coefficients = *all;
    int64_t i = 0;
    for (; i + ACT_LENGTH <= n; i += ACT_LENGTH) {
        vec_f32 z[ACT_VECS_f32], dy_vecs[ACT_VECS_f32];
        EACH (v, ACT_VECS_f32) {
            int64_t at = first + i + v * WIDTH_f32;
            z[v] = z_of_f32(read_f32(x, types.x, at) - coefficients.mean, &coefficients);
            dy_vecs[v] = read_f32(dy, types.dy, at);
        }
        activate_backward_f32(dy_vecs, z, ACT_VECS_f32, types.activation);
        EACH (v, ACT_VECS_f32)
            store_f32(g + i + v * WIDTH_f32, dy_vecs[v]);
    }
    for (; i < n; i += WIDTH_f32) {
        int64_t part = n - i, at = first + i;
        vec_f32 d = read_part_f32(x, types.x, at, part, 0) - coefficients.mean;
        vec_f32 z = z_of_f32(d, &coefficients);
        vec_f32 dy_vec = read_part_f32(dy, types.dy, at, part, 0);
        activate_backward_f32(&dy_vec, &z, 1, types.activation);
        if (part >= WIDTH_f32)
            store_f32(g + i, dy_vec);
        else
            store_part_f32(g + i, dy_vec, part);
    }
}

/*
 * g of n elements of a row from `first` on. Floats have loops of their own; other types cost a
 * branch per vector.
 */
NOINLINE void make_gradients(const struct gn_tile *rows, int64_t first, int64_t n,
                             const struct coefficients_f32 *coefficients, float *g)
{
    struct operands_f32 types = {rows->x.type, rows->dy.type, rows->activation};
    if (types.x == GN_F32 && types.dy == GN_F32)
        WITH_ACTIVATION(types.activation, row_gradients(rows->dy.data, rows->x.data,
                                                        (struct operands_f32){GN_F32, GN_F32, ACT},
                                                        first, n, coefficients, g))
    else
        row_gradients(rows->dy.data, rows->x.data, types, first, n, coefficients, g);
}

/*
 * g of short rows. x, dy and out are floats, whose rows follow each other without a gap. z is
 * computed row by row first. The activation then runs over all rows as one, with a single tail.
 */
static void make_short_gradients(const struct gn_tile *z, const float *dy, gn_activation activation,
                                 const float *mean, const float *scale, const float *shift)
{
    const struct arrays_f32 coefficients = {mean, scale, shift, NULL, NULL};
    normalize_f32(z, coefficients);
    buffer_gradients_f32(dy, GN_F32, z->channels * z->length, activation, z->out.data);
}

/* The pixels of a tile, with their types and coefficients. */
struct pixels {
    const struct gn_tile *in;
    struct operands_f32 types;
    struct column_coefficients_f32 coefficients;
};

/*
 * g of `count` vectors of channels from c on of a pixel; or, if `part` is not 0, of the last `part`
 * channels.
 */
INLINE void gradient_vectors(const struct pixels *all, int64_t pixel, int64_t c, int count,
                             int64_t part, float *g)
{
    const struct gn_operand *in_x = &all->in->x, *in_dy = &all->in->dy;
    const struct operands_f32 types = all->types;
    vec_f32 dy[ACT_VECS_f32], z[ACT_VECS_f32];
    EACH (v, count) {
        int64_t on = c + v * WIDTH_f32;
        int64_t x_at = gn_offset_at(in_x->offsets, in_x->stride, pixel) + on;
        int64_t dy_at = gn_offset_at(in_dy->offsets, in_dy->stride, pixel) + on;
        vec_f32 x = part ? read_part_f32(in_x->data, types.x, x_at, part, 0)
                         : read_f32(in_x->data, types.x, x_at);
        dy[v] = part ? read_part_f32(in_dy->data, types.dy, dy_at, part, 0)
                     : read_f32(in_dy->data, types.dy, dy_at);
        struct coefficients_f32 coefficients = coefficients_at_f32(all->coefficients, on, true);
        z[v] = z_of_f32(x - coefficients.mean, &coefficients);
    }
    activate_backward_f32(dy, z, count, types.activation);
    if (part)
        store_part_f32(g + c, dy[0], part);
    else
        EACH (v, count)
            store_f32(g + c + v * WIDTH_f32, dy[v]);
}

/* g of pixels first to first + pixels - 1. `stride` is that of g, in floats. */
INLINE void pixel_gradients(struct gn_tile in, struct operands_f32 types,
                            struct column_coefficients_f32 coefficients, int64_t first,
                            int64_t pixels, float *g, int64_t stride)
{
    const struct pixels all = {&in, types, coefficients};
    for (int64_t p = first; p < first + pixels; p++, g += stride) {
        int64_t c = 0;
        for (; c + 4 * WIDTH_f32 <= in.channels; c += 4 * WIDTH_f32)
            gradient_vectors(&all, p, c, 4, 0, g);
        for (; c + WIDTH_f32 <= in.channels; c += WIDTH_f32)
            gradient_vectors(&all, p, c, 1, 0, g);
        if (c < in.channels)
            gradient_vectors(&all, p, c, 1, in.channels - c, g);
    }
}

/* The same. Floats have loops of their own; other types cost a branch per vector. */
NOINLINE void make_pixel_gradients(const struct gn_tile *in, int64_t first, int64_t pixels,
                                   struct column_coefficients_f32 coefficients, float *g,
                                   int64_t stride)
{
    struct operands_f32 types = {in->x.type, in->dy.type, in->activation};
    if (types.x == GN_F32 && types.dy == GN_F32)
        WITH_ACTIVATION(types.activation,
                        pixel_gradients(*in, (struct operands_f32){GN_F32, GN_F32, ACT},
                                        coefficients, first, pixels, g, stride))
    else
        pixel_gradients(*in, types, coefficients, first, pixels, g, stride);
}

#endif
