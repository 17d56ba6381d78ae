/* SPDX-License-Identifier: MIT */
/* The kernels for channels first: chunk by chunk, in float where the chunk's values allow it. */

/*
 * Whether float sums of a chunk can be trusted: they did not overflow, squares that matter did not
 * underflow, and the shift was near the mean, so that S^2/n took away at most half of Q.
 */
INLINE bool sums_hold(double q, double correction, double floor)
{
    return q <= (double)FLT_MAX && q >= floor && correction <= q - correction;
}

COLD void wide_sums(const float *x, int64_t n, double *k, double *s, double *q)
{
    *k = row_shift_f64(x, n);
    row_sums_f64(x, n, *k, s, q);
}

INLINE struct gn_moments chunk_moments(const float *x, int64_t n, double floor)
{
    double inverse = 1.0 / (double)n;
    double k, s, q;
    if (n >= SMALL) {
        float shift = row_shift_f32(x, n);
        row_sums_f32(x, n, shift, &s, &q);
        k = (double)shift;
    }
    if (n < SMALL || !sums_hold(q, s * s * inverse, floor))
        wide_sums(x, n, &k, &s, &q);
    double m2 = q - s * s * inverse;
    return (struct gn_moments){(double)n, k, s * inverse, m2 < 0 ? 0 : m2};
}

static void moments_rows(const float *x, int64_t n, double floor, struct gn_moments *out)
{
    struct gn_moments all = {0, 0, 0, 0};
    for (int64_t i = 0; i < n; i += CHUNK) {
        struct gn_moments chunk = chunk_moments(x + i, n - i < CHUNK ? n - i : CHUNK, floor);
        if (i == 0)
            all = chunk;
        else
            gn_merge_moments(&all, &chunk);
    }
    *out = all;
}

/*
 * Whether float sums of gradients can be trusted: they did not overflow, and no product that
 * matters underflowed. Where all dy are 0, as after a ReLU, nothing matters.
 */
INLINE bool gradient_holds(double a, double b, bool zero)
{
    bool finite = fabs(a) <= (double)FLT_MAX && fabs(b) <= (double)FLT_MAX;
    return finite && (fabs(b) >= 0x1p-100 || zero);
}

static bool all_zero(const float *dy, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (dy[i] != 0)
            return false;
    return true;
}

COLD void wide_gradient(const float *dy, const float *x, int64_t n, double mean, double *a,
                        double *b)
{
    row_gradient_f64(dy, x, n, mean, a, b);
}

static void sums_rows(const struct gn_rows *rows, float mean, struct gn_sums *sums)
{
    int64_t length = rows->length;
    const float *dy = rows->dy, *x = rows->x;
    for (int64_t c = 0; c < rows->channels; c++, dy += length, x += length) {
        double a_all = 0, b_all = 0;
        for (int64_t i = 0; i < length; i += CHUNK) {
            int64_t n = length - i < CHUNK ? length - i : CHUNK;
            double a, b;
            row_gradient_f32(dy + i, x + i, n, mean, &a, &b);
            if (!gradient_holds(a, b, false) && !gradient_holds(a, b, all_zero(dy + i, n)))
                wide_gradient(dy + i, x + i, n, mean, &a, &b);
            a_all += a;
            b_all += b;
        }
        sums[c].dy = a_all;
        sums[c].dyx = b_all;
    }
}
