/* SPDX-License-Identifier: MIT */
/* The sums of gradients over rows: chunk by chunk, in float where the chunk's values allow it. */

/* The numbers of row c; scale and shift where there is an activation alone. */
INLINE struct numbers_f32 numbers_of_row(const struct gn_rows *rows, int64_t c, float mean)
{
    struct numbers_f32 of = {.mean = splat_f32(mean)};
    if (rows->activation != GN_IDENTITY) {
        of.scale = splat_f32(rows->scale[c]);
        of.shift = splat_f32(rows->shift[c]);
    }
    return of;
}

/* In double, the rows below SHORT whose float sums do not hold. */
COLD void mend_rows(const struct gn_rows *rows, int64_t depth, const float *means, double *dy_sums,
                    double *dyx_sums)
{
    int64_t n = rows->length;
    for (int64_t c = 0; c < rows->channels; c++) {
        struct numbers_f32 of = numbers_of_row(rows, c, means[c / depth]);
        if (!gradient_holds(dy_sums[c], dyx_sums[c], 0, UNKNOWN_SIZE))
            wide_gradient(rows->dy, rows->x,
                          (struct operands_f32){rows->x_type, rows->y_type, rows->activation},
                          c * n, n, &of, &dy_sums[c], &dyx_sums[c]);
    }
}

/* A and B of a row of any length, chunk by chunk; returns whether some had to be in double. */
INLINE bool sums_any(const void *dy, const void *x, struct operands_f32 as, int64_t first,
                     int64_t length, const struct numbers_f32 *of, double *dy_sum, double *dyx_sum)
{
    bool hard = false;
    *dy_sum = *dyx_sum = 0;
    for (int64_t i = 0; i < length; i += CHUNK) {
        int64_t n = length - i < CHUNK ? length - i : CHUNK;
        double a, b;
        row_gradient_f32(dy, x, as, first + i, n, of, VECS, &a, &b);
        if (!gradient_holds(a, b, least_gradient(as.activation), UNKNOWN_SIZE))
            hard |= wide_gradient(dy, x, as, first + i, n, of, &a, &b);
        *dy_sum += a;
        *dyx_sum += b;
    }
    return hard;
}

/* Apart, each with its own registers. */
typedef bool sums_row(const struct gn_rows *rows, int64_t first, const struct numbers_f32 *of,
                      double *dy_sum, double *dyx_sum);

APART bool sums_row_f32(const struct gn_rows *rows, int64_t first, const struct numbers_f32 *of,
                        double *dy_sum, double *dyx_sum)
{
    return sums_any(rows->dy, rows->x, floats, first, rows->length, of, dy_sum, dyx_sum);
}

APART bool sums_row_bf16(const struct gn_rows *rows, int64_t first, const struct numbers_f32 *of,
                         double *dy_sum, double *dyx_sum)
{
    return sums_any(rows->dy, rows->x, (struct operands_f32){GN_BF16, GN_BF16, GN_IDENTITY}, first,
                    rows->length, of, dy_sum, dyx_sum);
}

APART bool sums_row_f16(const struct gn_rows *rows, int64_t first, const struct numbers_f32 *of,
                        double *dy_sum, double *dyx_sum)
{
    return sums_any(rows->dy, rows->x, (struct operands_f32){GN_F16, GN_F16, GN_IDENTITY}, first,
                    rows->length, of, dy_sum, dyx_sum);
}

APART bool sums_row_mixed(const struct gn_rows *rows, int64_t first, const struct numbers_f32 *of,
                          double *dy_sum, double *dyx_sum)
{
    return sums_any(rows->dy, rows->x,
                    (struct operands_f32){rows->x_type, rows->y_type, GN_IDENTITY}, first,
                    rows->length, of, dy_sum, dyx_sum);
}

