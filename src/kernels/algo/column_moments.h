/* SPDX-License-Identifier: MIT */
/*
 * The moments of columns, and what all reductions over columns share: sums down the columns of a
 * tile of pixels, chunk by chunk in float, added up in double. Moments use one shift per group, so
 * that a group's sums are the sums over its channels.
 *
 * Scratch: see gn_columns_scratch_bytes. Values for the padding of the last vector are never used.
 */
#ifndef GN_COLUMN_MOMENTS_H
#define GN_COLUMN_MOMENTS_H

#include "kernels/algo/column_sums.h"
#include "kernels/algo/row_moments.h"
#include "kernels/algo/span_moments.h"
#include "kernels/simd/reduce.h"

struct column_work {
    float *f32[3];
    double *f64[5];
    double *sums[2]; /* over all chunks */
    float *means;    /* per channel */
    float *g;        /* of a chunk of pixels, only with an activation */
};

INLINE struct column_work split_work(double *work, int64_t channels)
{
    int64_t n = gn_padded(channels);
    struct column_work w;
    for (int i = 0; i < 3; i++)
        w.f32[i] = (float *)(void *)(work + i * n);
    for (int i = 0; i < 5; i++)
        w.f64[i] = work + (3 + i) * n;
    w.sums[0] = work + 8 * n;
    w.sums[1] = work + 9 * n;
    w.means = (float *)(void *)(work + 10 * n);
    w.g = (float *)(void *)(work + GN_COLUMNS_SCRATCH * n);
    return w;
}

INLINE int64_t chunk_pixels(const struct gn_tile *in, int64_t first)
{
    return in->length - first < CHUNK_PIXELS ? in->length - first : CHUNK_PIXELS;
}

/* The sum over a group's channels, in four lanes. */
INLINE double sum_channels(const double *v, int64_t n)
{
    quad t = {0, 0, 0, 0};
    int64_t i = 0;
    for (; i + 4 <= n; i += 4)
        t += *(const mem_quad *)(v + i);
    double sum = (t[0] + t[2]) + (t[1] + t[3]);
    for (; i < n; i++)
        sum += v[i];
    return sum;
}

/* Adds a chunk's float sums to the sums of all chunks. The first chunk sets these. */
INLINE void add_chunk(int64_t channels, const float *chunk, bool first, double *sums)
{
    for (int64_t c = 0; c < channels; c += WIDTH_f64) {
        vec_f64 v = load_f64(chunk + c);
        put_f64(sums + c, first ? v : get_f64(sums + c) + v);
    }
}

static void add_float_sums(const struct gn_tile *in, const struct column_work *w)
{
    for (int64_t p = 0; p < in->length; p += CHUNK_PIXELS) {
        column_sums_f32(in, p, chunk_pixels(in, p), w->f32[0], w->f32[1], w->f32[2]);
        add_chunk(in->channels, w->f32[1], p == 0, w->sums[0]);
        add_chunk(in->channels, w->f32[2], p == 0, w->sums[1]);
    }
}

/* Sums of all groups in double, about the shifts in f64[0]. */
static void add_double_sums(const struct gn_tile *in, const struct column_work *w)
{
    memset(w->sums[0], 0, 2 * (size_t)gn_padded(in->channels) * sizeof(double));
    for (int64_t p = 0; p < in->length; p += CHUNK_PIXELS) {
        column_sums_f64(in, p, chunk_pixels(in, p), w->f64[0], w->f64[1], w->f64[2]);
        for (int64_t c = 0; c < in->channels; c++) {
            w->sums[0][c] += w->f64[1][c];
            w->sums[1][c] += w->f64[2][c];
        }
    }
}

/* The sums over the channels of each of four groups. */
INLINE void sum_four(const double *v, int64_t depth, quad *sums)
{
    quad t[4];
    UNROLL
    for (int g = 0; g < 4; g++) {
        t[g] = (quad){0, 0, 0, 0};
        for (int64_t i = 0; i + 4 <= depth; i += 4)
            t[g] += *(const mem_quad *)(v + g * depth + i);
    }
    sum_quads(t, sums);
    for (int64_t i = depth / 4 * 4; i < depth; i++)
        *sums += (quad){v[i], v[depth + i], v[2 * depth + i], v[3 * depth + i]};
}

/*
 * The moments of four groups from their channels' sums. Returns false, and stores nothing, if the
 * float sums of any group cannot be trusted. bench/NOTES.md, special paths, has its gain.
 */
INLINE bool moments_four(const struct column_work *w, int64_t c, int64_t depth, double inverse,
                         double min_m2, struct gn_moments out)
{
    const float *k = w->f32[0] + c;
    quad s, q;
    sum_four(w->sums[0] + c, depth, &s);
    sum_four(w->sums[1] + c, depth, &q);
    quad correction = s * s * inverse, m2 = q - correction;
    __typeof__(q < q) fits = SUMS_FIT(s, q, correction, min_m2);
    if (!(fits[0] & fits[1] & fits[2] & fits[3]))
        return false;
    *(mem_quad *)out.origin =
        (quad){(double)k[0], (double)k[depth], (double)k[2 * depth], (double)k[3 * depth]};
    *(mem_quad *)out.offset = s * inverse;
    *(mem_quad *)out.m2 = m2;
    return true;
}

