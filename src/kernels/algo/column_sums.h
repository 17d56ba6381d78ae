/* SPDX-License-Identifier: MIT */
/*
 * Sums of columns about a shift, as in row_sums.h: per channel, with one shift per group.
 *
 * Written for a computing type: see real.h.
 */
#ifndef REAL
#ifndef GN_COLUMN_SUMS_H
#define GN_COLUMN_SUMS_H

#include "kernels/algo/row_sums.h"
#include "kernels/kernels.h"

#define EACH_REAL "kernels/algo/column_sums.h"
#include "kernels/simd/each_real.h"

#endif
#else

/*
 * Whether to prefetch columns. The processor does so by itself if a panel has most of the channels,
 * so that memory is read sequentially.
 */
INLINE bool FN(fetches)(const struct gn_tile *in)
{
    return IN_FLOAT && in->beyond_llc && in->channels >= 8 * WIDTH;
}

/*
 * A panel: some pixels of a tile. Their sums about shift[c] are added to s[c] and q[c], or stored
 * there if `begins` is true.
 */
struct FN(panel) {
    const struct gn_tile *in;
    gn_type type;
    const int64_t *offsets;
    int64_t first, pixels;
    const REAL *shift;
    bool begins, beyond_llc;
    REAL *s, *q;
};

/*
 * Sums a panel over `vecs` vectors of channels from c on or, if `part` is not 0, over the last
 * `part` channels.
 */
INLINE void FN(column_panel)(const struct FN(panel) * panel, int64_t c, int vecs, int64_t part)
{
    const void *x = panel->in->x.data;
    gn_type t = panel->type;
    int64_t stride = panel->in->x.stride;
    REAL *s_all = panel->s + c, *q_all = panel->q + c;
    VEC k[4], s[4], q[4];
    EACH (v, vecs) {
        k[v] = GET(panel->shift + c + v * WIDTH);
        s[v] = q[v] = SPLAT(0);
    }
    for (int64_t p = 0; p < panel->pixels; p++) {
        int64_t i = gn_offset_at(panel->offsets, stride, panel->first + p) + c;
        VEC d[4];
        EACH (v, vecs) {
            if (panel->beyond_llc && STARTS_LINE(t, v))
                FETCH(x, t, i + v * WIDTH + PIXELS_AHEAD * stride);
            d[v] = MINUS(part ? READ_PART(x, t, i, part, 0) : READ(x, t, i + v * WIDTH), k[v]);
        }
        EACH (v, vecs) {
            s[v] += d[v];
            q[v] = FUSED(d[v], d[v], q[v]);
        }
    }
    EACH (v, vecs) {
        PUT(s_all + v * WIDTH, panel->begins ? s[v] : GET(s_all + v * WIDTH) + s[v]);
        PUT(q_all + v * WIDTH, panel->begins ? q[v] : GET(q_all + v * WIDTH) + q[v]);
    }
}

/* Sums all channels, in panels of SEGMENT pixels. */
INLINE void FN(column_panels)(struct FN(panel) all)
{
    int64_t channels = all.in->channels;
    for (int64_t p = 0; p < all.pixels; p += SEGMENT) {
        struct FN(panel) panel = all;
        int64_t c = 0;
        panel.first += p;
        panel.pixels = p + SEGMENT <= all.pixels ? SEGMENT : all.pixels - p;
        panel.begins = p == 0;
        for (; c + 4 * WIDTH <= channels; c += 4 * WIDTH)
            FN(column_panel)(&panel, c, 4, 0);
        for (; c + WIDTH <= channels; c += WIDTH)
            FN(column_panel)(&panel, c, 1, 0);
        if (c < channels)
            FN(column_panel)(&panel, c, 1, channels - c);
    }
}

/* The same with type, offsets and beyond_llc as constants. */
INLINE void FN(column_panels_of)(struct FN(panel) all, gn_type type, const int64_t *offsets,
                                 bool beyond_llc)
{
    all.type = type;
    all.offsets = offsets;
    all.beyond_llc = beyond_llc;
    FN(column_panels)(all);
}

