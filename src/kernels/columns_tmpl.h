/* SPDX-License-Identifier: MIT */
/*
 * The reducing kernels for channels last: sums down the columns of a chunk of pixels, in float
 * where a channel's values allow it, then, for moments, across the channels of each group.
 *
 * Scratch: work has GN_COLUMNS_WORK arrays of gn_padded(channels) doubles. The first three hold the
 * float sums, the next three the double sums of a chunk that needs them.
 */

struct column_work {
    float *f32[3];
    double *f64[3];
    double *mean, *m2;
};

INLINE struct column_work split_work(double *work, int64_t channels)
{
    int64_t n = gn_padded(channels);
    struct column_work w;
    for (int i = 0; i < 3; i++) {
        w.f32[i] = (float *)(void *)(work + i * n);
        w.f64[i] = work + (3 + i) * n;
    }
    w.mean = work + 6 * n;
    w.m2 = work + 7 * n;
    return w;
}

/* The moments of each channel over a chunk of pixels, into w->mean and w->m2. */
static void channel_moments(const struct gn_columns *in, int64_t first, int64_t pixels,
                            double floor, const struct column_work *w)
{
    double n = (double)pixels;
    column_sums_f32(in, first, pixels, w->f32[0], w->f32[1], w->f32[2]);
    bool all = true;
    for (int64_t c = 0; c < in->channels; c++) {
        double s = w->f32[1][c], q = w->f32[2][c];
        all &= sums_hold(s, q, n, floor);
        w->mean[c] = w->f32[0][c] + s / n;
        w->m2[c] = q - s * s / n;
    }
    if (all)
        return;
    column_sums_f64(in, first, pixels, w->f64[0], w->f64[1], w->f64[2]);
    for (int64_t c = 0; c < in->channels; c++) {
        if (sums_hold(w->f32[1][c], w->f32[2][c], n, floor))
            continue;
        double s = w->f64[1][c], m2 = w->f64[2][c] - s * s / n;
        w->mean[c] = w->f64[0][c] + s / n;
        w->m2[c] = m2 < 0 ? 0 : m2;
    }
}

/* Four sums side by side hide the latency of the additions. */
static double sum_channels(const double *v, int64_t n, double about)
{
    double t[4] = {0, 0, 0, 0};
    for (int64_t i = 0; i < n; i++)
        t[i % 4] += v[i] - about;
    return (t[0] + t[2]) + (t[1] + t[3]);
}

static double sum_channel_squares(const double *v, int64_t n, double about)
{
    double t[4] = {0, 0, 0, 0};
    for (int64_t i = 0; i < n; i++)
        t[i % 4] += (v[i] - about) * (v[i] - about);
    return (t[0] + t[2]) + (t[1] + t[3]);
}

static void moments_columns(const struct gn_columns *in, int64_t depth, double floor,
                            struct gn_moments *out, double *work)
{
    struct column_work w = split_work(work, in->channels);
    for (int64_t p = 0; p < in->pixels; p += CHUNK_PIXELS) {
        int64_t pixels = in->pixels - p < CHUNK_PIXELS ? in->pixels - p : CHUNK_PIXELS;
        channel_moments(in, p, pixels, floor, &w);
        for (int64_t c = 0, g = 0; c < in->channels; c += depth, g++) {
            double origin = w.mean[c];
            double mean = origin + sum_channels(w.mean + c, depth, origin) / (double)depth;
            double between = sum_channel_squares(w.mean + c, depth, mean);
            struct gn_moments chunk = {(double)(pixels * depth), mean,
                                       sum_channels(w.m2 + c, depth, 0) + (double)pixels * between};
            if (p == 0)
                out[g] = chunk;
            else
                gn_merge_moments(&out[g], &chunk);
        }
    }
}

static void sums_columns(const struct gn_columns *in, const float *mean, double *const sums[3],
                         double *work)
{
    struct column_work w = split_work(work, in->channels);
    size_t bytes = (size_t)in->channels * sizeof(double);
    for (int i = 0; i < 3; i++)
        memset(sums[i], 0, bytes);
    for (int64_t p = 0; p < in->pixels; p += CHUNK_PIXELS) {
        int64_t pixels = in->pixels - p < CHUNK_PIXELS ? in->pixels - p : CHUNK_PIXELS;
        float *a = w.f32[0], *b = w.f32[1], *x = w.f32[2];
        column_gradient_f32(in, p, pixels, mean, a, b, x);
        bool all = true;
        for (int64_t c = 0; c < in->channels; c++)
            all &= gradient_holds(a[c], b[c], x[c]);
        if (!all)
            column_gradient_f64(in, p, pixels, mean, w.f64[0], w.f64[1], w.f64[2]);
        for (int64_t c = 0; c < in->channels; c++) {
            bool narrow = all || gradient_holds(a[c], b[c], x[c]);
            sums[0][c] += narrow ? (double)a[c] : w.f64[0][c];
            sums[1][c] += narrow ? (double)b[c] : w.f64[1][c];
            sums[2][c] += narrow ? (double)x[c] : w.f64[2][c];
        }
    }
}
