/* SPDX-License-Identifier: MIT */
/* The sums of gradients over rows below SHORT, four at a time. */
#ifndef GN_SHORT_GRADIENTS_H
#define GN_SHORT_GRADIENTS_H

#include "kernels/algo/gradient_sums.h"
#include "kernels/simd/reduce.h"

/*
 * A row of at most TURNS elements is a single segment. ABREAST such rows are summed in turns,
 * because each addition to a lane waits for the one before.
 */
enum { ROW_VECS = VECS / 2, ABREAST = 4 / ROW_VECS, TURNS = SEGMENT * ROW_VECS * WIDTH_f32 };

/*
 * The lanes of A and B of ABREAST rows of n <= TURNS values, which follow each other without a gap.
 * Row r has the vectors from r * ROW_VECS on. Stores 8 lanes per row: A of row r at lanes + 8 * r,
 * B at lanes + 8 * (4 + r).
 */
INLINE void lanes_abreast(const void *dy, const void *x, gn_type t, bool beyond_llc, int64_t n,
                          const float *means, float *lanes)
{
    vec_f32 mean[ABREAST], a[ABREAST * ROW_VECS], b[ABREAST * ROW_VECS];
    int64_t i = 0;
    UNROLL
    for (int r = 0; r < ABREAST; r++)
        mean[r] = splat_f32(means[r]);
    UNROLL
    for (int j = 0; j < ABREAST * ROW_VECS; j++)
        a[j] = b[j] = splat_f32(0);
    ROLLED
    for (; i + ROW_VECS * WIDTH_f32 <= n; i += ROW_VECS * WIDTH_f32) {
        UNROLL
        for (int j = 0; j < ABREAST * ROW_VECS; j++) {
            int64_t at = j / ROW_VECS * n + i + j % ROW_VECS * WIDTH_f32;
            if (beyond_llc && STARTS_LINE(t, j % ROW_VECS)) {
                FETCH(dy, t, at + ROWS_AHEAD);
                FETCH(x, t, at + ROWS_AHEAD);
            }
            vec_f32 g = read_f32(dy, t, at);
            a[j] += g;
            b[j] = fused_f32(g, minus_f32(read_f32(x, t, at), mean[j / ROW_VECS]), b[j]);
        }
    }
    UNROLL
    for (int j = 0; j < ABREAST * ROW_VECS; j++) {
        int64_t from = i + j % ROW_VECS * WIDTH_f32, at = j / ROW_VECS * n + from;
        if (from < n) {
            vec_f32 g = read_part_f32(dy, t, at, n - from, 0);
            a[j] += g;
            b[j] = fused_f32(g, read_part_f32(x, t, at, n - from, 0) - mean[j / ROW_VECS], b[j]);
        }
    }
    UNROLL
    for (int r = 0; r < ABREAST; r++) {
        put_eight(lanes + 8 * r, a + r * ROW_VECS, ROW_VECS);
        put_eight(lanes + 8 * (4 + r), b + r * ROW_VECS, ROW_VECS);
    }
}

/*
 * Separate functions, because the loop needs one register per row for pointers and has none to
 * spare. They prefetch if beyond_llc, because the processor's own prefetch does not follow so many
 * rows.
 */
#define LANES_ABREAST(name, type, beyond_llc)                                                      \
    NOINLINE void name(const void *dy, const void *x, int64_t n, const float *means, float *lanes) \
    {                                                                                              \
        lanes_abreast(dy, x, type, beyond_llc, n, means, lanes);                                   \
    }
LANES_ABREAST(lanes_abreast_f32, GN_F32, false)
LANES_ABREAST(lanes_abreast_bf16, GN_BF16, false)
LANES_ABREAST(lanes_abreast_f16, GN_F16, false)
LANES_ABREAST(beyond_llc_lanes_abreast_f32, GN_F32, true)
LANES_ABREAST(beyond_llc_lanes_abreast_bf16, GN_BF16, true)
LANES_ABREAST(beyond_llc_lanes_abreast_f16, GN_F16, true)
#undef LANES_ABREAST

typedef void lanes_of_rows(const void *dy, const void *x, int64_t n, const float *means,
                           float *lanes);

