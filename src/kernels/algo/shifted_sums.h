/* SPDX-License-Identifier: MIT */
/*
 * Sums about a shift, S = sum (x - k) and Q = sum (x - k)^2, from which the moments are mean = k +
 * S/n and M2 = Q - S^2/n. The shift is a mean of a few of the values themselves: near enough to the
 * mean that nothing cancels, and exact where all values are equal.
 *
 * Written for a computing type: see real.h.
 */
#ifndef REAL
#ifndef GN_SHIFTED_SUMS_H
#define GN_SHIFTED_SUMS_H

#include "kernels/kernels.h"
#include "kernels/simd/reduce.h"

/* n elements of a row, from the first on. */
struct row_span {
    const void *x;
    gn_type type;
    int64_t first, n;
};

/* The span's `n` elements at most, from element i of it on. */
INLINE struct row_span span_from(struct row_span of, int64_t i, int64_t n)
{
    return (struct row_span){of.x, of.type, of.first + i, n < of.n - i ? n : of.n - i};
}

#define EACH_REAL "kernels/algo/shifted_sums.h"
#include "kernels/simd/each_real.h"

#endif
#else

typedef REAL FN(quads) __attribute__((vector_size(4 * sizeof(REAL))));

/*
 * k, rounded to the multiples of an ulp of 768 times the values' distance from each other: 12 of
 * them, added up 64 times. Else its low bits would be rounded away in the same direction from every
 * x - k, or, where x has few bits, from every sum of them, and end up in the mean. Beside a k that
 * is large that is no rounding, and where there is no distance k stays as it is.
 */
#define ROUNDED_SHIFT(k, distance) (((k) + (distance)*768) - (distance)*768)

/*
 * The sums, in four lanes, of sixteen values that are spread over a row, so that a trend does not
 * deceive, and of their distances from the first; in a short row of eight pairs, which take fewer
 * instructions.
 */
INLINE void FN(sample_row)(const void *x, gn_type t, int64_t n, bool short_row, FN(quads) * sum,
                           FN(quads) * distance)
{
    FN(quads) a, b, c, d;
    REAL first = VALUE(x, t, 0);
    int64_t i = n / (short_row ? 8 : 16);
    if (short_row && t == GN_F32) {
        const float *of = x;
        const mem_two p[8] = {*(const mem_two *)of,           *(const mem_two *)(of + i),
                              *(const mem_two *)(of + 2 * i), *(const mem_two *)(of + 3 * i),
                              *(const mem_two *)(of + 4 * i), *(const mem_two *)(of + 5 * i),
                              *(const mem_two *)(of + 6 * i), *(const mem_two *)(of + 7 * i)};
        a = __builtin_convertvector(__builtin_shufflevector(p[0], p[1], 0, 1, 2, 3), FN(quads));
        b = __builtin_convertvector(__builtin_shufflevector(p[2], p[3], 0, 1, 2, 3), FN(quads));
        c = __builtin_convertvector(__builtin_shufflevector(p[4], p[5], 0, 1, 2, 3), FN(quads));
        d = __builtin_convertvector(__builtin_shufflevector(p[6], p[7], 0, 1, 2, 3), FN(quads));
    } else if (short_row) {
        a = (FN(quads)){first, VALUE(x, t, 1), VALUE(x, t, i), VALUE(x, t, i + 1)};
        b = (FN(quads)){VALUE(x, t, 2 * i), VALUE(x, t, 2 * i + 1), VALUE(x, t, 3 * i),
                        VALUE(x, t, 3 * i + 1)};
        c = (FN(quads)){VALUE(x, t, 4 * i), VALUE(x, t, 4 * i + 1), VALUE(x, t, 5 * i),
                        VALUE(x, t, 5 * i + 1)};
        d = (FN(quads)){VALUE(x, t, 6 * i), VALUE(x, t, 6 * i + 1), VALUE(x, t, 7 * i),
                        VALUE(x, t, 7 * i + 1)};
    } else {
        a = (FN(quads)){first, VALUE(x, t, i), VALUE(x, t, 2 * i), VALUE(x, t, 3 * i)};
        b = (FN(quads)){VALUE(x, t, 4 * i), VALUE(x, t, 5 * i), VALUE(x, t, 6 * i),
                        VALUE(x, t, 7 * i)};
        c = (FN(quads)){VALUE(x, t, 8 * i), VALUE(x, t, 9 * i), VALUE(x, t, 10 * i),
                        VALUE(x, t, 11 * i)};
        d = (FN(quads)){VALUE(x, t, 12 * i), VALUE(x, t, 13 * i), VALUE(x, t, 14 * i),
                        VALUE(x, t, 15 * i)};
    }
    *sum = (a + b) + (c + d);
    *distance = (ABS_OF(a - first) + ABS_OF(b - first)) + (ABS_OF(c - first) + ABS_OF(d - first));
}

