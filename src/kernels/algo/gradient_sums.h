/* SPDX-License-Identifier: MIT */
/*
 * The sums behind the gradients: A = sum g and B = sum g * (x - mean), where mean is the stored
 * mean of the group and g = dy * act'(z), which is dy without an activation.
 *
 * Written for a computing type: see real.h.
 */
#ifndef REAL
#ifndef GN_GRADIENT_SUMS_H
#define GN_GRADIENT_SUMS_H

#include "kernels/algo/activation.h"
#include "kernels/algo/column_sums.h"

#define EACH_REAL "kernels/algo/gradient_sums.h"
#include "kernels/simd/each_real.h"

#endif
#else

/* The types of x and dy, and the activation between dy and g. */
struct FN(operands) {
    gn_type x, dy;
    gn_activation activation;
};

/*
 * How to get g from dy: the coefficients of each vector or, if `shared` is true, of all vectors.
 * They are used only with an activation.
 */
struct FN(gradient) {
    const struct FN(coefficients) * coefficients;
    bool shared;
    gn_activation activation;
};

/* Adds g and g * d of several vectors to a and b. dy becomes g. */
INLINE void FN(add_gradients)(VEC *dy, const VEC *d, int count, struct FN(gradient) gradient,
                              VEC *a, VEC *b)
{
    if (gradient.activation != GN_ACTIVATION_IDENTITY) {
        UNROLL
        for (int first = 0; first < count; first += FN(ACT_VECS)) {
            int n = count - first < FN(ACT_VECS) ? count - first : FN(ACT_VECS);
            VEC z[FN(ACT_VECS)];
            EACH (v, n) {
                int at = gradient.shared ? 0 : first + v;
                z[v] = FN(z_of)(d[first + v], &gradient.coefficients[at]);
            }
            FN(activate_backward)(dy + first, z, n, gradient.activation);
        }
    }
    EACH (v, count) {
        a[v] += dy[v];
        b[v] = FUSED(dy[v], d[v], b[v]);
    }
}

/* n elements of a row from `first` on, and the coefficients of the row. */
struct FN(gradient_span) {
    const void *dy, *x;
    struct FN(operands) types;
    int64_t first, n;
    const struct FN(coefficients) * coefficients;
};

/* The part of a span from its element i on, of at most n elements. */
INLINE struct FN(gradient_span) FN(gradient_from)(struct FN(gradient_span) in, int64_t i, int64_t n)
{
    in.first += i;
    in.n = n < in.n - i ? n : in.n - i;
    return in;
}

/* One segment of a row, at most SEGMENT rounds of `vecs` vectors: adds lane by lane to a and b. */
INLINE void FN(gradient_segment)(struct FN(gradient_span) in, int vecs, VEC *a, VEC *b)
{
    const void *dy = in.dy, *x = in.x;
    const struct FN(operands) types = in.types;
    const struct FN(gradient) gradient = {in.coefficients, true, types.activation};
    VEC mean = in.coefficients->mean;
    int64_t i = 0, n = in.n;
    ROLLED
    for (; i + vecs * WIDTH <= n; i += vecs * WIDTH) {
        VEC g[VECS], d[VECS];
        EACH (v, vecs) {
            int64_t at = in.first + i + v * WIDTH;
            g[v] = READ(dy, types.dy, at);
            d[v] = MINUS(READ(x, types.x, at), mean);
        }
        FN(add_gradients)(g, d, vecs, gradient, a, b);
    }
    if (i < n) {
        UNROLL
        for (int v = 0; v < vecs; v++, i += WIDTH) {
            int64_t at = in.first + i;
            if (i >= n)
                continue;
            bool whole = i + WIDTH <= n;
            VEC g = whole ? READ(dy, types.dy, at) : READ_PART(dy, types.dy, at, n - i, 0);
            VEC d = (whole ? READ(x, types.x, at) : READ_PART(x, types.x, at, n - i, 0)) - mean;
            struct FN(coefficients) masked = *in.coefficients;
            if (!whole && types.activation != GN_ACTIVATION_IDENTITY) {
                /* With an infinite scale, z of the lanes beyond the row would be NaN, and so g. */
                masked.scale = SELECT_FIRST(n - i, masked.scale, SPLAT(0));
                masked.shift = SELECT_FIRST(n - i, masked.shift, SPLAT(0));
            }
            const struct FN(gradient) last = {&masked, true, types.activation};
            FN(add_gradients)(&g, &d, 1, last, &a[v], &b[v]);
        }
    }
}

