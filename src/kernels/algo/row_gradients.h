/* SPDX-License-Identifier: MIT */
/*
 * The sums of gradients over rows: chunk by chunk, in float where the chunk's values allow it, else
 * in f64.
 */
#ifndef GN_ROW_GRADIENTS_H
#define GN_ROW_GRADIENTS_H

#include "kernels/algo/active_gradients.h"
#include "kernels/algo/convert.h"
#include "kernels/algo/gradient_range.h"
#include "kernels/algo/gradient_sums.h"
#include "kernels/algo/last_pass_rows.h"
#include "kernels/algo/short_gradients.h"

static const struct operands_f32 floats = {GN_F32, GN_F32, GN_ACTIVATION_IDENTITY};

/*
 * The coefficients of row c. scale and shift are set only with an activation. The mean is that of
 * its group, which has rows->depth rows.
 */
INLINE struct coefficients_f32 coefficients_of_row(const struct gn_tile *rows,
                                                   const struct arrays_f32 *all, int64_t c)
{
    struct coefficients_f32 coefficients = {.mean = splat_f32(all->mean[c / rows->depth])};
    if (rows->activation != GN_ACTIVATION_IDENTITY) {
        coefficients.scale = splat_f32(all->scale[c]);
        coefficients.shift = splat_f32(all->shift[c]);
    }
    return coefficients;
}

/* Row c of a tile. */
INLINE struct gn_tile row_of(const struct gn_tile *rows, int64_t c)
{
    struct gn_tile row = *rows;
    row.x.data = gn_out_at(rows->x.data, rows->x.type, c * rows->x.stride);
    row.dy.data = gn_out_at(rows->dy.data, rows->dy.type, c * rows->dy.stride);
    row.saved_g.data = gn_out_at(rows->saved_g.data, GN_F32, c * rows->length);
    return row;
}

/* Recomputes in f64 those rows below SHORT whose float sums cannot be trusted. */
COLD void recompute_rows_f64(const struct gn_tile *rows, const struct arrays_f32 *all,
                             struct gn_sums to)
{
    struct operands_f32 types = {rows->x.type, rows->dy.type, rows->activation};
    double least = least_gradient(rows->activation);
    for (int64_t c = 0; c < rows->channels; c++) {
        struct coefficients_f32 coefficients = coefficients_of_row(rows, all, c);
        struct gn_tile row = row_of(rows, c);
        struct gradient_span_f32 in = {row.dy.data, row.x.data, types,
                                       0,           row.length, &coefficients};
        bool needs_f64 = !gradient_fits(to.dy[c], to.dyx[c], least, UNKNOWN_SIZE) &&
                         recompute_gradient_f64(in, &to.dy[c], &to.dyx[c]);
        if (to.needs_f64)
            to.needs_f64[c] = needs_f64;
    }
}

/* A and B of rows of any length without an activation, chunk by chunk. */
INLINE void sums_long(const struct gn_tile *rows, struct operands_f32 types,
                      const struct arrays_f32 *all, struct gn_sums to)
{
    int64_t length = rows->length;
    for (int64_t c = 0; c < rows->channels; c++) {
        const void *dy = gn_at(rows->dy.data, types.dy, c * rows->dy.stride);
        const void *x = gn_at(rows->x.data, types.x, c * rows->x.stride);
        struct coefficients_f32 coefficients = {.mean = splat_f32(all->mean[c / rows->depth])};
        to.dy[c] = to.dyx[c] = 0;
        for (int64_t i = 0; i < length; i += CHUNK) {
            int64_t n = length - i < CHUNK ? length - i : CHUNK;
            double a, b;
            struct gradient_span_f32 in = {dy, x, types, i, n, &coefficients};
            row_gradient_f32(in, &a, &b);
            if (!gradient_fits(a, b, least_gradient(GN_ACTIVATION_IDENTITY), UNKNOWN_SIZE))
                recompute_gradient_f64(in, &a, &b);
            to.dy[c] += a;
            to.dyx[c] += b;
        }
    }
}

/* The functions for long rows are not inlined, so that each loop gets all registers. */
typedef void sums_of_rows(const struct gn_tile *rows, const struct arrays_f32 *all,
                          struct gn_sums to);

NOINLINE void sums_long_f32(const struct gn_tile *rows, const struct arrays_f32 *all,
                            struct gn_sums to)
{
    sums_long(rows, floats, all, to);
}