INLINE lanes_of_rows *lanes_of_type(gn_type t, bool beyond_llc)
{
    switch (t) {
    case GN_F32:
        return beyond_llc ? beyond_llc_lanes_abreast_f32 : lanes_abreast_f32;
    case GN_BF16:
        return beyond_llc ? beyond_llc_lanes_abreast_bf16 : lanes_abreast_bf16;
    case GN_F16:
        return beyond_llc ? beyond_llc_lanes_abreast_f16 : lanes_abreast_f16;
    case GN_F64:
        break;
    }
    __builtin_unreachable();
}

/* Rows of n elements without gaps, x and dy of the same type, with one mean per row. */
struct short_rows {
    const void *dy, *x;
    int64_t n, rows;
    const float *mean;
    bool beyond_llc;
};

/*
 * A and B of up to four rows of n < SHORT values from row `first` on. The caller checks whether
 * they can be trusted.
 */
INLINE void sums_of_four(const struct short_rows *all, gn_type t, int64_t first, double *dy_sums,
                         double *dyx_sums)
{
    float lanes[2 * 4 * 8], *a_lanes = lanes, *b_lanes = lanes + 4 * 8;
    int64_t n = all->n, rows = all->rows - first < 4 ? all->rows - first : 4;
    const float *mean = all->mean + first;
    if (rows == 4 && n <= TURNS) {
        lanes_of_rows *find_lanes = lanes_of_type(t, all->beyond_llc);
        for (int64_t r = 0; r < 4; r += ABREAST) {
            int64_t at = (first + r) * n;
            find_lanes(gn_at(all->dy, t, at), gn_at(all->x, t, at), n, mean + r, lanes + 8 * r);
        }
    } else {
        for (int64_t r = 0; r < rows; r++) {
            vec_f32 a[VECS] = {{0}}, b[VECS] = {{0}};
            struct coefficients_f32 coefficients = {.mean = splat_f32(mean[r])};
            struct gradient_span_f32 in = {all->dy,         all->x, {t, t, GN_ACTIVATION_IDENTITY},
                                           (first + r) * n, n,      &coefficients};
            row_lanes_f32(in, ROW_VECS, a, b);
            put_eight(a_lanes + 8 * r, a, ROW_VECS);
            put_eight(b_lanes + 8 * r, b, ROW_VECS);
        }
    }
    quad a, b;
    if (rows < 4) {
        memset(a_lanes + 8 * rows, 0, (size_t)(4 - rows) * 8 * sizeof(float));
        memset(b_lanes + 8 * rows, 0, (size_t)(4 - rows) * 8 * sizeof(float));
    }
    sum_eights(a_lanes, &a);
    sum_eights(b_lanes, &b);
    if (rows == 4) {
        *(mem_quad *)dy_sums = a;
        *(mem_quad *)dyx_sums = b;
        return;
    }
    for (int64_t r = 0; r < rows; r++) {
        dy_sums[r] = a[r];
        dyx_sums[r] = b[r];
    }
}

/* The same for any number of rows, also as separate functions. */
#define SUMS_OF_SHORT_ROWS(name, type)                                                             \
    NOINLINE void name(const struct short_rows *all, double *dy_sums, double *dyx_sums)            \
    {                                                                                              \
        for (int64_t r = 0; r < all->rows; r += 4)                                                 \
            sums_of_four(all, type, r, dy_sums + r, dyx_sums + r);                                 \
    }
SUMS_OF_SHORT_ROWS(short_sums_f32, GN_F32)
SUMS_OF_SHORT_ROWS(short_sums_bf16, GN_BF16)
SUMS_OF_SHORT_ROWS(short_sums_f16, GN_F16)
#undef SUMS_OF_SHORT_ROWS

typedef void sums_of_short_rows(const struct short_rows *all, double *dy_sums, double *dyx_sums);

INLINE sums_of_short_rows *short_sums_of(gn_type t)
{
    switch (t) {
    case GN_F32:
        return short_sums_f32;
    case GN_BF16:
        return short_sums_bf16;
    case GN_F16:
        return short_sums_f16;
    case GN_F64:
        break;
    }
    __builtin_unreachable();
}

#endif
