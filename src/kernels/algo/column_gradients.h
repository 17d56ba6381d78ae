/* SPDX-License-Identifier: MIT */
/*
 * The sums of gradients over columns: chunks in float, added up in double. Channels for which float
 * is not accurate enough are summed in f64.
 */
#ifndef GN_COLUMN_GRADIENTS_H
#define GN_COLUMN_GRADIENTS_H

#include "kernels/algo/active_gradients.h"
#include "kernels/algo/column_moments.h"
#include "kernels/algo/gradient_range.h"

/* sizes[c] is the size of channel c that gradient_fits takes. */
static void column_sizes(const struct gn_tile *in, struct column_coefficients_f32 coefficients,
                         float *sizes)
{
    if (in->activation == GN_ACTIVATION_IDENTITY)
        coefficients.scale = coefficients.shift =
            coefficients.mean; /* z is not used, but computed */
    for (int64_t c = 0; c < in->channels; c += WIDTH_f32) {
        vec_f32 sum = splat_f32(0);
        int64_t part = in->channels - c;
        for (int64_t p = 0; p < in->length; p++) {
            int64_t dy_at = gn_offset_at(in->dy.offsets, in->dy.stride, p) + c;
            int64_t x_at = gn_offset_at(in->x.offsets, in->x.stride, p) + c;
            vec_f32 g = read_part_f32(in->dy.data, in->dy.type, dy_at, part, 0);
            vec_f32 x = read_part_f32(in->x.data, in->x.type, x_at, part, 0);
            struct coefficients_f32 channel = coefficients_at_f32(coefficients, c, true);
            vec_f32 z = z_of_f32(x - channel.mean, &channel);
            if (vanishes(in->activation))
                activate_backward_f32(&g, &z, 1, in->activation);
            sum += abs_f32(g);
        }
        put_f32(sizes + c, sum);
    }
}

/* The float coefficients as doubles. */
static struct column_coefficients_f64 f64_columns(const struct gn_tile *in,
                                                  struct column_coefficients_f32 coefficients,
                                                  const struct column_work *w)
{
    for (int64_t c = 0; c < in->channels; c++) {
        w->f64[2][c] = (double)coefficients.mean[c];
        if (in->activation != GN_ACTIVATION_IDENTITY) {
            w->f64[3][c] = (double)coefficients.scale[c];
            w->f64[4][c] = (double)coefficients.shift[c];
        }
    }
    return (struct column_coefficients_f64){w->f64[2], w->f64[3], w->f64[4]};
}

/* Recomputes in f64 the channels whose float sums cannot be trusted. */
COLD void recompute_gradients_f64(const struct gn_tile *in,
                                  struct column_coefficients_f32 coefficients,
                                  const struct column_work *w, double *needs_f64)
{
    float *sizes = w->f32[2];
    double *a = w->sums[0], *b = w->sums[1];
    bool all = true;
    column_sizes(in, coefficients, sizes);
    for (int64_t c = 0; c < in->channels; c++) {
        bool fits = gradient_fits(a[c], b[c], least_gradient(in->activation), sizes[c]);
        all &= fits;
        sizes[c] = fits;
        if (!fits)
            a[c] = b[c] = 0;
        if (needs_f64)
            needs_f64[c] = !fits;
    }
    if (all)
        return;
    FELL_BACK();
    struct column_coefficients_f64 in_f64 = f64_columns(in, coefficients, w);
    for (int64_t p = 0; p < in->length; p += CHUNK_PIXELS) {
        column_gradient_f64(in, p, chunk_pixels(in, p), in_f64, w->f64[0], w->f64[1]);
        for (int64_t c = 0; c < in->channels; c++) {
            a[c] += sizes[c] != 0 ? 0 : w->f64[0][c];
            b[c] += sizes[c] != 0 ? 0 : w->f64[1][c];
        }
    }
}

/*
 * The sums of a chunk with an activation. Computes g of the chunk first, into saved_g or into a
 * buffer in the L1 cache, and then its sums.
 */
