/* SPDX-License-Identifier: MIT */
/* The moments of rows: chunk by chunk, in float where the chunk's values allow it. */
#ifndef GN_ROW_MOMENTS_H
#define GN_ROW_MOMENTS_H

#include "kernels/algo/convert.h"
#include "kernels/algo/shifted_sums.h"

/*
 * Whether float sums can be trusted: they did not overflow, squares did not underflow, and the
 * shift was near the mean, so that S^2/n took away at most half of Q. Squares that underflow cannot
 * say how near the shift is. Only where all are 0 it is the mean; then `min_m2` says whether they
 * matter.
 */
#define SUMS_HOLD(s, q, correction, min_m2)                                                        \
    (((q) <= (double)FLT_MAX) & ((correction) <= (q) - (correction)) &                             \
     (((q) >= GN_LEAST_SQUARES) | (((s) == 0) & ((q) <= -(min_m2)))))

/* The moments of n values, from their sums. */
INLINE struct gn_moment moment_of(double n, double inverse, double k, double s, double q)
{
    double m2 = q - s * s * inverse;
    return (struct gn_moment){n, k, s * inverse, m2 < 0 ? 0 : m2};
}

/* In double. */
INLINE struct gn_moment double_moment(const void *x, gn_type t, int64_t n)
{
    struct row_span all = {x, t, 0, n};
    double k = row_shift_f64(x, t, n), s = 0, q = 0;
    for (int64_t i = 0; i < n; i += CHUNK)
        add_row_sums_f64(span_from(all, i, CHUNK), k, VECS, &s, &q);
    return moment_of((double)n, 1.0 / (double)n, k, s, q);
}

COLD struct gn_moment recompute_moment_f64(const void *x, gn_type t, int64_t n)
{
    FELL_BACK();
    return double_moment(x, t, n);
}

INLINE struct gn_moment float_moment(const void *x, gn_type t, int64_t n, double inverse, float k,
                                     double min_m2)
{
    struct row_span all = {x, t, 0, n};
    double s = 0, q = 0;
    if (n < SHORT)
        add_row_sums_f32(all, k, VECS / 2, &s, &q);
    else
        for (int64_t i = 0; i < n; i += CHUNK)
            add_row_sums_f32(span_from(all, i, CHUNK), k, VECS, &s, &q);
    if (n < SMALL || !(SUMS_HOLD(s, q, s * s * inverse, min_m2)))
        return recompute_moment_f64(x, t, n);
    return moment_of((double)n, inverse, (double)k, s, q);
}

/*
 * Up to SPAN values about the shift k: of each type on its own, so that its loops get all the
 * registers.
 */
typedef struct gn_moment span_moment(const void *x, int64_t n, double inverse, float k,
                                     double min_m2);

NOINLINE struct gn_moment span_moment_f32(const void *x, int64_t n, double inverse, float k,
                                          double min_m2)
{
    return float_moment(x, GN_F32, n, inverse, k, min_m2);
}

NOINLINE struct gn_moment span_moment_bf16(const void *x, int64_t n, double inverse, float k,
                                           double min_m2)
{
    return float_moment(x, GN_BF16, n, inverse, k, min_m2);
}

NOINLINE struct gn_moment span_moment_f16(const void *x, int64_t n, double inverse, float k,
                                          double min_m2)
{
    return float_moment(x, GN_F16, n, inverse, k, min_m2);
}

/* Again about the mean itself, where the shift was not near it: there is no wider type. */
NOINLINE struct gn_moment span_moment_f64(const void *x, int64_t n, double inverse, float k,
                                          double min_m2)
{
    (void)k;
    (void)min_m2;
    struct gn_moment m = double_moment(x, GN_F64, n);
    double correction = m.offset * m.offset * (double)n;
    if (n >= SMALL && correction * 8 <= m.m2)
        return m;
    struct row_span all = {x, GN_F64, 0, n};
    double s = 0, q = 0;
    m.origin += m.offset;
    for (int64_t i = 0; i < n; i += CHUNK)
        add_row_sums_f64(span_from(all, i, CHUNK), m.origin, VECS, &s, &q);
    return moment_of((double)n, inverse, m.origin, s, q);
}