NOINLINE void sums_long_bf16(const struct gn_tile *rows, const struct arrays_f32 *all,
                             struct gn_sums to)
{
    sums_long(rows, (struct operands_f32){GN_BF16, GN_BF16, GN_ACTIVATION_IDENTITY}, all, to);
}

NOINLINE void sums_long_f16(const struct gn_tile *rows, const struct arrays_f32 *all,
                            struct gn_sums to)
{
    sums_long(rows, (struct operands_f32){GN_F16, GN_F16, GN_ACTIVATION_IDENTITY}, all, to);
}

NOINLINE void sums_long_mixed(const struct gn_tile *rows, const struct arrays_f32 *all,
                              struct gn_sums to)
{
    sums_long(rows, (struct operands_f32){rows->x.type, rows->dy.type, GN_ACTIVATION_IDENTITY}, all,
              to);
}

/*
 * A and B of a row with an activation. Computes g of a chunk first, into saved_g or into a buffer
 * in the L1 cache, then its sums. Returns whether the row needed f64.
 */
INLINE bool sums_active(const struct gn_tile *row, const struct coefficients_f32 *coefficients,
                        double *dy_sum, double *dyx_sum)
{
    struct operands_f32 given = {row->x.type, row->dy.type, row->activation};
    struct operands_f32 mixed = {row->x.type, GN_F32, GN_ACTIVATION_IDENTITY};
    float chunk[CHUNK];
    bool needs_f64 = false;
    *dy_sum = *dyx_sum = 0;
    for (int64_t i = 0; i < row->length; i += CHUNK) {
        int64_t n = row->length - i < CHUNK ? row->length - i : CHUNK;
        float *g = row->saved_g.data ? (float *)row->saved_g.data + i : chunk;
        const void *x = gn_at(row->x.data, row->x.type, i);
        double a, b;
        make_gradients(row, i, n, coefficients, g);
        if (row->x.type == GN_F32)
            row_gradient_f32((struct gradient_span_f32){g, x, floats, 0, n, coefficients}, &a, &b);
        else
            row_gradient_f32((struct gradient_span_f32){g, x, mixed, 0, n, coefficients}, &a, &b);
        if (!gradient_fits(a, b, least_gradient(row->activation), UNKNOWN_SIZE))
            needs_f64 |= recompute_gradient_f64(
                (struct gradient_span_f32){row->dy.data, row->x.data, given, i, n, coefficients},
                &a, &b);
        *dy_sum += a;
        *dyx_sum += b;
    }
    return needs_f64;
}

static void sums_long_active(const struct gn_tile *rows, const struct arrays_f32 *all,
                             struct gn_sums to)
{
    for (int64_t c = 0; c < rows->channels; c++) {
        struct coefficients_f32 coefficients = coefficients_of_row(rows, all, c);
        struct gn_tile row = row_of(rows, c);
        to.needs_f64[c] = sums_active(&row, &coefficients, to.dy + c, to.dyx + c);
    }
}

/*
 * The means of `count` rows from row `first` on, whose groups have `depth` rows, without a division
 * per row: bench/NOTES.md, special paths.
 */
INLINE void row_means(const float *means, int64_t depth, int64_t first, int64_t count, float *mean)
{
    int64_t g = first / depth, left = (g + 1) * depth - first;
    for (int64_t r = 0; r < count; left = depth, g++)
        for (int64_t end = r + left < count ? r + left : count; r < end; r++)
            mean[r] = means[g];
}

/*
 * Returns a few rows without gaps: in place if possible, else as floats in `converted`; then *t
 * becomes GN_F32. If keep_type is true, rows in place need not be floats.
 */
INLINE const void *rows_together(const void *p, gn_type *t, int64_t stride, int64_t n, int64_t rows,
                                 bool keep_type, float *converted)
{
    if ((keep_type || *t == GN_F32) && (stride == n || rows == 1))
        return p;
    if (stride == n) {
        convert(p, *t, rows * n, converted);
    } else {
        for (int64_t r = 0; r < rows; r++) {
            const void *row = gn_at(p, *t, r * stride);
            if (*t == GN_F32)
                memcpy(converted + r * n, row, (size_t)n * sizeof *converted);
            else
                convert(row, *t, n, converted + r * n);
        }
    }
    *t = GN_F32;
    return converted;
}

