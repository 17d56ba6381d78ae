/* SPDX-License-Identifier: MIT */
/*
 * The reducing kernels for channels last: sums down the columns of a chunk of pixels, in float
 * where a channel's values allow it, then, for moments, across the channels of each group.
 *
 * Scratch: work has GN_COLUMNS_WORK arrays of gn_padded(channels) doubles. The first three hold the
 * float sums, the next three the double sums of a chunk that needs them. What is computed for the
 * padding of the last vector is never used.
 */

struct column_work {
    float *f32[3];
    double *f64[3];
    double *origin, *offset, *m2; /* for moments */
    double *sums[2];              /* for gradients: the same memory */
};

INLINE struct column_work split_work(double *work, int64_t channels)
{
    int64_t n = gn_padded(channels);
    struct column_work w;
    for (int i = 0; i < 3; i++) {
        w.f32[i] = (float *)(void *)(work + i * n);
        w.f64[i] = work + (3 + i) * n;
    }
    w.origin = work + 6 * n;
    w.offset = work + 7 * n;
    w.m2 = work + 8 * n;
    w.sums[0] = w.origin;
    w.sums[1] = w.offset;
    return w;
}

/* The moments of each channel over a chunk of pixels, into w->origin, w->offset and w->m2. */
static void channel_moments(const struct gn_columns *in, int64_t first, int64_t pixels,
                            double floor, const struct column_work *w)
{
    double inverse = 1.0 / (double)pixels;
    column_sums_f32(in, first, pixels, w->f32[0], w->f32[1], w->f32[2]);
    for (int64_t c = in->channels; c % WIDTH_f64; c++)
        w->f32[2][c] = 1; /* padding must not look like an underflow */
    /* sums_hold of rows_tmpl.h for a vector of channels: all ones where it is true. */
    mask_f64 all = splat_f64(0) == splat_f64(0);
    for (int64_t c = 0; c < in->channels; c += WIDTH_f64) {
        vec_f64 s = load_f64(w->f32[1] + c), q = load_f64(w->f32[2] + c);
        vec_f64 correction = s * s * inverse, m2 = q - correction;
        all &= (q <= splat_f64(FLT_MAX)) & (q >= splat_f64(floor)) & (correction <= m2);
        put_f64(w->origin + c, load_f64(w->f32[0] + c));
        put_f64(w->offset + c, s * inverse);
        put_f64(w->m2 + c, m2);
    }
    if (all_true(all))
        return;
    column_sums_f64(in, first, pixels, w->f64[0], w->f64[1], w->f64[2]);
    for (int64_t c = 0; c < in->channels; c++) {
        double narrow_s = w->f32[1][c];
        if (sums_hold(w->f32[2][c], narrow_s * narrow_s * inverse, floor))
            continue;
        double s = w->f64[1][c], m2 = w->f64[2][c] - s * s * inverse;
        w->origin[c] = w->f64[0][c];
        w->offset[c] = s * inverse;
        w->m2[c] = m2 < 0 ? 0 : m2;
    }
}

static double sum_channels(const double *v, int64_t n)
{
    quad t = {0, 0, 0, 0};
    int64_t i = 0;
    for (; i + 4 <= n; i += 4)
        t += *(const mem_quad *)(v + i);
    for (; i < n; i++)
        t[i % 4] += v[i];
    return (t[0] + t[2]) + (t[1] + t[3]);
}

static double sum_channel_squares(const double *v, int64_t n, double about)
{
    quad t = {0, 0, 0, 0};
    int64_t i = 0;
    for (; i + 4 <= n; i += 4) {
        quad d = *(const mem_quad *)(v + i) - about;
        t += d * d;
    }
    for (; i < n; i++)
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
            double origin = w.origin[c];
            for (int64_t i = 0; i < depth; i++)
                w.offset[c + i] += w.origin[c + i] - origin;
            double offset = sum_channels(w.offset + c, depth) / (double)depth;
            double between = sum_channel_squares(w.offset + c, depth, offset);
            struct gn_moments chunk = {(double)(pixels * depth), origin, offset,
                                       sum_channels(w.m2 + c, depth) + (double)pixels * between};
            if (p == 0)
                out[g] = chunk;
            else
                gn_merge_moments(&out[g], &chunk);
        }
    }
}

