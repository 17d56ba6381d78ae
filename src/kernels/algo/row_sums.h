/* SPDX-License-Identifier: MIT */
/*
 * Sums of rows about a shift k, S = sum (x - k) and Q = sum (x - k)^2. The moments follow from
 * them: mean = k + S/n and M2 = Q - S^2/n. The shift is the mean of a few of the values, which is
 * near enough to the mean that nothing cancels, and exact if all values are equal.
 *
 * Written for a computing type: see real.h.
 */
#ifndef REAL
#ifndef GN_ROW_SUMS_H
#define GN_ROW_SUMS_H

#include "kernels/simd/reduce.h"

/* n elements of a row from `first` on. */
struct row_span {
    const void *x;
    gn_type type;
    int64_t first, n;
};

/* The part of a span from its element i on, of at most n elements. */
INLINE struct row_span span_from(struct row_span span, int64_t i, int64_t n)
{
    return (struct row_span){span.x, span.type, span.first + i, n < span.n - i ? n : span.n - i};
}

#define EACH_REAL "kernels/algo/row_sums.h"
#include "kernels/simd/each_real.h"

#endif
#else

typedef REAL FN(quads) __attribute__((vector_size(4 * sizeof(REAL))));

/*
 * Rounds k to a multiple of an ulp of 768 * distance, where `distance` is the mean distance of the
 * values from the first of them. 768 = 12 * 64: deviations of 12 distances, added up 64 times.
 * Otherwise the low bits of k would be rounded away in the same direction from every x - k or, if x
 * has few bits, from every sum of these, and would end up in the mean. If k is large compared with
 * the distance, this changes nothing. If the distance is 0, k stays as it is.
 */
#define ROUNDED_SHIFT(k, distance) (((k) + (distance)*768) - (distance)*768)

/*
 * The sums, in four lanes, of sixteen values and of their distances from the first one. The values
 * are spread over the row, so that a trend in it does not bias them. In a short row they are eight
 * pairs, which take fewer instructions.
 */
INLINE void FN(sample_row)(const void *x, gn_type t, int64_t n, bool short_row, FN(quads) * sum,
                           FN(quads) * distance)
{
    FN(quads) a, b, c, d;
    REAL first = VALUE(x, t, 0);
    int64_t i = n / (short_row ? 8 : 16);
    if (short_row && t == GN_F32) {
        const float *floats = x;
        const mem_two p[8] = {
            *(const mem_two *)floats,           *(const mem_two *)(floats + i),
            *(const mem_two *)(floats + 2 * i), *(const mem_two *)(floats + 3 * i),
            *(const mem_two *)(floats + 4 * i), *(const mem_two *)(floats + 5 * i),
            *(const mem_two *)(floats + 6 * i), *(const mem_two *)(floats + 7 * i)};
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

/*
 * The shift of a row of n values: a mean of some of them, or the first if there are fewer than 16.
 */
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
INLINE void FN(row_segment)(struct row_span span, REAL shift, int vecs, VEC *s, VEC *q)
{
    const void *x = span.x;
    gn_type t = span.type;
    int64_t first = span.first, n = span.n, i = 0;
    VEC k = SPLAT(shift);
    ROLLED
    for (; i + vecs * WIDTH <= n; i += vecs * WIDTH) {
        UNROLL
        for (int v = 0; v < vecs; v++) {
            VEC d = MINUS(READ(x, t, first + i + v * WIDTH), k);
            s[v] += d;
            q[v] = FUSED(d, d, q[v]);
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
                q[v] = FUSED(d, d, q[v]);
            }
        }
    }
}

/* The lanes of S and Q of a row, added up in segments, which keeps rounding errors low. */
INLINE void FN(row_moments)(struct row_span span, REAL shift, int vecs, VEC *s_all, VEC *q_all)
{
    const int64_t segment = SEGMENT * vecs * WIDTH;
    FN(row_segment)(span_from(span, 0, segment), shift, vecs, s_all, q_all);
    for (int64_t i = segment; i < span.n; i += segment) {
        VEC s[VECS] = {{0}}, q[VECS] = {{0}};
        FN(row_segment)(span_from(span, i, segment), shift, vecs, s, q);
        UNROLL
        for (int v = 0; v < vecs; v++) {
            s_all[v] += s[v];
            q_all[v] += q[v];
        }
    }
}

/* Adds S and Q of a chunk of a row to the sums. */
INLINE void FN(add_row_sums)(struct row_span span, REAL shift, int vecs, double *s_sum,
                             double *q_sum)
{
    VEC s[VECS] = {{0}}, q[VECS] = {{0}};
    FN(row_moments)(span, shift, vecs, s, q);
    *s_sum += SUM(s, vecs);
    *q_sum += ROUGH(q, vecs);
}

#endif