/* A mean of values of the row. */
INLINE REAL FN(row_shift)(const void *x, gn_type t, int64_t n)
{
    if (n < 16)
        return VALUE(x, t, 0);
    FN(quads) sum, away;
    FN(sample_row)(x, t, n, n < SHORT, &sum, &away);
    REAL mean = ((sum[0] + sum[2]) + (sum[1] + sum[3])) / 16;
    REAL distance = ((away[0] + away[2]) + (away[1] + away[3])) / 16;
    return ROUNDED_SHIFT(mean, distance);
}

/* One segment of a row, at most SEGMENT rounds of `vecs` vectors: adds lane by lane to s and q. */
INLINE void FN(row_segment)(struct row_span of, REAL shift, int vecs, VEC *s, VEC *q)
{
    const void *x = of.x;
    gn_type t = of.type;
    int64_t first = of.first, n = of.n, i = 0;
    VEC k = SPLAT(shift);
    ROLLED
    for (; i + vecs * WIDTH <= n; i += vecs * WIDTH) {
        UNROLL
        for (int v = 0; v < vecs; v++) {
            VEC d = MINUS(READ(x, t, first + i + v * WIDTH), k);
            s[v] += d;
            q[v] += d * d;
        }
    }
    if (i < n) {
        UNROLL
        for (int v = 0; v < vecs; v++, i += WIDTH) {
            if (i < n) {
                VEC d = MINUS(i + WIDTH <= n ? READ(x, t, first + i)
                                             : READ_PART(x, t, first + i, n - i, shift),
                              k);
                s[v] += d;
                q[v] += d * d;
            }
        }
    }
}

/* The lanes of S and Q of a row, added up in segments, which keeps rounding errors low. */
INLINE void FN(row_moments)(struct row_span of, REAL shift, int vecs, VEC *s_all, VEC *q_all)
{
    const int64_t segment = SEGMENT * vecs * WIDTH;
    FN(row_segment)(span_from(of, 0, segment), shift, vecs, s_all, q_all);
    for (int64_t i = segment; i < of.n; i += segment) {
        VEC s[VECS] = {{0}}, q[VECS] = {{0}};
        FN(row_segment)(span_from(of, i, segment), shift, vecs, s, q);
        UNROLL
        for (int v = 0; v < vecs; v++) {
            s_all[v] += s[v];
            q_all[v] += q[v];
        }
    }
}

/* Adds S and Q of a chunk of a row. */
INLINE void FN(add_row_sums)(struct row_span of, REAL shift, int vecs, double *s_sum, double *q_sum)
{
    VEC s[VECS] = {{0}}, q[VECS] = {{0}};
    FN(row_moments)(of, shift, vecs, s, q);
    *s_sum += SUM(s, vecs);
    *q_sum += ROUGH(q, vecs);
}

/*
 * Whether to fetch columns ahead. The processor does it by itself where a panel is most of the
 * channels, so that it reads on and on.
 */
INLINE bool FN(fetches)(const struct gn_tile *in)
{
    return IN_FLOAT && in->beyond_llc && in->channels >= 8 * WIDTH;
}