/*
 * A and B of rows below SHORT, four at a time. With an activation, g of several rows is computed
 * first.
 */
static void sums_shorts(const struct gn_tile *rows, const struct arrays_f32 *all, struct gn_sums to)
{
    enum { ROWS = 64, LENGTH = 4 * SHORT };
    float mean[ROWS], buffers[3][LENGTH];
    int64_t n = rows->length, channels = rows->channels, most = LENGTH / n / 4 * 4;
    bool active = rows->activation != GN_ACTIVATION_IDENTITY;
    bool keep_types =
        !active && rows->x.type == rows->dy.type && rows->x.stride == n && rows->dy.stride == n;
    most = most < ROWS ? most : ROWS;
    for (int64_t c = 0; c < channels; c += most) {
        int64_t left = channels - c, count = left < most ? left : most;
        gn_type dy_type = rows->dy.type, t = rows->x.type;
        row_means(all->mean, rows->depth, c, count, mean);
        const void *dy = rows_together(gn_at(rows->dy.data, dy_type, c * rows->dy.stride), &dy_type,
                                       rows->dy.stride, n, count, keep_types, buffers[0]);
        const void *x = rows_together(gn_at(rows->x.data, t, c * rows->x.stride), &t,
                                      rows->x.stride, n, count, keep_types, buffers[1]);
        if (active) {
            float *g = rows->saved_g.data ? (float *)rows->saved_g.data + c * n : buffers[2];
            struct gn_tile z = {.axis = GN_AXIS_ROWS,
                                .channels = count,
                                .length = n,
                                .x = {.data = (void *)(uintptr_t)x, .stride = n},
                                .out = {.data = g, .stride = n}};
            make_short_gradients(&z, dy, rows->activation, mean, all->scale + c, all->shift + c);
            dy = g;
        }
        const struct short_rows few = {dy, x, n, count, mean, rows->beyond_llc};
        sums_of_short_rows *sums = short_sums_of(t);
        sums(&few, to.dy + c, to.dyx + c);
    }
}

/* The function for rows of SHORT elements or more. */
INLINE sums_of_rows *long_sums_of(const struct gn_tile *rows)
{
    if (rows->activation != GN_ACTIVATION_IDENTITY)
        return sums_long_active;
    if (rows->x.type != rows->dy.type)
        return sums_long_mixed;
    switch (rows->x.type) {
    case GN_F32:
        return sums_long_f32;
    case GN_BF16:
        return sums_long_bf16;
    case GN_F16:
        return sums_long_f16;
    case GN_F64:
        break;
    }
    __builtin_unreachable();
}

static void sums_rows(const struct gn_tile *rows, const struct arrays_f32 *all, struct gn_sums to)
{
    if (rows->length < SHORT) {
        sums_shorts(rows, all, to);
        for (int64_t c = 0; to.needs_f64 && c < rows->channels; c++)
            to.needs_f64[c] = 0;
        if (!all_gradients_fit(rows->channels, to.dy, to.dyx, least_gradient(rows->activation)))
            recompute_rows_f64(rows, all, to);
        return;
    }
    sums_of_rows *sums = long_sums_of(rows);
    sums(rows, all, to);
}

/* A and B of rows in f64, with coefficients per channel. */
static void sums_rows_f64(const struct gn_tile *rows, const struct arrays_f64 *all,
                          struct gn_sums to)
{
    struct operands_f64 types = {rows->x.type, rows->dy.type, rows->activation};
    for (int64_t c = 0; c < rows->channels; c++) {
        struct coefficients_f64 coefficients = {.mean = splat_f64(all->mean[c]),
                                                .scale = splat_f64(all->scale[c]),
                                                .shift = splat_f64(all->shift[c])};
        struct gn_tile row = row_of(rows, c);
        to.dy[c] = to.dyx[c] = 0;
        for (int64_t i = 0; i < rows->length; i += CHUNK) {
            int64_t n = rows->length - i < CHUNK ? rows->length - i : CHUNK;
            double a, b;
            const struct gradient_span_f64 in = {row.dy.data, row.x.data, types,
                                                 i,           n,          &coefficients};
            chunk_gradient_f64(&in, &a, &b);
            to.dy[c] += a;
            to.dyx[c] += b;
        }
    }
}

#endif
