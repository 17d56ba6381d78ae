/* SPDX-License-Identifier: MIT */
/*
 * The reducing kernels for columns: sums down the columns of a tile of pixels, chunk by chunk in
 * float, then in double; for moments, about a shift a group, so that a group's sums are those of
 * its channels added up.
 *
 * Scratch: work has GN_COLUMNS_WORK arrays of gn_padded(channels) doubles. What is computed for the
 * padding of the last vector is never used.
 */

struct column_work {
    float *f32[3];
    double *f64[5];
    double *sums[2]; /* of all chunks */
};

INLINE struct column_work split_work(double *work, int64_t channels)
{
    int64_t n = gn_padded(channels);
    struct column_work w;
    for (int i = 0; i < 3; i++)
        w.f32[i] = (float *)(void *)(work + i * n);
    for (int i = 0; i < 5; i++)
        w.f64[i] = work + (3 + i) * n;
    w.sums[0] = work + 8 * n;
    w.sums[1] = work + 9 * n;
    return w;
}

INLINE int64_t chunk_pixels(const struct gn_columns *in, int64_t first)
{
    return in->pixels - first < CHUNK_PIXELS ? in->pixels - first : CHUNK_PIXELS;
}

/* The sum over a group's channels, in four lanes. */
INLINE double sum_channels(const double *v, int64_t n)
{
    quad t = {0, 0, 0, 0};
    int64_t i = 0;
    for (; i + 4 <= n; i += 4)
        t += *(const mem_quad *)(v + i);
    double sum = (t[0] + t[2]) + (t[1] + t[3]);
    for (; i < n; i++)
        sum += v[i];
    return sum;
}

/* A chunk's sums in float to those of all chunks; the first is what they begin with. */
INLINE void add_chunk(int64_t channels, const float *chunk, bool first, double *sums)
{
    for (int64_t c = 0; c < channels; c += WIDTH_f64) {
        vec_f64 v = load_f64(chunk + c);
        put_f64(sums + c, first ? v : get_f64(sums + c) + v);
    }
}

static void add_float_sums(const struct gn_columns *in, const struct column_work *w)
{
    for (int64_t p = 0; p < in->pixels; p += CHUNK_PIXELS) {
        column_sums_f32(in, p, chunk_pixels(in, p), w->f32[0], w->f32[1], w->f32[2]);
        add_chunk(in->channels, w->f32[1], p == 0, w->sums[0]);
        add_chunk(in->channels, w->f32[2], p == 0, w->sums[1]);
    }
}

/* The sums of all groups in double, about the shifts in f64[0]. */
static void add_double_sums(const struct gn_columns *in, const struct column_work *w)
{
    memset(w->sums[0], 0, 2 * (size_t)gn_padded(in->channels) * sizeof(double));
    for (int64_t p = 0; p < in->pixels; p += CHUNK_PIXELS) {
        column_sums_f64(in, p, chunk_pixels(in, p), w->f64[0], w->f64[1], w->f64[2]);
        for (int64_t c = 0; c < in->channels; c++) {
            w->sums[0][c] += w->f64[1][c];
            w->sums[1][c] += w->f64[2][c];
        }
    }
}

/* The sums over the channels of four groups. */
INLINE void sum_four(const double *v, int64_t depth, quad *sums)
{
    quad t[4];
    UNROLL
    for (int g = 0; g < 4; g++) {
        t[g] = (quad){0, 0, 0, 0};
        for (int64_t i = 0; i + 4 <= depth; i += 4)
            t[g] += *(const mem_quad *)(v + g * depth + i);
    }
    sum_quads(t, sums);
    for (int64_t i = depth / 4 * 4; i < depth; i++)
        *sums += (quad){v[i], v[depth + i], v[2 * depth + i], v[3 * depth + i]};
}

/* The moments of four groups from their channels' sums, if float holds them all. */
INLINE bool moments_four(const struct column_work *w, int64_t c, int64_t depth, double inverse,
                         double floor, struct gn_moments out)
{
    const float *k = w->f32[0] + c;
    quad s, q;
    sum_four(w->sums[0] + c, depth, &s);
    sum_four(w->sums[1] + c, depth, &q);
    quad correction = s * s * inverse, m2 = q - correction;
    __typeof__(q < q) holds = (q <= (double)FLT_MAX) & (q >= floor) & (correction <= m2);
    if (!(holds[0] & holds[1] & holds[2] & holds[3]))
        return false;
    *(mem_quad *)out.origin =
        (quad){(double)k[0], (double)k[depth], (double)k[2 * depth], (double)k[3 * depth]};
    *(mem_quad *)out.offset = s * inverse;
    *(mem_quad *)out.m2 = m2;
    return true;
}