/* The lanes of A and B of a chunk of a row, added up in segments as in row_sums.h. */
INLINE void FN(row_lanes)(struct FN(gradient_span) in, int vecs, VEC *a_all, VEC *b_all)
{
    const int64_t segment = SEGMENT * vecs * WIDTH;
    FN(gradient_segment)(FN(gradient_from)(in, 0, segment), vecs, a_all, b_all);
    for (int64_t i = segment; i < in.n; i += segment) {
        VEC a[VECS] = {{0}}, b[VECS] = {{0}};
        FN(gradient_segment)(FN(gradient_from)(in, i, segment), vecs, a, b);
        UNROLL
        for (int v = 0; v < vecs; v++) {
            a_all[v] += a[v];
            b_all[v] += b[v];
        }
    }
}

/* A and B of a chunk of a row. */
INLINE void FN(row_gradient)(struct FN(gradient_span) in, double *a_sum, double *b_sum)
{
    VEC a[VECS] = {{0}}, b[VECS] = {{0}};
    FN(row_lanes)(in, VECS, a, b);
    *a_sum = ROUGH(a, VECS);
    *b_sum = ROUGH(b, VECS);
}

/* Arrays per channel that the sums over columns need; scale and shift only with an activation. */
struct FN(column_coefficients) {
    const REAL *mean, *scale, *shift;
};

/* The mean, scale and shift of channels from c on. */
INLINE struct FN(coefficients)
    FN(coefficients_at)(struct FN(column_coefficients) all, int64_t c, bool active)
{
    struct FN(coefficients) coefficients;
    coefficients.mean = GET(all.mean + c);
    coefficients.scale = active ? GET(all.scale + c) : SPLAT(0);
    coefficients.shift = active ? GET(all.shift + c) : SPLAT(0);
    return coefficients;
}

/*
 * Some pixels of a tile. Their sums are added to a[c] and b[c], or stored there if `begins` is
 * true.
 */
struct FN(gradient_panel) {
    const struct gn_tile *in;
    struct FN(operands) types;
    bool has_offsets; /* x or dy has */
    bool begins, beyond_llc;
    int64_t first, pixels;
    struct FN(column_coefficients) coefficients;
    REAL *a, *b;
};

/*
 * Sums a panel over `vecs` vectors of channels from c on or, if `part` is not 0, over the last
 * `part` channels.
 */
