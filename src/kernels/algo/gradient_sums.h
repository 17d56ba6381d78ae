/* SPDX-License-Identifier: MIT */
/*
 * The sums behind the gradients: A = sum g and B = sum g * (x - mean), where mean is the group's
 * mean as it was stored, and g = dy * act'(z), dy itself where there is no activation.
 *
 * Written for a computing type: see real.h.
 */
#ifndef REAL
#ifndef GN_GRADIENT_SUMS_H
#define GN_GRADIENT_SUMS_H

#include "kernels/algo/activation.h"
#include "kernels/algo/shifted_sums.h"

#define EACH_REAL "kernels/algo/gradient_sums.h"
#include "kernels/simd/each_real.h"

#endif
#else

/* The type of x and that of dy, and what makes g of dy. */
struct FN(operands) {
    gn_type x, dy;
    gn_activation activation;
};

/*
 * Adds g and g * d of several vectors; dy becomes g. The numbers are those of each vector, or all
 * of the first.
 */
INLINE void FN(add_gradients)(VEC *dy, const VEC *d, int count, const struct FN(numbers) * of,
                              bool one, gn_activation activation, VEC *a, VEC *b)
{
    if (activation != GN_ACTIVATION_IDENTITY) {
        UNROLL
        for (int first = 0; first < count; first += FN(TOGETHER)) {
            int n = count - first < FN(TOGETHER) ? count - first : FN(TOGETHER);
            VEC z[FN(TOGETHER)];
            EACH (v, n) {
                const struct FN(numbers) *own = &of[one ? 0 : first + v];
                z[v] = d[first + v] * own->scale + own->shift;
            }
            FN(through)(dy + first, z, n, activation);
        }
    }
    EACH (v, count) {
        a[v] += dy[v];
        b[v] += dy[v] * d[v];
    }
}

/*
 * One segment of a row, at most SEGMENT rounds of `vecs` vectors from element `first` on: adds lane
 * by lane to a and b.
 */
INLINE void FN(gradient_segment)(const void *dy, const void *x, struct FN(operands) as,
                                 int64_t first, int64_t n, const struct FN(numbers) * of, int vecs,
                                 VEC *a, VEC *b)
{
    int64_t i = 0;
    ROLLED
    for (; i + vecs * WIDTH <= n; i += vecs * WIDTH) {
        VEC g[VECS], d[VECS];
        EACH (v, vecs) {
            int64_t at = first + i + v * WIDTH;
            g[v] = READ(dy, as.dy, at);
            d[v] = MINUS(READ(x, as.x, at), of->mean);
        }
        FN(add_gradients)(g, d, vecs, of, true, as.activation, a, b);
    }
    if (i < n) {
        UNROLL
        for (int v = 0; v < vecs; v++, i += WIDTH) {
            int64_t at = first + i;
            if (i >= n)
                continue;
            bool whole = i + WIDTH <= n;
            VEC g = whole ? READ(dy, as.dy, at) : READ_PART(dy, as.dy, at, n - i, 0);
            VEC d = (whole ? READ(x, as.x, at) : READ_PART(x, as.x, at, n - i, 0)) - of->mean;
            FN(add_gradients)(&g, &d, 1, of, true, as.activation, &a[v], &b[v]);
        }
    }
}

/* Both of a chunk of a row, added up in segments as in shifted_sums.h, lane by lane. */
INLINE void FN(row_lanes)(const void *dy, const void *x, struct FN(operands) as, int64_t first,
                          int64_t n, const struct FN(numbers) * of, int vecs, VEC *a_all,
                          VEC *b_all)
{
    const int64_t segment = SEGMENT * vecs * WIDTH;
    FN(gradient_segment)(dy, x, as, first, n < segment ? n : segment, of, vecs, a_all, b_all);
    for (int64_t i = segment; i < n; i += segment) {
        VEC a[VECS] = {{0}}, b[VECS] = {{0}};
        FN(gradient_segment)
        (dy, x, as, first + i, n - i < segment ? n - i : segment, of, vecs, a, b);
        UNROLL
        for (int v = 0; v < vecs; v++) {
            a_all[v] += a[v];
            b_all[v] += b[v];
        }
    }
}

/* The sums themselves. */
INLINE void FN(row_gradient)(const void *dy, const void *x, struct FN(operands) as, int64_t first,
                             int64_t n, const struct FN(numbers) * of, int vecs, double *a_sum,
                             double *b_sum)
{
    VEC a[VECS] = {{0}}, b[VECS] = {{0}};
    FN(row_lanes)(dy, x, as, first, n, of, vecs, a, b);
    *a_sum = ROUGH(a, vecs);
    *b_sum = ROUGH(b, vecs);
}

/* What the sums over columns need a channel; scale and shift for an activation alone. */
struct FN(column_numbers) {
    const REAL *mean, *scale, *shift;
};