/* Sets s[c] and q[c] to the sums over up to CHUNK_PIXELS pixels, for each channel c. */
static void FN(column_sums)(const struct gn_tile *in, int64_t first, int64_t pixels,
                            const REAL *shift, REAL *s, REAL *q)
{
    gn_type t = in->x.type;
    const int64_t *offsets = in->x.offsets;
    bool beyond_llc = FN(fetches)(in);
    const struct FN(panel)
        all = {.in = in, .first = first, .pixels = pixels, .shift = shift, .s = s, .q = q};
    if (!IN_FLOAT) {
        FN(column_panels_of)(all, t, offsets, false);
    } else if (t == GN_F32 && !offsets) {
        if (beyond_llc)
            FN(column_panels_of)(all, GN_F32, NULL, true);
        else
            FN(column_panels_of)(all, GN_F32, NULL, false);
    } else {
        WITH_FLOAT_TYPE(t, FN(column_panels_of)(all, T, offsets, beyond_llc))
    }
}

/*
 * For each channel of a vector, the mean of `count` pixels with this stride, and the mean of their
 * distances from the first one.
 */
INLINE void FN(sample_columns)(const struct gn_tile *in, int64_t c, int64_t stride, int count,
                               int64_t part, REAL *mean, REAL *distance)
{
    gn_type t = in->x.type;
    VEC first = SPLAT(0), sum = first, away = first;
    for (int i = 0; i < count; i++) {
        int64_t at = gn_offset_at(in->x.offsets, in->x.stride, i * stride) + c;
        VEC v = part ? READ_PART(in->x.data, t, at, part, 0) : READ(in->x.data, t, at);
        first = i ? first : v;
        sum = i ? sum + v : v;
        away += ABS(v - first);
    }
    PUT(mean, sum / (REAL)count);
    PUT(distance, away / (REAL)count);
}

/* The shift of a group, from the means and distances of its channels' samples. */
INLINE REAL FN(group_shift)(const REAL *means, const REAL *distances, int64_t depth)
{
    double first = (double)means[0];
    quad sum = {0, 0, 0, 0}, away = {0, 0, 0, 0};
    int64_t i = 0;
    for (; i + 4 <= depth; i += 4) {
        quad from_first = FOUR(means + i) - first;
        sum += from_first;
        away += FOUR(distances + i) + ABS_OF_f64(from_first);
    }
    double s = (sum[0] + sum[2]) + (sum[1] + sum[3]), f = (away[0] + away[2]) + (away[1] + away[3]);
    for (; i < depth; i++) {
        double from_first = (double)means[i] - first;
        s += from_first;
        f += (double)distances[i] + fabs(from_first);
    }
    double inverse = 1.0 / (double)depth;
    REAL mean = (REAL)(first + s * inverse), distance = (REAL)(f * inverse);
    return ROUNDED_SHIFT(mean, distance);
}

/*
 * The shift of each group, from at least 16 values in at least 4 pixels, if there are so many.
 * `distance` is scratch of one value per channel.
 */
static void FN(column_shifts)(const struct gn_tile *in, int64_t depth, REAL *shift, REAL *distance)
{
    int count = depth >= 4 ? 4 : depth >= 2 ? 8 : 16;
    while (count > in->length)
        count /= 2;
    int64_t stride = in->length / count, c = 0;
    for (; c + WIDTH <= in->channels; c += WIDTH)
        FN(sample_columns)(in, c, stride, count, 0, shift + c, distance + c);
    if (c < in->channels)
        FN(sample_columns)(in, c, stride, count, in->channels - c, shift + c, distance + c);
    for (c = 0; c < in->channels; c += depth) {
        REAL k = FN(group_shift)(shift + c, distance + c, depth);
        for (int64_t i = c; i < c + depth; i++)
            shift[i] = k;
    }
    for (; c < gn_padded(in->channels); c++)
        shift[c] = 0;
}

#endif
