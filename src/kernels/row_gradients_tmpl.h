/* SPDX-License-Identifier: MIT */
/* The sums of gradients over rows: chunk by chunk, in float where the chunk's values allow it. */

static const struct operands_f32 floats = {GN_F32, GN_F32, GN_ACTIVATION_IDENTITY};

/* The numbers of row c; scale and shift where there is an activation alone. */
INLINE struct numbers_f32 numbers_of_row(const struct gn_rows *rows, int64_t c, float mean)
{
    struct numbers_f32 of = {.mean = splat_f32(mean)};
    if (rows->activation != GN_ACTIVATION_IDENTITY) {
        of.scale = splat_f32(rows->scale[c]);
        of.shift = splat_f32(rows->shift[c]);
    }
    return of;
}

/* Row c as one. */
INLINE struct gn_rows row_of(const struct gn_rows *rows, int64_t c)
{
    struct gn_rows row = *rows;
    row.x = gn_at(rows->x, rows->x_type, c * rows->x_stride);
    row.dy = gn_at(rows->dy, rows->y_type, c * rows->dy_stride);
    row.kept = rows->kept ? rows->kept + c * rows->length : NULL;
    return row;
}

/* In double, the rows below SHORT whose float sums do not hold. */
COLD void mend_rows(const struct gn_rows *rows, int64_t depth, const float *means, double *dy_sums,
                    double *dyx_sums)
{
    struct operands_f32 as = {rows->x_type, rows->y_type, rows->activation};
    double least = least_gradient(rows->activation);
    for (int64_t c = 0; c < rows->channels; c++) {
        struct numbers_f32 of = numbers_of_row(rows, c, means[c / depth]);
        struct gn_rows row = row_of(rows, c);
        bool hard = !gradient_holds(dy_sums[c], dyx_sums[c], least, UNKNOWN_SIZE) &&
                    wide_gradient(row.dy, row.x, as, 0, row.length, &of, &dy_sums[c], &dyx_sums[c]);
        if (rows->hard)
            rows->hard[c] = hard;
    }
}

/* A and B of rows of any length without an activation, chunk by chunk. */
INLINE void sums_long(const struct gn_rows *rows, struct operands_f32 as, int64_t depth,
                      const float *means, double *dy_sums, double *dyx_sums)
{
    int64_t length = rows->length;
    for (int64_t c = 0; c < rows->channels; c++) {
        const void *dy = gn_at(rows->dy, as.dy, c * rows->dy_stride);
        const void *x = gn_at(rows->x, as.x, c * rows->x_stride);
        struct numbers_f32 of = {.mean = splat_f32(means[c / depth])};
        dy_sums[c] = dyx_sums[c] = 0;
        for (int64_t i = 0; i < length; i += CHUNK) {
            int64_t n = length - i < CHUNK ? length - i : CHUNK;
            double a, b;
            row_gradient_f32(dy, x, as, i, n, &of, VECS, &a, &b);
            if (!gradient_holds(a, b, least_gradient(GN_ACTIVATION_IDENTITY), UNKNOWN_SIZE))
                wide_gradient(dy, x, as, i, n, &of, &a, &b);
            dy_sums[c] += a;
            dyx_sums[c] += b;
        }
    }
}

/* Apart, each with its own registers. */
typedef void sums_of_rows(const struct gn_rows *rows, int64_t depth, const float *means,
                          double *dy_sums, double *dyx_sums);

APART void sums_long_f32(const struct gn_rows *rows, int64_t depth, const float *means,
                         double *dy_sums, double *dyx_sums)
{
    sums_long(rows, floats, depth, means, dy_sums, dyx_sums);
}

APART void sums_long_bf16(const struct gn_rows *rows, int64_t depth, const float *means,
                          double *dy_sums, double *dyx_sums)
{
    sums_long(rows, (struct operands_f32){GN_BF16, GN_BF16, GN_ACTIVATION_IDENTITY}, depth, means,
              dy_sums, dyx_sums);
}