INLINE void FN(gradient_panel)(const struct gn_tile *in, struct FN(operands) as, bool tables,
                               int64_t pixel, int64_t pixels, int64_t c, int vecs, int64_t part,
                               struct FN(column_numbers) of, bool first, bool far, REAL *a_all,
                               REAL *b_all)
{
    struct FN(numbers) numbers[4];
    VEC a[4], b[4];
    bool active = as.activation != GN_ACTIVATION_IDENTITY;
    UNROLL
    for (int v = 0; v < vecs; v++) {
        int64_t at = c + v * WIDTH;
        numbers[v].mean = GET(of.mean + at);
        numbers[v].scale = active ? GET(of.scale + at) : SPLAT(0);
        numbers[v].shift = active ? GET(of.shift + at) : SPLAT(0);
        a[v] = b[v] = SPLAT(0);
    }
    for (int64_t p = 0; p < pixels; p++) {
        int64_t dy_at = gn_offset_at(tables ? in->dy.offsets : NULL, in->dy.stride, pixel + p) + c;
        int64_t x_at = gn_offset_at(tables ? in->x.offsets : NULL, in->x.stride, pixel + p) + c;
        VEC g[4], d[4];
        EACH (v, vecs) {
            int64_t on = v * WIDTH;
            if (far && STARTS_LINE(as.dy, v))
                FETCH(in->dy.data, as.dy, dy_at + on + PIXELS_AHEAD * in->dy.stride);
            if (far && STARTS_LINE(as.x, v))
                FETCH(in->x.data, as.x, x_at + on + PIXELS_AHEAD * in->x.stride);
            g[v] = part ? READ_PART(in->dy.data, as.dy, dy_at, part, 0)
                        : READ(in->dy.data, as.dy, dy_at + on);
            d[v] = MINUS(part ? READ_PART(in->x.data, as.x, x_at, part, 0)
                              : READ(in->x.data, as.x, x_at + on),
                         numbers[v].mean);
        }
        FN(add_gradients)(g, d, vecs, numbers, false, as.activation, a, b);
    }
    a_all += c;
    b_all += c;
    UNROLL
    for (int v = 0; v < vecs; v++) {
        PUT(a_all + v * WIDTH, first ? a[v] : GET(a_all + v * WIDTH) + a[v]);
        PUT(b_all + v * WIDTH, first ? b[v] : GET(b_all + v * WIDTH) + b[v]);
    }
}

INLINE void FN(gradient_panels)(const struct gn_tile *in, struct FN(operands) as, bool tables,
                                int64_t first, int64_t pixels, struct FN(column_numbers) of,
                                bool far, REAL *a, REAL *b)
{
    int64_t channels = in->channels;
    for (int64_t p = 0; p < pixels; p += SEGMENT) {
        int64_t n = p + SEGMENT <= pixels ? SEGMENT : pixels - p;
        int64_t c = 0;
        for (; c + 4 * WIDTH <= channels; c += 4 * WIDTH)
            FN(gradient_panel)(in, as, tables, first + p, n, c, 4, 0, of, p == 0, far, a, b);
        for (; c + WIDTH <= channels; c += WIDTH)
            FN(gradient_panel)(in, as, tables, first + p, n, c, 1, 0, of, p == 0, far, a, b);
        if (c < channels)
            FN(gradient_panel)
        (in, as, tables, first + p, n, c, 1, channels - c, of, p == 0, far, a, b);
    }
}

/*
 * a[c] and b[c] of up to CHUNK_PIXELS pixels for each channel c: of floats as they come, of the
 * short types alike, and of all else with a branch a vector.
 */
static void FN(column_gradient)(const struct gn_tile *in, int64_t first, int64_t pixels,
                                struct FN(column_numbers) of, REAL *a, REAL *b)
{
    /* Float comes with g already. */
    struct FN(operands)
        as = {in->x.type, in->dy.type, IN_FLOAT ? GN_ACTIVATION_IDENTITY : in->activation};
    bool plain = IN_FLOAT && as.x == as.dy, far = FN(fetches)(in);
    const struct FN(operands) floats = {GN_F32, GN_F32, GN_ACTIVATION_IDENTITY};
    bool tables = in->x.offsets || in->dy.offsets;
    if (plain && as.x == GN_F32 && !tables) {
        if (far)
            FN(gradient_panels)(in, floats, false, first, pixels, of, true, a, b);
        else
            FN(gradient_panels)(in, floats, false, first, pixels, of, false, a, b);
    } else if (plain) {
        WITH_FLOAT_TYPE(as.x,
                        FN(gradient_panels)(in, (struct FN(operands)){T, T, GN_ACTIVATION_IDENTITY},
                                            true, first, pixels, of, far, a, b))
    } else {
        FN(gradient_panels)(in, as, true, first, pixels, of, far, a, b);
    }
}

#endif