/* With an activation: g first, where it is kept or in the L1 cache, then its sums. */
static bool sums_row_active(const struct gn_rows *rows, int64_t first, const struct numbers_f32 *of,
                            double *dy_sum, double *dyx_sum)
{
    struct operands_f32 given = {rows->x_type, rows->y_type, rows->activation};
    float chunk[CHUNK];
    bool hard = false;
    *dy_sum = *dyx_sum = 0;
    for (int64_t i = first, end = first + rows->length; i < end; i += CHUNK) {
        int64_t n = end - i < CHUNK ? end - i : CHUNK;
        float *g = rows->kept ? rows->kept + i : chunk;
        const void *x = gn_at(rows->x, rows->x_type, i);
        double a, b;
        make_gradients(rows, i, n, of, g);
        if (rows->x_type == GN_F32)
            row_gradient_f32(g, x, floats, 0, n, of, VECS, &a, &b);
        else
            row_gradient_f32(g, x, (struct operands_f32){rows->x_type, GN_F32, GN_IDENTITY}, 0, n,
                             of, VECS, &a, &b);
        if (!gradient_holds(a, b, least_gradient(rows->activation), UNKNOWN_SIZE))
            hard |= wide_gradient(rows->dy, rows->x, given, i, n, of, &a, &b);
        *dy_sum += a;
        *dyx_sum += b;
    }
    return hard;
}

/* The means of `count` rows from `first` on, of groups of `depth` rows. */
INLINE void row_means(const float *means, int64_t depth, int64_t first, int64_t count, float *mean)
{
    int64_t g = first / depth, left = (g + 1) * depth - first;
    for (int64_t r = 0; r < count; left = depth, g++)
        for (int64_t end = r + left < count ? r + left : count; r < end; r++)
            mean[r] = means[g];
}

/* Rows below SHORT without an activation, four at a time; of other types than float, converted. */
static void sums_shorts(const struct gn_rows *rows, int64_t depth, const float *means,
                        double *dy_sums, double *dyx_sums)
{
    enum { ROWS = 64 };
    float mean[ROWS], blocks[2][4 * SHORT];
    int64_t n = rows->length, channels = rows->channels;
    for (int64_t c = 0; c < channels; c += 4) {
        int64_t left = channels - c, count = left < 4 ? left : 4;
        const void *dy = gn_at(rows->dy, rows->y_type, c * n);
        const void *x = gn_at(rows->x, rows->x_type, c * n);
        if (c % ROWS == 0)
            row_means(means, depth, c, left < ROWS ? left : ROWS, mean);
        if (rows->y_type != GN_F32) {
            convert(dy, rows->y_type, count * n, blocks[0]);
            dy = blocks[0];
        }
        if (rows->x_type != GN_F32) {
            convert(x, rows->x_type, count * n, blocks[1]);
            x = blocks[1];
        }
        sums_short(dy, x, n, count, mean + c % ROWS, rows->far, dy_sums + c, dyx_sums + c);
    }
}

static void sums_rows(const struct gn_rows *rows, int64_t depth, const float *means,
                      double *dy_sums, double *dyx_sums)
{
    bool plain = rows->activation == GN_IDENTITY && rows->x_type == rows->y_type;
    if (rows->length < SHORT && rows->activation == GN_IDENTITY) {
        sums_shorts(rows, depth, means, dy_sums, dyx_sums);
        if (!all_gradients_hold(rows->channels, dy_sums, dyx_sums, 0))
            mend_rows(rows, depth, means, dy_sums, dyx_sums);
        return;
    }
    sums_row *sums = rows->activation != GN_IDENTITY ? sums_row_active
                     : !plain                        ? sums_row_mixed
                     : rows->x_type == GN_BF16       ? sums_row_bf16
                     : rows->x_type == GN_F16        ? sums_row_f16
                                                     : sums_row_f32;
    for (int64_t c = 0; c < rows->channels; c++) {
        struct numbers_f32 of = numbers_of_row(rows, c, means[c / depth]);
        bool hard = sums(rows, c * rows->length, &of, dy_sums + c, dyx_sums + c);
        if (rows->hard)
            rows->hard[c] = hard;
    }
}

/* All in double, with numbers for each channel. */
static void sums_rows_wide(const struct gn_rows *rows, const double *mean, const double *scale,
                           const double *shift, double *dy_sums, double *dyx_sums)
{
    struct operands_f64 as = {rows->x_type, rows->y_type, rows->activation};
    for (int64_t c = 0; c < rows->channels; c++) {
        struct numbers_f64 of = {
            .mean = splat_f64(mean[c]), .scale = splat_f64(scale[c]), .shift = splat_f64(shift[c])};
        dy_sums[c] = dyx_sums[c] = 0;
        for (int64_t i = 0; i < rows->length; i += CHUNK) {
            int64_t n = rows->length - i < CHUNK ? rows->length - i : CHUNK;
            double a, b;
            row_gradient_f64(rows->dy, rows->x, as, c * rows->length + i, n, &of, VECS, &a, &b);
            dy_sums[c] += a;
            dyx_sums[c] += b;
        }
    }
}
