/* SPDX-License-Identifier: MIT */
/* The kernels for channels first: chunk by chunk, in float where the chunk's values allow it. */

/*
 * Whether float sums of a chunk can be trusted: they did not overflow, squares that matter did not
 * underflow, and the shift was near the mean, so that S^2/n took away at most half of Q.
 */
INLINE bool sums_hold(double s, double q, double n, double floor)
{
    double correction = s * s / n;
    return q <= (double)FLT_MAX && q >= floor && correction <= q - correction;
}

static struct gn_moments chunk_moments(const float *x, int64_t n, double floor)
{
    double k, s, q;
    if (n >= SMALL) {
        float shift = row_shift_f32(x, n);
        row_sums_f32(x, n, shift, &s, &q);
        k = (double)shift;
    }
    if (n < SMALL || !sums_hold(s, q, (double)n, floor)) {
        k = row_shift_f64(x, n);
        row_sums_f64(x, n, k, &s, &q);
    }
    double m2 = q - s * s / (double)n;
    return (struct gn_moments){(double)n, k + s / (double)n, m2 < 0 ? 0 : m2};
}

static void moments_rows(const float *x, int64_t n, double floor, struct gn_moments *out)
{
    *out = chunk_moments(x, n < CHUNK ? n : CHUNK, floor);
    for (int64_t i = CHUNK; i < n; i += CHUNK) {
        struct gn_moments more = chunk_moments(x + i, n - i < CHUNK ? n - i : CHUNK, floor);
        gn_merge_moments(out, &more);
    }
}

static void normalize_rows(const struct gn_rows *rows, const struct gn_line *line)
{
    const float *x = rows->x;
    float *y = rows->out;
    for (int64_t c = 0; c < rows->channels; c++, line++, x += rows->length, y += rows->length)
        if (line->fits)
            normalize_row_f32(x, y, rows->length, line->narrow_mean, line->narrow_scale,
                              line->narrow_shift);
        else
            normalize_row_f64(x, y, rows->length, line->mean, line->scale, line->shift);
}

/*
 * Whether float sums of gradients can be trusted: they did not overflow, and no product that
 * matters underflowed. Where all dy are 0, nothing matters.
 */
INLINE bool gradient_holds(double a, double b)
{
    bool finite = fabs(a) <= (double)FLT_MAX && fabs(b) <= (double)FLT_MAX;
    return finite && (fabs(b) >= 0x1p-100 || (a == 0 && b == 0));
}

INLINE void chunk_gradient(const float *dy, const float *x, int64_t n, float mean, double *a,
                           double *b)
{
    row_gradient_f32(dy, x, n, mean, a, b);
    if (!gradient_holds(*a, *b))
        row_gradient_f64(dy, x, n, mean, a, b);
}

static void sums_rows(const struct gn_rows *rows, float mean, struct gn_sums *sums)
{
    int64_t length = rows->length;
    const float *dy = rows->dy, *x = rows->x;
    for (int64_t c = 0; c < rows->channels; c++, dy += length, x += length) {
        chunk_gradient(dy, x, length < CHUNK ? length : CHUNK, mean, &sums[c].dy, &sums[c].dyx);
        for (int64_t i = CHUNK; i < length; i += CHUNK) {
            double a, b;
            chunk_gradient(dy + i, x + i, length - i < CHUNK ? length - i : CHUNK, mean, &a, &b);
            sums[c].dy += a;
            sums[c].dyx += b;
        }
    }
}

static void apply_rows(const struct gn_rows *rows, const struct gn_plane *plane)
{
    for (int64_t c = 0; c < rows->channels; c++) {
        int64_t start = c * rows->length;
        const float *dy = rows->dy + start;
        const float *x = rows->x + start;
        if (plane[c].fits)
            apply_row_f32(dy, x, rows->out + start, rows->length, &plane[c]);
        else
            apply_row_f64(dy, x, rows->out + start, rows->length, &plane[c]);
    }
}