APART void sums_long_f16(const struct gn_rows *rows, int64_t depth, const float *means,
                         double *dy_sums, double *dyx_sums)
{
    sums_long(rows, (struct operands_f32){GN_F16, GN_F16, GN_ACTIVATION_IDENTITY}, depth, means,
              dy_sums, dyx_sums);
}

APART void sums_long_mixed(const struct gn_rows *rows, int64_t depth, const float *means,
                           double *dy_sums, double *dyx_sums)
{
    sums_long(rows, (struct operands_f32){rows->x_type, rows->y_type, GN_ACTIVATION_IDENTITY},
              depth, means, dy_sums, dyx_sums);
}

/* With an activation: g first, where it is kept or in the L1 cache, then its sums. */
INLINE bool sums_active(const struct gn_rows *row, const struct numbers_f32 *of, double *dy_sum,
                        double *dyx_sum)
{
    struct operands_f32 given = {row->x_type, row->y_type, row->activation};
    float chunk[CHUNK];
    bool hard = false;
    *dy_sum = *dyx_sum = 0;
    for (int64_t i = 0; i < row->length; i += CHUNK) {
        int64_t n = row->length - i < CHUNK ? row->length - i : CHUNK;
        float *g = row->kept ? row->kept + i : chunk;
        const void *x = gn_at(row->x, row->x_type, i);
        double a, b;
        make_gradients(row, i, n, of, g);
        if (row->x_type == GN_F32)
            row_gradient_f32(g, x, floats, 0, n, of, VECS, &a, &b);
        else
            row_gradient_f32(g, x,
                             (struct operands_f32){row->x_type, GN_F32, GN_ACTIVATION_IDENTITY}, 0,
                             n, of, VECS, &a, &b);
        if (!gradient_holds(a, b, least_gradient(row->activation), UNKNOWN_SIZE))
            hard |= wide_gradient(row->dy, row->x, given, i, n, of, &a, &b);
        *dy_sum += a;
        *dyx_sum += b;
    }
    return hard;
}

static void sums_long_active(const struct gn_rows *rows, int64_t depth, const float *means,
                             double *dy_sums, double *dyx_sums)
{
    for (int64_t c = 0; c < rows->channels; c++) {
        struct numbers_f32 of = numbers_of_row(rows, c, means[c / depth]);
        struct gn_rows row = row_of(rows, c);
        rows->hard[c] = sums_active(&row, &of, dy_sums + c, dyx_sums + c);
    }
}

/* The means of `count` rows from `first` on, of groups of `depth` rows. */
INLINE void row_means(const float *means, int64_t depth, int64_t first, int64_t count, float *mean)
{
    int64_t g = first / depth, left = (g + 1) * depth - first;
    for (int64_t r = 0; r < count; left = depth, g++)
        for (int64_t end = r + left < count ? r + left : count; r < end; r++)
            mean[r] = means[g];
}

/* A few rows one after the other: where they lie, or as floats in the block, of which is t then. */
INLINE const void *rows_together(const void *p, gn_type *t, int64_t stride, int64_t n, int64_t rows,
                                 bool as_it_is, float *block)
{
    if ((as_it_is || *t == GN_F32) && (stride == n || rows == 1))
        return p;
    if (stride == n) {
        convert(p, *t, rows * n, block);
    } else {
        for (int64_t r = 0; r < rows; r++) {
            const void *row = gn_at(p, *t, r * stride);
            if (*t == GN_F32)
                memcpy(block + r * n, row, (size_t)n * sizeof *block);
            else
                convert(row, *t, n, block + r * n);
        }
    }
    *t = GN_F32;
    return block;
}

