/* SPDX-License-Identifier: MIT */
/* The sums of gradients over columns: chunk by chunk in float where it holds, then in double. */

INLINE struct column_numbers_f32 column_numbers(const struct gn_columns *in, const float *mean)
{
    return (struct column_numbers_f32){mean, in->scale, in->shift};
}

/* sizes[c] is the size of a channel: see gradient_holds. */
static void column_sizes(const struct gn_columns *in, struct column_numbers_f32 of, float *sizes)
{
    if (in->activation == GN_ACTIVATION_IDENTITY)
        of.scale = of.shift = of.mean;
    for (int64_t c = 0; c < in->channels; c += WIDTH_f32) {
        vec_f32 sum = splat_f32(0);
        int64_t part = in->channels - c;
        for (int64_t p = 0; p < in->pixels; p++) {
            int64_t dy_at = gn_pixel_at(in->dy_at, in->dy_stride, p) + c;
            int64_t x_at = gn_pixel_at(in->x_at, in->x_stride, p) + c;
            vec_f32 g = read_part_f32(in->dy, in->y_type, dy_at, part, 0);
            vec_f32 x = read_part_f32(in->x, in->x_type, x_at, part, 0);
            vec_f32 z = (x - get_f32(of.mean + c)) * get_f32(of.scale + c) + get_f32(of.shift + c);
            if (in->activation == GN_ACTIVATION_RELU)
                through_f32(&g, &z, 1, GN_ACTIVATION_RELU);
            sum += abs_f32(g);
        }
        put_f32(sizes + c, sum);
    }
}

/* The numbers of float, in double. */
static struct column_numbers_f64 widened_columns(const struct gn_columns *in, const float *mean,
                                                 const struct column_work *w)
{
    for (int64_t c = 0; c < in->channels; c++) {
        w->f64[2][c] = (double)mean[c];
        if (in->activation != GN_ACTIVATION_IDENTITY) {
            w->f64[3][c] = (double)in->scale[c];
            w->f64[4][c] = (double)in->shift[c];
        }
    }
    return (struct column_numbers_f64){w->f64[2], w->f64[3], w->f64[4]};
}

/* In double, the channels whose float sums do not hold. */
COLD void mend_gradients(const struct gn_columns *in, const float *mean,
                         const struct column_work *w)
{
    float *sizes = w->f32[2];
    double *a = w->sums[0], *b = w->sums[1];
    bool all = true;
    column_sizes(in, column_numbers(in, mean), sizes);
    for (int64_t c = 0; c < in->channels; c++) {
        bool holds = gradient_holds(a[c], b[c], least_gradient(in->activation), sizes[c]);
        all &= holds;
        sizes[c] = holds;
        if (!holds)
            a[c] = b[c] = 0;
        if (in->hard)
            in->hard[c] = !holds;
    }
    if (all)
        return;
    FELL_BACK();
    struct column_numbers_f64 of = widened_columns(in, mean, w);
    for (int64_t p = 0; p < in->pixels; p += CHUNK_PIXELS) {
        column_gradient_f64(in, p, chunk_pixels(in, p), of, w->f64[0], w->f64[1]);
        for (int64_t c = 0; c < in->channels; c++) {
            a[c] += sizes[c] != 0 ? 0 : w->f64[0][c];
            b[c] += sizes[c] != 0 ? 0 : w->f64[1][c];
        }
    }
}

/* With an activation: the chunk's g first, then its sums. */
static void active_gradient(const struct gn_columns *in, int64_t first, int64_t pixels,
                            struct column_numbers_f32 of, float *a, float *b)
{
    float *g = in->kept_all ? in->kept + first * in->kept_stride : in->kept;
    int64_t offset = in->x_at ? 0 : first * in->x_stride;
    struct gn_columns chunk = {.x = gn_at(in->x, in->x_type, offset),
                               .x_at = in->x_at ? in->x_at + first : NULL,
                               .dy = g,
                               .x_type = in->x_type,
                               .y_type = GN_F32,
                               .pixels = pixels,
                               .channels = in->channels,
                               .x_stride = in->x_stride,
                               .dy_stride = in->kept_stride,
                               .far = in->far};
    make_pixel_gradients(in, first, pixels, of, g);
    column_gradient_f32(&chunk, 0, pixels, of, a, b);
}

static void sums_columns(const struct gn_columns *in, const float *mean, double *dy, double *dyx,
                         double *work)
{
    struct column_work w = split_work(work, in->channels);
    struct column_numbers_f32 of = column_numbers(in, mean);
    if (in->hard)
        memset(in->hard, 0, (size_t)in->channels * sizeof *in->hard);
    for (int64_t p = 0; p < in->pixels; p += CHUNK_PIXELS) {
        if (in->activation != GN_ACTIVATION_IDENTITY)
            active_gradient(in, p, chunk_pixels(in, p), of, w.f32[0], w.f32[1]);
        else
            column_gradient_f32(in, p, chunk_pixels(in, p), of, w.f32[0], w.f32[1]);
        add_chunk(in->channels, w.f32[0], p == 0, w.sums[0]);
        add_chunk(in->channels, w.f32[1], p == 0, w.sums[1]);
    }
    if (!all_gradients_hold(in->channels, w.sums[0], w.sums[1], least_gradient(in->activation)))
        mend_gradients(in, mean, &w);
    memcpy(dy, w.sums[0], (size_t)in->channels * sizeof(double));
    memcpy(dyx, w.sums[1], (size_t)in->channels * sizeof(double));
}

/* All in double, with numbers for each channel. */
static void sums_columns_wide(const struct gn_columns *in, const double *mean, const double *scale,
                              const double *shift, double *dy, double *dyx, double *work)
{
    struct column_work w = split_work(work, in->channels);
    struct column_numbers_f64 of = {mean, scale, shift};
    size_t bytes = (size_t)in->channels * sizeof(double);
    memset(dy, 0, bytes);
    memset(dyx, 0, bytes);
    for (int64_t p = 0; p < in->pixels; p += CHUNK_PIXELS) {
        column_gradient_f64(in, p, chunk_pixels(in, p), of, w.f64[0], w.f64[1]);
        for (int64_t c = 0; c < in->channels; c++) {
            dy[c] += w.f64[0][c];
            dyx[c] += w.f64[1][c];
        }
    }
}