static void active_gradient(const struct gn_tile *in, int64_t first, int64_t pixels,
                            struct column_coefficients_f32 coefficients,
                            const struct column_work *w)
{
    bool saves = in->saved_g.data;
    int64_t stride = saves ? in->saved_g.stride : in->channels;
    float *g = saves ? (float *)in->saved_g.data + first * stride : w->g;
    int64_t offset = in->x.offsets ? 0 : first * in->x.stride;
    struct gn_tile chunk = {.axis = GN_AXIS_COLUMNS,
                            .channels = in->channels,
                            .length = pixels,
                            .x = in->x,
                            .dy = {.data = g, .type = GN_F32, .stride = stride},
                            .beyond_llc = in->beyond_llc};
    chunk.x.data = gn_out_at(in->x.data, in->x.type, offset);
    chunk.x.offsets = in->x.offsets ? in->x.offsets + first : NULL;
    make_pixel_gradients(in, first, pixels, coefficients, g, stride);
    column_gradient_f32(&chunk, 0, pixels, coefficients, w->f32[0], w->f32[1]);
}

/* Copies each group's mean to its channels. */
static void spread_means(const struct gn_tile *in, const float *mean, float *means)
{
    for (int64_t c = 0; c < in->channels; c += in->depth, mean++)
        for (int64_t i = 0; i < in->depth; i++)
            means[c + i] = *mean;
    memset(means + in->channels, 0,
           (size_t)(gn_padded(in->channels) - in->channels) * sizeof *means);
}

/*
 * The sums of a tile in f32. If per_group is true, all->mean is the caller's array of one mean per
 * group, without padding.
 */
static void sums_columns(const struct gn_tile *in, const struct arrays_f32 *all, bool per_group,
                         struct gn_sums to, double *scratch)
{
    struct column_work w = split_work(scratch, in->channels);
    struct column_coefficients_f32 coefficients = {all->mean, all->scale, all->shift};
    if (per_group) {
        spread_means(in, all->mean, w.means);
        coefficients.mean = w.means;
    }
    if (to.needs_f64)
        memset(to.needs_f64, 0, (size_t)in->channels * sizeof *to.needs_f64);
    for (int64_t p = 0; p < in->length; p += CHUNK_PIXELS) {
        if (in->activation != GN_ACTIVATION_IDENTITY)
            active_gradient(in, p, chunk_pixels(in, p), coefficients, &w);
        else
            column_gradient_f32(in, p, chunk_pixels(in, p), coefficients, w.f32[0], w.f32[1]);
        add_chunk(in->channels, w.f32[0], p == 0, w.sums[0]);
        add_chunk(in->channels, w.f32[1], p == 0, w.sums[1]);
    }
    if (!all_gradients_fit(in->channels, w.sums[0], w.sums[1], least_gradient(in->activation)))
        recompute_gradients_f64(in, coefficients, &w, to.needs_f64);
    memcpy(to.dy, w.sums[0], (size_t)in->channels * sizeof(double));
    memcpy(to.dyx, w.sums[1], (size_t)in->channels * sizeof(double));
}

/* The sums of a tile in f64, with coefficients per channel. */
static void sums_columns_f64(const struct gn_tile *in, const struct arrays_f64 *all,
                             struct gn_sums to, double *scratch)
{
    struct column_work w = split_work(scratch, in->channels);
    struct column_coefficients_f64 coefficients = {all->mean, all->scale, all->shift};
    size_t bytes = (size_t)in->channels * sizeof(double);
    memset(to.dy, 0, bytes);
    memset(to.dyx, 0, bytes);
    for (int64_t p = 0; p < in->length; p += CHUNK_PIXELS) {
        column_gradient_f64(in, p, chunk_pixels(in, p), coefficients, w.f64[0], w.f64[1]);
        for (int64_t c = 0; c < in->channels; c++) {
            to.dy[c] += w.f64[0][c];
            to.dyx[c] += w.f64[1][c];
        }
    }
}

#endif