INLINE span_moment *span_moment_of(gn_type t)
{
    switch (t) {
    case GN_F32:
        return span_moment_f32;
    case GN_F64:
        return span_moment_f64;
    case GN_BF16:
        return span_moment_bf16;
    case GN_F16:
        return span_moment_f16;
    }
    __builtin_unreachable();
}

INLINE int64_t span_length(int64_t length, int64_t start)
{
    return length - start < SPAN ? length - start : SPAN;
}

/* The sum of each of four quads of float. */
INLINE quads_f32 sum_quads_f32(const quads_f32 *t)
{
    quads_f32 ab = __builtin_shufflevector(t[0], t[1], 0, 1, 4, 5) +
                   __builtin_shufflevector(t[0], t[1], 2, 3, 6, 7);
    quads_f32 cd = __builtin_shufflevector(t[2], t[3], 0, 1, 4, 5) +
                   __builtin_shufflevector(t[2], t[3], 2, 3, 6, 7);
    return __builtin_shufflevector(ab, cd, 0, 2, 4, 6) +
           __builtin_shufflevector(ab, cd, 1, 3, 5, 7);
}

/*
 * row_shift of rows of SMALL to SHORT values, four at a time: bench/NOTES.md, special paths.
 */
NOINLINE void shifts_short(const float *x, int64_t n, int64_t rows, float *k)
{
    int64_t row = 0;
    for (; row + 4 <= rows; row += 4) {
        quads_f32 sum[4], away[4];
        UNROLL
        for (int r = 0; r < 4; r++)
            sample_row_f32(x + (row + r) * n, GN_F32, n, true, &sum[r], &away[r]);
        quads_f32 mean = sum_quads_f32(sum) / 16, distance = sum_quads_f32(away) / 16;
        *(mem_four *)(k + row) = ROUNDED_SHIFT(mean, distance);
    }
    for (; row < rows; row++)
        k[row] = row_shift_f32(x + row * n, GN_F32, n);
}

/* The shifts of the spans from one of a group on, of this and the groups after it. */
INLINE void find_shifts(const void *x, gn_type t, int64_t length, int64_t groups, int64_t start,
                        int count, float *k)
{
    for (int i = 0; i < count && groups > 0; i++) {
        k[i] = row_shift_f32(gn_at(x, t, start), t, span_length(length, start));
        start += SPAN;
        if (start >= length) {
            start = 0;
            x = gn_at(x, t, length);
            groups--;
        }
    }
}

/* Up to four groups below SHORT about their shifts, finished together. */
INLINE void moments_short(const float *x, int64_t n, int64_t groups, double inverse, const float *k,
                          double min_m2, struct gn_moments out)
{
    float s_lanes[4 * 16], q_lanes[4 * 8];
    if (groups < 4) {
        memset(s_lanes, 0, sizeof s_lanes);
        memset(q_lanes, 0, sizeof q_lanes);
    }
    for (int64_t g = 0; g < groups; g++) {
        vec_f32 s[VECS] = {{0}}, q[VECS] = {{0}};
        row_moments_f32((struct row_span){x, GN_F32, g * n, n}, k[g], VECS / 2, s, q);
        for (int v = 0; v < VECS / 2; v++)
            put_f32(s_lanes + 16 * g + v * WIDTH_f32, s[v]);
        put_eight(q_lanes + 8 * g, q, VECS / 2);
    }
    quad s, q, shift = WIDEN_FOUR(*(const mem_four *)k);
    sum_sixteens(s_lanes, &s);
    sum_eights(q_lanes, &q);
    quad correction = s * s * inverse, offset = s * inverse, m2 = q - correction;
    __typeof__(q < q) holds = SUMS_HOLD(s, q, correction, min_m2);
    if (groups == 4 && (holds[0] & holds[1] & holds[2] & holds[3])) {
        *(mem_quad *)out.origin = shift;
        *(mem_quad *)out.offset = offset;
        *(mem_quad *)out.m2 = m2;
        return;
    }
    for (int64_t g = 0; g < groups; g++) {
        struct gn_moment one = {(double)n, shift[g], offset[g], m2[g]};
        if (!holds[g])
            one = recompute_moment_f64(x + g * n, GN_F32, n);
        out.origin[g] = one.origin;
        out.offset[g] = one.offset;
        out.m2[g] = one.m2;
    }
}