/* Up to this many channels are added up in four lanes. */
enum { UNPAIRED = 64 };

/* The sum over many channels, in pairs: rounding errors grow with the logarithm of their number. */
static double sum_in_pairs(const double *v, int64_t n)
{
    if (n <= UNPAIRED)
        return sum_channels(v, n);
    return sum_in_pairs(v, n / 2) + sum_in_pairs(v + n / 2, n - n / 2);
}

/* The moments of a group from its channels' double sums. */
INLINE struct gn_moment double_moment_at(const struct column_work *w, int64_t c, int64_t depth,
                                         double n, double inverse)
{
    return moment_of(n, inverse, w->f64[0][c], sum_in_pairs(w->sums[0] + c, depth),
                     sum_in_pairs(w->sums[1] + c, depth));
}

INLINE void put_moment(struct gn_moments out, int64_t g, struct gn_moment m)
{
    out.origin[g] = m.origin;
    out.offset[g] = m.offset;
    out.m2[g] = m.m2;
}

/* Recomputes all groups in f64, and stores those whose float sums cannot be trusted: m2 is NaN. */
COLD void recompute_moments_f64(const struct gn_tile *in, int64_t depth, double n, double inverse,
                                const struct column_work *w, struct gn_moments out)
{
    FELL_BACK();
    column_shifts_f64(in, depth, w->f64[0], w->f64[1]);
    add_double_sums(in, w);
    for (int64_t c = 0, g = 0; c < in->channels; c += depth, g++)
        if (!(out.m2[g] >= 0))
            put_moment(out, g, double_moment_at(w, c, depth, n, inverse));
}

/*
 * The moments of columns of doubles. If a group's shift is not near its mean, a second pass uses
 * the mean as the shift, since there is no wider type. The second pass gives the other groups the
 * same results again.
 */
static void double_moments_columns(const struct gn_tile *in, int64_t depth, double n,
                                   double inverse, const struct column_work *w,
                                   struct gn_moments out)
{
    column_shifts_f64(in, depth, w->f64[0], w->f64[1]);
    for (int pass = 0; pass < 2; pass++) {
        add_double_sums(in, w);
        bool near = true;
        for (int64_t c = 0, g = 0; c < in->channels; c += depth, g++) {
            struct gn_moment m = double_moment_at(w, c, depth, n, inverse);
            bool good = n >= (double)SMALL && m.offset * m.offset * n * 8 <= m.m2;
            near &= good;
            put_moment(out, g, m);
            for (int64_t i = c; i < c + depth; i++)
                w->f64[2][i] = good ? m.origin : m.origin + m.offset;
        }
        if (near)
            return;
        memcpy(w->f64[0], w->f64[2], (size_t)in->channels * sizeof(double));
    }
}

static void moments_columns(const struct gn_tile *in, int64_t depth, double min_m2,
                            struct gn_moments out, double *work)
{
    struct column_work w = split_work(work, in->channels);
    double n = (double)(in->length * depth), inverse = 1.0 / n;
    if (in->x.type == GN_F64) {
        double_moments_columns(in, depth, n, inverse, &w, out);
        return;
    }
    column_shifts_f32(in, depth, w.f32[0], w.f32[1]);
    add_float_sums(in, &w);
    bool all = true;
    int64_t groups = in->channels / depth;
    for (int64_t g = 0, found; g < groups; g += found) {
        int64_t c = g * depth;
        struct gn_moments to = {out.origin + g, out.offset + g, out.m2 + g};
        found = 4;
        if (g + 4 <= groups && moments_four(&w, c, depth, inverse, min_m2, to))
            continue;
        found = 1;
        double s = sum_channels(w.sums[0] + c, depth), q = sum_channels(w.sums[1] + c, depth);
        struct gn_moment m = moment_of(n, inverse, (double)w.f32[0][c], s, q);
        bool fits = SUMS_FIT(s, q, s * s * inverse, min_m2);
        all &= fits;
        put_moment(out, g, m);
        if (!fits)
            out.m2[g] = (double)NAN;
    }
    if (!all)
        recompute_moments_f64(in, depth, n, inverse, &w, out);
}

static void moments(const struct gn_tile *tile, double min_m2, struct gn_moments out,
                    double *scratch)
{
    if (tile->axis == GN_AXIS_ROWS)
        moments_rows(tile->x.data, tile->x.type, tile->depth * tile->length,
                     tile->channels / tile->depth, min_m2, out);
    else
        moments_columns(tile, tile->depth, min_m2, out, scratch);
}

#endif
