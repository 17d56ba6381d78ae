/* SPDX-License-Identifier: MIT */
/* The moments of groups of rows: span by span, merged in order. */
#ifndef GN_ROW_MOMENTS_H
#define GN_ROW_MOMENTS_H

#include "kernels/algo/short_moments.h"

INLINE int64_t span_length(int64_t length, int64_t start)
{
    return length - start < SPAN ? length - start : SPAN;
}

/*
 * The shifts of `count` spans: from element `start` of the first group on, and of the groups after
 * it.
 */
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

static void moments_rows(const void *x, gn_type t, int64_t length, int64_t groups, double min_m2,
                         struct gn_moments out)
{
    /*
     * Shifts are found for many spans at once: each takes long, but they do not depend on each
     * other.
     */
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
            double inverse_n = n < length && n < SPAN ? 1.0 / (double)n : inverse;
            struct gn_moment more = moment(gn_at(x, t, i), n, inverse_n, k[span % AHEAD], min_m2);
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