/*
 * A panel of pixels: some pixels of a tile, whose sums about shift[c] are added to s[c] and q[c],
 * or are what they begin with.
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

/* `vecs` vectors of channels from c on, or the last `part` channels. */
INLINE void FN(column_panel)(const struct FN(panel) * of, int64_t c, int vecs, int64_t part)
{
    const void *x = of->in->x.data;
    gn_type t = of->type;
    int64_t stride = of->in->x.stride;
    REAL *s_all = of->s + c, *q_all = of->q + c;
    VEC k[4], s[4], q[4];
    EACH (v, vecs) {
        k[v] = GET(of->shift + c + v * WIDTH);
        s[v] = q[v] = SPLAT(0);
    }
    for (int64_t p = 0; p < of->pixels; p++) {
        int64_t i = gn_offset_at(of->offsets, stride, of->first + p) + c;
        VEC d[4];
        EACH (v, vecs) {
            if (of->beyond_llc && STARTS_LINE(t, v))
                FETCH(x, t, i + v * WIDTH + PIXELS_AHEAD * stride);
            d[v] = MINUS(part ? READ_PART(x, t, i, part, 0) : READ(x, t, i + v * WIDTH), k[v]);
        }
        EACH (v, vecs) {
            s[v] += d[v];
            q[v] += d[v] * d[v];
        }
    }
    EACH (v, vecs) {
        PUT(s_all + v * WIDTH, of->begins ? s[v] : GET(s_all + v * WIDTH) + s[v]);
        PUT(q_all + v * WIDTH, of->begins ? q[v] : GET(q_all + v * WIDTH) + q[v]);
    }
}

/* All channels of pixels, a segment of them at a time. */
INLINE void FN(column_panels)(struct FN(panel) all)
{
    int64_t channels = all.in->channels;
    for (int64_t p = 0; p < all.pixels; p += SEGMENT) {
        struct FN(panel) of = all;
        int64_t c = 0;
        of.first += p;
        of.pixels = p + SEGMENT <= all.pixels ? SEGMENT : all.pixels - p;
        of.begins = p == 0;
        for (; c + 4 * WIDTH <= channels; c += 4 * WIDTH)
            FN(column_panel)(&of, c, 4, 0);
        for (; c + WIDTH <= channels; c += WIDTH)
            FN(column_panel)(&of, c, 1, 0);
        if (c < channels)
            FN(column_panel)(&of, c, 1, channels - c);
    }
}

/* The panel's loops with what it says of type, offsets and distance as constants. */
INLINE void FN(column_panels_of)(struct FN(panel) all, gn_type type, const int64_t *offsets,
                                 bool beyond_llc)
{
    all.type = type;
    all.offsets = offsets;
    all.beyond_llc = beyond_llc;
    FN(column_panels)(all);
}

/* s[c] and q[c] of up to CHUNK_PIXELS pixels for each channel c. */
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

/* The means of `count` pixels, `step` of them apart, and of their distances from the first. */
INLINE void FN(sample_columns)(const struct gn_tile *in, int64_t c, int64_t step, int count,
                               int64_t part, REAL *mean, REAL *distance)
{
    gn_type t = in->x.type;
    VEC first = SPLAT(0), sum = first, away = first;
    for (int i = 0; i < count; i++) {
        int64_t at = gn_offset_at(in->x.offsets, in->x.stride, i * step) + c;
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

/* A shift for each group, of 16 values or 4 pixels or more; `distance` is scratch. */
static void FN(column_shifts)(const struct gn_tile *in, int64_t depth, REAL *shift, REAL *distance)
{
    int count = depth >= 4 ? 4 : depth >= 2 ? 8 : 16;
    while (count > in->length)
        count /= 2;
    int64_t step = in->length / count, c = 0;
    for (; c + WIDTH <= in->channels; c += WIDTH)
        FN(sample_columns)(in, c, step, count, 0, shift + c, distance + c);
    if (c < in->channels)
        FN(sample_columns)(in, c, step, count, in->channels - c, shift + c, distance + c);
    for (c = 0; c < in->channels; c += depth) {
        REAL k = FN(group_shift)(shift + c, distance + c, depth);
        for (int64_t i = c; i < c + depth; i++)
            shift[i] = k;
    }
    for (; c < gn_padded(in->channels); c++)
        shift[c] = 0;
}

#endif