/*
 * The moments of up to four groups of n < SMALL values about the first of each, in double. As the
 * first differs from itself by 0, M2 is at least Q/n, far from negative.
 */
INLINE void moments_few(const float *x, int64_t n, int64_t groups, double inverse,
                        struct gn_moments out)
{
    quad s[4], q[4], shift, rest_s = {0, 0, 0, 0}, rest_q = {0, 0, 0, 0};
    UNROLL
    for (int g = 0; g < 4; g++) {
        const float *of = x + (g < groups ? g : 0) * n;
        double k = (double)of[0];
        int64_t i = 0;
        s[g] = q[g] = (quad){0, 0, 0, 0};
        for (; i + 4 <= n; i += 4) {
            quad d = four_f32(of + i) - k;
            s[g] += d;
            q[g] += d * d;
        }
        for (; i < n; i++) {
            double d = (double)of[i] - k;
            rest_s[g] += d;
            rest_q[g] += d * d;
        }
        shift[g] = k;
    }
    quad s_sum, q_sum;
    sum_quads(s, &s_sum);
    sum_quads(q, &q_sum);
    s_sum += rest_s;
    q_sum += rest_q;
    quad offset = s_sum * inverse, m2 = q_sum - s_sum * offset;
    for (int64_t g = 0; g < groups; g++) {
        out.origin[g] = shift[g];
        out.offset[g] = offset[g];
        out.m2[g] = m2[g];
    }
}

/* Groups below SHORT, of floats. */
static void moments_shorts(const float *x, int64_t length, int64_t groups, double min_m2,
                           struct gn_moments out)
{
    enum { AHEAD = 32 };
    float k[AHEAD] = {0};
    double inverse = 1.0 / (double)length;
    for (int64_t g = 0; g < groups; g += 4, x += 4 * length) {
        int64_t left = groups - g, count = left < 4 ? left : 4;
        struct gn_moments to = {out.origin + g, out.offset + g, out.m2 + g};
        if (length < SMALL) {
            moments_few(x, length, count, inverse, to);
            continue;
        }
        if (g % AHEAD == 0)
            shifts_short(x, length, left < AHEAD ? left : AHEAD, k);
        moments_short(x, length, count, inverse, k + g % AHEAD, min_m2, to);
    }
}

/* The same of another type, converted a few groups at a time. */
static void moments_converted(const void *x, gn_type t, int64_t length, int64_t groups,
                              double min_m2, struct gn_moments out)
{
    float block[4 * SHORT];
    int64_t most = 4 * SHORT / length / 4 * 4;
    for (int64_t g = 0; g < groups; g += most) {
        int64_t count = groups - g < most ? groups - g : most;
        convert(gn_at(x, t, g * length), t, count * length, block);
        moments_shorts(block, length, count, min_m2,
                       (struct gn_moments){out.origin + g, out.offset + g, out.m2 + g});
    }
}

static void moments_rows(const void *x, gn_type t, int64_t length, int64_t groups, double min_m2,
                         struct gn_moments out)
{
    /* The shifts of many spans first: each takes long to come, and none waits for another. */
    enum { AHEAD = 32 };
    float k[AHEAD] = {0};
    int64_t span = 0;
    double inverse = 1.0 / (double)span_length(length, 0);
    span_moment *moment = span_moment_of(t);
    if (length < SHORT && t == GN_F32) {
        moments_shorts(x, length, groups, min_m2, out);
        return;
    }
    if (length < SHORT && t != GN_F64) {
        moments_converted(x, t, length, groups, min_m2, out);
        return;
    }
    for (int64_t g = 0; g < groups; g++, x = gn_at(x, t, length)) {
        struct gn_moment all = {0, 0, 0, 0};
        for (int64_t i = 0; i < length; i += SPAN, span++) {
            int64_t n = span_length(length, i);
            if (t != GN_F64 && span % AHEAD == 0)
                find_shifts(x, t, length, groups - g, i, AHEAD, k);
            double of_n = n < length && n < SPAN ? 1.0 / (double)n : inverse;
            struct gn_moment more = moment(gn_at(x, t, i), n, of_n, k[span % AHEAD], min_m2);
            if (i)
                gn_merge_moments(&all, &more);
            else
                all = more;
        }
        out.origin[g] = all.origin;
        out.offset[g] = all.offset;
        out.m2[g] = all.m2;
    }
}

#endif