INLINE void FN(add_gradient_panel)(const struct FN(gradient_panel) * panel, int64_t c, int vecs,
                                   int64_t part)
{
    const struct gn_operand *in_dy = &panel->in->dy, *in_x = &panel->in->x;
    const struct FN(operands) types = panel->types;
    REAL *a_all = panel->a + c, *b_all = panel->b + c;
    struct FN(coefficients) coefficients[4];
    const struct FN(gradient) gradient = {coefficients, false, types.activation};
    VEC a[4], b[4];
    bool active = types.activation != GN_ACTIVATION_IDENTITY;
    UNROLL
    for (int v = 0; v < vecs; v++) {
        int64_t at = c + v * WIDTH;
        coefficients[v] = FN(coefficients_at)(panel->coefficients, at, active);
        a[v] = b[v] = SPLAT(0);
    }
    for (int64_t p = panel->first; p < panel->first + panel->pixels; p++) {
        int64_t dy_at =
            gn_offset_at(panel->has_offsets ? in_dy->offsets : NULL, in_dy->stride, p) + c;
        int64_t x_at = gn_offset_at(panel->has_offsets ? in_x->offsets : NULL, in_x->stride, p) + c;
        VEC g[4], d[4];
        EACH (v, vecs) {
            int64_t on = v * WIDTH;
            if (panel->beyond_llc && STARTS_LINE(types.dy, v))
                FETCH(in_dy->data, types.dy, dy_at + on + PIXELS_AHEAD * in_dy->stride);
            if (panel->beyond_llc && STARTS_LINE(types.x, v))
                FETCH(in_x->data, types.x, x_at + on + PIXELS_AHEAD * in_x->stride);
            g[v] = part ? READ_PART(in_dy->data, types.dy, dy_at, part, 0)
                        : READ(in_dy->data, types.dy, dy_at + on);
            d[v] = MINUS(part ? READ_PART(in_x->data, types.x, x_at, part, 0)
                              : READ(in_x->data, types.x, x_at + on),
                         coefficients[v].mean);
        }
        FN(add_gradients)(g, d, vecs, gradient, a, b);
    }
    UNROLL
    for (int v = 0; v < vecs; v++) {
        PUT(a_all + v * WIDTH, panel->begins ? a[v] : GET(a_all + v * WIDTH) + a[v]);
        PUT(b_all + v * WIDTH, panel->begins ? b[v] : GET(b_all + v * WIDTH) + b[v]);
    }
}

/* Sums all channels, in panels of SEGMENT pixels, with the last three parameters as constants. */
INLINE void FN(gradient_panels)(struct FN(gradient_panel) all, struct FN(operands) types,
                                bool has_offsets, bool beyond_llc)
{
    int64_t channels = all.in->channels;
    all.types = types;
    all.has_offsets = has_offsets;
    all.beyond_llc = beyond_llc;
    for (int64_t p = 0; p < all.pixels; p += SEGMENT) {
        struct FN(gradient_panel) panel = all;
        int64_t c = 0;
        panel.first += p;
        panel.pixels = p + SEGMENT <= all.pixels ? SEGMENT : all.pixels - p;
        panel.begins = p == 0;
        for (; c + 4 * WIDTH <= channels; c += 4 * WIDTH)
            FN(add_gradient_panel)(&panel, c, 4, 0);
        for (; c + WIDTH <= channels; c += WIDTH)
            FN(add_gradient_panel)(&panel, c, 1, 0);
        if (c < channels)
            FN(add_gradient_panel)(&panel, c, 1, channels - c);
    }
}

/*
 * Sets a[c] and b[c] to the sums over up to CHUNK_PIXELS pixels, for each channel c. In f32 there
 * are loops for x and dy of the same type; other types cost a branch per vector.
 */
static void FN(column_gradient)(const struct gn_tile *in, int64_t first, int64_t pixels,
                                struct FN(column_coefficients) coefficients, REAL *a, REAL *b)
{
    /* In f32, dy is g already. */
    struct FN(operands)
        types = {in->x.type, in->dy.type, IN_FLOAT ? GN_ACTIVATION_IDENTITY : in->activation};
    bool plain = IN_FLOAT && types.x == types.dy, beyond_llc = FN(fetches)(in);
    const struct FN(operands) floats = {GN_F32, GN_F32, GN_ACTIVATION_IDENTITY};
    const struct FN(gradient_panel) all = {
        .in = in, .first = first, .pixels = pixels, .coefficients = coefficients, .a = a, .b = b};
    bool has_offsets = in->x.offsets || in->dy.offsets;
    if (plain && types.x == GN_F32 && !has_offsets) {
        if (beyond_llc)
            FN(gradient_panels)(all, floats, false, true);
        else
            FN(gradient_panels)(all, floats, false, false);
    } else if (plain) {
        WITH_FLOAT_TYPE(
            types.x, FN(gradient_panels)(all, (struct FN(operands)){T, T, GN_ACTIVATION_IDENTITY},
                                         true, beyond_llc))
    } else {
        FN(gradient_panels)(all, types, true, beyond_llc);
    }
}

#endif
