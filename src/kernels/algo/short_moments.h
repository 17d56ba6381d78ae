/* SPDX-License-Identifier: MIT */
/* The moments of groups of fewer than SHORT elements in rows, four at a time. */
#ifndef GN_SHORT_MOMENTS_H
#define GN_SHORT_MOMENTS_H

#include "kernels/algo/convert.h"
#include "kernels/algo/span_moments.h"
#include "kernels/simd/reduce.h"

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

/* row_shift of rows of SMALL to SHORT values, four at a time: bench/NOTES.md, special paths. */
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

/*
 * The moments of up to four groups of fewer than SHORT values about their shifts. Their sums are
 * reduced together.
 */
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
    __typeof__(q < q) fits = SUMS_FIT(s, q, correction, min_m2);
    if (groups == 4 && (fits[0] & fits[1] & fits[2] & fits[3])) {
        *(mem_quad *)out.origin = shift;
        *(mem_quad *)out.offset = offset;
        *(mem_quad *)out.m2 = m2;
        return;
    }
    for (int64_t g = 0; g < groups; g++) {
        struct gn_moment moment = {(double)n, shift[g], offset[g], m2[g]};
        if (!fits[g])
            moment = recompute_moment_f64(x + g * n, GN_F32, n);
        out.origin[g] = moment.origin;
        out.offset[g] = moment.offset;
        out.m2[g] = moment.m2;
    }
}

/*
 * The moments of up to four groups of n < SMALL values, in double, about the first value of each.
 * As the first value differs from itself by 0, M2 is at least Q/n, far from negative.
 */
INLINE void moments_few(const float *x, int64_t n, int64_t groups, double inverse,
                        struct gn_moments out)
{
    quad s[4], q[4], shift, rest_s = {0, 0, 0, 0}, rest_q = {0, 0, 0, 0};
    UNROLL
    for (int g = 0; g < 4; g++) {
        const float *group = x + (g < groups ? g : 0) * n;
        double k = (double)group[0];
        int64_t i = 0;
        s[g] = q[g] = (quad){0, 0, 0, 0};
        for (; i + 4 <= n; i += 4) {
            quad d = four_f32(group + i) - k;
            s[g] += d;
            q[g] += d * d;
        }
        for (; i < n; i++) {
            double d = (double)group[i] - k;
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

/* The moments of groups of fewer than SHORT floats. */
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

/* The same for a short type, which is converted a few groups at a time. */
static void moments_converted(const void *x, gn_type t, int64_t length, int64_t groups,
                              double min_m2, struct gn_moments out)
{
    float converted[4 * SHORT];
    int64_t most = 4 * SHORT / length / 4 * 4;
    for (int64_t g = 0; g < groups; g += most) {
        int64_t count = groups - g < most ? groups - g : most;
        convert(gn_at(x, t, g * length), t, count * length, converted);
        moments_shorts(converted, length, count, min_m2,
                       (struct gn_moments){out.origin + g, out.offset + g, out.m2 + g});
    }
}

#endif