/* Rows below SHORT, four at a time; with an activation, g of several of them before. */
static void sums_shorts(const struct gn_rows *rows, int64_t depth, const float *means,
                        double *dy_sums, double *dyx_sums)
{
    enum { ROWS = 64, BLOCK = 4 * SHORT };
    float mean[ROWS], blocks[3][BLOCK];
    int64_t n = rows->length, channels = rows->channels, most = BLOCK / n / 4 * 4;
    bool active = rows->activation != GN_ACTIVATION_IDENTITY;
    bool as_they_are =
        !active && rows->x_type == rows->y_type && rows->x_stride == n && rows->dy_stride == n;
    most = most < ROWS ? most : ROWS;
    for (int64_t c = 0; c < channels; c += most) {
        int64_t left = channels - c, count = left < most ? left : most;
        gn_type dy_type = rows->y_type, t = rows->x_type;
        row_means(means, depth, c, count, mean);
        const void *dy = rows_together(gn_at(rows->dy, dy_type, c * rows->dy_stride), &dy_type,
                                       rows->dy_stride, n, count, as_they_are, blocks[0]);
        const void *x = rows_together(gn_at(rows->x, t, c * rows->x_stride), &t, rows->x_stride, n,
                                      count, as_they_are, blocks[1]);
        if (active) {
            float *g = rows->kept ? rows->kept + c * n : blocks[2];
            struct gn_rows z = {
                .x = x, .out = g, .channels = count, .length = n, .x_stride = n, .out_stride = n};
            make_short_gradients(&z, dy, rows->activation, mean, rows->scale + c, rows->shift + c);
            dy = g;
        }
        if (t == GN_F32)
            sums_block_f32(dy, x, n, count, mean, rows->far, dy_sums + c, dyx_sums + c);
        else if (t == GN_BF16)
            sums_block_bf16(dy, x, n, count, mean, rows->far, dy_sums + c, dyx_sums + c);
        else
            sums_block_f16(dy, x, n, count, mean, rows->far, dy_sums + c, dyx_sums + c);
    }
}

static void sums_rows(const struct gn_rows *rows, int64_t depth, const float *means,
                      double *dy_sums, double *dyx_sums)
{
    if (rows->length < SHORT) {
        sums_shorts(rows, depth, means, dy_sums, dyx_sums);
        for (int64_t c = 0; rows->hard && c < rows->channels; c++)
            rows->hard[c] = 0;
        if (!all_gradients_hold(rows->channels, dy_sums, dyx_sums,
                                least_gradient(rows->activation)))
            mend_rows(rows, depth, means, dy_sums, dyx_sums);
        return;
    }
    sums_of_rows *sums = rows->activation != GN_ACTIVATION_IDENTITY ? sums_long_active
                         : rows->x_type != rows->y_type             ? sums_long_mixed
                         : rows->x_type == GN_BF16                  ? sums_long_bf16
                         : rows->x_type == GN_F16                   ? sums_long_f16
                                                                    : sums_long_f32;
    sums(rows, depth, means, dy_sums, dyx_sums);
}

/* All in double, with numbers for each channel. */
static void sums_rows_wide(const struct gn_rows *rows, const double *mean, const double *scale,
                           const double *shift, double *dy_sums, double *dyx_sums)
{
    struct operands_f64 as = {rows->x_type, rows->y_type, rows->activation};
    for (int64_t c = 0; c < rows->channels; c++) {
        struct numbers_f64 of = {
            .mean = splat_f64(mean[c]), .scale = splat_f64(scale[c]), .shift = splat_f64(shift[c])};
        struct gn_rows row = row_of(rows, c);
        dy_sums[c] = dyx_sums[c] = 0;
        for (int64_t i = 0; i < rows->length; i += CHUNK) {
            int64_t n = rows->length - i < CHUNK ? rows->length - i : CHUNK;
            double a, b;
            row_gradient_f64(row.dy, row.x, as, i, n, &of, VECS, &a, &b);
            dy_sums[c] += a;
            dyx_sums[c] += b;
        }
    }
}