/* The moments of a group from its channels' sums in double. */
INLINE struct gn_moment double_moment_at(const struct column_work *w, int64_t c, int64_t depth,
                                         double n, double inverse)
{
    return moment_of(n, inverse, w->f64[0][c], sum_channels(w->sums[0] + c, depth),
                     sum_channels(w->sums[1] + c, depth));
}

INLINE void put_moment(struct gn_moments out, int64_t g, struct gn_moment m)
{
    out.origin[g] = m.origin;
    out.offset[g] = m.offset;
    out.m2[g] = m.m2;
}

/* All groups again, in double, for those whose float sums do not hold. */
COLD void mend_moments(const struct gn_columns *in, int64_t depth, double n, double inverse,
                       const struct column_work *w, struct gn_moments out)
{
    FELL_BACK();
    column_shifts_f64(in, depth, w->f64[0], w->f64[1]);
    add_double_sums(in, w);
    for (int64_t c = 0, g = 0; c < in->channels; c += depth, g++)
        if (!(out.m2[g] >= 0))
            put_moment(out, g, double_moment_at(w, c, depth, n, inverse));
}

/*
 * Of doubles. Once more about the means, where shifts were not near them: there is no wider type.
 * The others come out as before.
 */
static void double_moments_columns(const struct gn_columns *in, int64_t depth, double n,
                                   double inverse, const struct column_work *w,
                                   struct gn_moments out)
{
    column_shifts_f64(in, depth, w->f64[0], w->f64[1]);
    for (int pass = 0; pass < 2; pass++) {
        add_double_sums(in, w);
        bool near = true;
        for (int64_t c = 0, g = 0; c < in->channels; c += depth, g++) {
            struct gn_moment m = double_moment_at(w, c, depth, n, inverse);
            bool good = n >= SMALL && m.offset * m.offset * n * 8 <= m.m2;
            near &= good;
            put_moment(out, g, m);
            for (int64_t i = c; i < c + depth; i++)
                w->f64[2][i] = good ? m.origin : m.origin + m.offset;
        }
        if (near)
            return;
        memcpy(w->f64[0], w->f64[2], (size_t)in->channels * sizeof(double));
    }
}

static void moments_columns(const struct gn_columns *in, int64_t depth, double floor,
                            struct gn_moments out, double *work)
{
    struct column_work w = split_work(work, in->channels);
    double n = (double)(in->pixels * depth), inverse = 1.0 / n;
    if (in->x_type == GN_F64) {
        double_moments_columns(in, depth, n, inverse, &w, out);
        return;
    }
    column_shifts_f32(in, depth, w.f32[0], w.f32[1]);
    add_float_sums(in, &w);
    bool all = true;
    int64_t groups = in->channels / depth;
    for (int64_t g = 0, found; g < groups; g += found) {
        int64_t c = g * depth;
        struct gn_moments to = {out.origin + g, out.offset + g, out.m2 + g};
        found = 4;
        if (g + 4 <= groups && moments_four(&w, c, depth, inverse, floor, to))
            continue;
        found = 1;
        double s = sum_channels(w.sums[0] + c, depth), q = sum_channels(w.sums[1] + c, depth);
        struct gn_moment m = moment_of(n, inverse, (double)w.f32[0][c], s, q);
        bool holds = sums_hold(q, s * s * inverse, floor);
        all &= holds;
        put_moment(out, g, m);
        if (!holds)
            out.m2[g] = (double)NAN;
    }
    if (!all)
        mend_moments(in, depth, n, inverse, &w, out);
}

INLINE struct column_numbers_f32 column_numbers(const struct gn_columns *in, const float *mean)
{
    return (struct column_numbers_f32){mean, in->scale, in->shift};
}