/* sizes[c] is the sum of |dy| over a chunk of pixels: 0 where all are. */
COLD void column_sizes(const struct gn_columns *in, int64_t first, int64_t pixels, float *sizes)
{
    for (int64_t c = 0; c < in->channels; c += WIDTH_f32) {
        vec_f32 sum = splat_f32(0);
        for (int64_t p = first; p < first + pixels; p++)
            sum += abs_f32(load_part_f32(in->dy + p * in->stride + c, in->channels - c, 0));
        put_f32(sizes + c, sum);
    }
}

/* gradient_holds of rows_tmpl.h for all channels; `sizes` is NULL or of column_sizes. */
INLINE bool all_gradients_hold(int64_t channels, const float *a, const float *b, const float *sizes)
{
    mask_f64 all = splat_f64(0) == splat_f64(0);
    int64_t c = 0;
    for (; c + WIDTH_f64 <= channels; c += WIDTH_f64) {
        vec_f64 va = abs_f64(load_f64(a + c)), vb = abs_f64(load_f64(b + c));
        mask_f64 zero = sizes ? load_f64(sizes + c) == splat_f64(0) : splat_f64(0) > splat_f64(0);
        all &= (va <= splat_f64(FLT_MAX)) & (vb <= splat_f64(FLT_MAX)) &
               ((vb >= splat_f64(0x1p-100)) | zero);
    }
    bool rest = true;
    for (; c < channels; c++)
        rest &= gradient_holds(a[c], b[c], sizes && sizes[c] == 0);
    return all_true(all) && rest;
}

static void sums_columns(const struct gn_columns *in, const float *mean, double *dy, double *dyx,
                         double *work)
{
    struct column_work w = split_work(work, in->channels);
    size_t padded = (size_t)gn_padded(in->channels) * sizeof(double);
    size_t exact = (size_t)in->channels * sizeof(double);
    memset(w.sums[0], 0, padded);
    memset(w.sums[1], 0, padded);
    float *a = w.f32[0], *b = w.f32[1], *sizes = w.f32[2];
    double *wide_a = w.f64[0], *wide_b = w.f64[1], *dy_sum = w.sums[0], *dyx_sum = w.sums[1];
    for (int64_t p = 0; p < in->pixels; p += CHUNK_PIXELS) {
        int64_t pixels = in->pixels - p < CHUNK_PIXELS ? in->pixels - p : CHUNK_PIXELS;
        column_gradient_f32(in, p, pixels, mean, a, b);
        bool all = all_gradients_hold(in->channels, a, b, NULL);
        if (!all) {
            column_sizes(in, p, pixels, sizes);
            all = all_gradients_hold(in->channels, a, b, sizes);
        }
        if (all) {
            for (int64_t c = 0; c < in->channels; c += WIDTH_f64) {
                put_f64(dy_sum + c, get_f64(dy_sum + c) + load_f64(a + c));
                put_f64(dyx_sum + c, get_f64(dyx_sum + c) + load_f64(b + c));
            }
            continue;
        }
        column_gradient_f64(in, p, pixels, mean, wide_a, wide_b);
        for (int64_t c = 0; c < in->channels; c++) {
            bool narrow = gradient_holds(a[c], b[c], sizes[c] == 0);
            dy_sum[c] += narrow ? (double)a[c] : wide_a[c];
            dyx_sum[c] += narrow ? (double)b[c] : wide_b[c];
        }
    }
    memcpy(dy, dy_sum, exact);
    memcpy(dyx, dyx_sum, exact);
}