/* sizes[c] is the size of a channel: see gradient_holds. */
static void column_sizes(const struct gn_columns *in, struct column_numbers_f32 of, float *sizes)
{
    if (in->activation == GN_IDENTITY)
        of.scale = of.shift = of.mean;
    for (int64_t c = 0; c < in->channels; c += WIDTH_f32) {
        vec_f32 sum = splat_f32(0);
        int64_t part = in->channels - c;
        for (int64_t p = 0; p < in->pixels; p++) {
            vec_f32 g = read_part_f32(in->dy, in->y_type, p * in->dy_stride + c, part, 0);
            vec_f32 x = read_part_f32(in->x, in->x_type, p * in->x_stride + c, part, 0);
            vec_f32 z = (x - get_f32(of.mean + c)) * get_f32(of.scale + c) + get_f32(of.shift + c);
            if (in->activation == GN_RELU)
                through_f32(&g, &z, 1, GN_RELU);
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
        if (in->activation != GN_IDENTITY) {
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

/* g of `count` vectors of channels from c on, of a pixel. */
INLINE void gradient_vectors(const struct gn_columns *in, struct operands_f32 as, int64_t pixel,
                             int64_t c, int count, int64_t part, struct column_numbers_f32 of,
                             float *g)
{
    vec_f32 dy[TOGETHER_f32], z[TOGETHER_f32];
    EACH (v, count) {
        int64_t on = c + v * WIDTH_f32, x_at = pixel * in->x_stride + on;
        int64_t dy_at = pixel * in->dy_stride + on;
        vec_f32 x = part ? read_part_f32(in->x, as.x, x_at, part, 0) : read_f32(in->x, as.x, x_at);
        dy[v] =
            part ? read_part_f32(in->dy, as.dy, dy_at, part, 0) : read_f32(in->dy, as.dy, dy_at);
        z[v] = (x - get_f32(of.mean + on)) * get_f32(of.scale + on) + get_f32(of.shift + on);
    }
    through_f32(dy, z, count, as.activation);
    if (part)
        store_part_f32(g + c, dy[0], part);
    else
        EACH (v, count)
            store_f32(g + c + v * WIDTH_f32, dy[v]);
}

INLINE void pixel_gradients(struct gn_columns in, struct operands_f32 as, int64_t first,
                            int64_t pixels, struct column_numbers_f32 of, float *g)
{
    for (int64_t p = first; p < first + pixels; p++, g += in.kept_stride) {
        int64_t c = 0;
        for (; c + 4 * WIDTH_f32 <= in.channels; c += 4 * WIDTH_f32)
            gradient_vectors(&in, as, p, c, 4, 0, of, g);
        for (; c + WIDTH_f32 <= in.channels; c += WIDTH_f32)
            gradient_vectors(&in, as, p, c, 1, 0, of, g);
        if (c < in.channels)
            gradient_vectors(&in, as, p, c, 1, in.channels - c, of, g);
    }
}

/* g of some pixels: of floats as they come, of all else with a branch a vector. */
APART void make_pixel_gradients(const struct gn_columns *in, int64_t first, int64_t pixels,
                                struct column_numbers_f32 of, float *g)
{
    struct operands_f32 as = {in->x_type, in->y_type, in->activation};
    if (as.x == GN_F32 && as.dy == GN_F32 && as.activation == GN_SILU)
        pixel_gradients(*in, (struct operands_f32){GN_F32, GN_F32, GN_SILU}, first, pixels, of, g);
    else if (as.x == GN_F32 && as.dy == GN_F32)
        pixel_gradients(*in, (struct operands_f32){GN_F32, GN_F32, GN_RELU}, first, pixels, of, g);
    else
        pixel_gradients(*in, as, first, pixels, of, g);
}

/* With an activation: the chunk's g first, then its sums. */
static void active_gradient(const struct gn_columns *in, int64_t first, int64_t pixels,
                            struct column_numbers_f32 of, float *a, float *b)
{
    float *g = in->kept_all ? in->kept + first * in->kept_stride : in->kept;
    struct gn_columns chunk = {.x = gn_at(in->x, in->x_type, first * in->x_stride),
                               .dy = g,
                               .x_type = in->x_type,
                               .y_type = GN_F32,
                               .pixels = pixels,
                               .channels = in->channels,
                               .x_stride = in->x_stride,
                               .dy_stride = in->kept_stride};
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
        if (in->activation != GN_IDENTITY)
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
