/* SPDX-License-Identifier: MIT */
/* The sums of gradients over rows: chunk by chunk, in float where the chunk's values allow it. */

/*
 * Short rows of so few rounds that they are one segment take turns, so many at a time: each row's
 * additions wait for those before.
 */
enum { ROW_VECS = VECS / 2, ABREAST = 4 / ROW_VECS, TURNS = SEGMENT * ROW_VECS * WIDTH_f32 };

/*
 * Whether float sums of gradients can be trusted: they did not overflow, and no product that
 * matters underflowed. Where all dy are 0, as after a ReLU, nothing matters.
 */
INLINE bool gradient_holds(double a, double b, bool zero)
{
    bool finite = fabs(a) <= (double)FLT_MAX && fabs(b) <= (double)FLT_MAX;
    return finite && (fabs(b) >= 0x1p-100 || zero);
}

/* Where the sums of all channels hold; where not, a channel's dy may be all zero. */
INLINE bool all_gradients_hold(int64_t channels, const double *a, const double *b)
{
    mask_f64 all = splat_f64(0) == splat_f64(0);
    for (int64_t c = 0; c + WIDTH_f64 <= channels; c += WIDTH_f64) {
        vec_f64 va = abs_f64(get_f64(a + c)), vb = abs_f64(get_f64(b + c));
        all &=
            (va <= splat_f64(FLT_MAX)) & (vb <= splat_f64(FLT_MAX)) & (vb >= splat_f64(0x1p-100));
    }
    bool rest = true;
    for (int64_t c = channels / WIDTH_f64 * WIDTH_f64; c < channels; c++)
        rest &= gradient_holds(a[c], b[c], false);
    return all_f64(all) && rest;
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
    if (gradient_holds(*a, *b, all_zero(dy, n)))
        return;
    FELL_BACK();
    row_gradient_f64(dy, x, n, mean, VECS, a, b);
}

/*
 * The lanes of A and B of ABREAST rows of n <= TURNS values, where row r has the vectors from r *
 * ROW_VECS on; 8 of each to memory.
 */
INLINE void lanes_abreast(const float *dy, const float *x, int64_t n, const float *means, bool far,
                          float *a_lanes, float *b_lanes)
{
    vec_f32 mean[ABREAST], a[ABREAST * ROW_VECS], b[ABREAST * ROW_VECS];
    UNROLL
    for (int r = 0; r < ABREAST; r++)
        mean[r] = splat_f32(means[r]);
    UNROLL
    for (int j = 0; j < ABREAST * ROW_VECS; j++)
        a[j] = b[j] = splat_f32(0);
    int64_t i = 0;
    ROLLED
    for (; i + ROW_VECS * WIDTH_f32 <= n; i += ROW_VECS * WIDTH_f32) {
        UNROLL
        for (int j = 0; j < ABREAST * ROW_VECS; j++) {
            int64_t at = j / ROW_VECS * n + i + j % ROW_VECS * WIDTH_f32;
            if (far && STARTS_LINE(j % ROW_VECS)) {
                FETCH(dy + at, ROWS_AHEAD);
                FETCH(x + at, ROWS_AHEAD);
            }
            vec_f32 g = load_f32(dy + at);
            a[j] += g;
            b[j] += g * minus_f32(load_f32(x + at), mean[j / ROW_VECS]);
        }
    }
    UNROLL
    for (int j = 0; j < ABREAST * ROW_VECS; j++) {
        int64_t from = i + j % ROW_VECS * WIDTH_f32, at = j / ROW_VECS * n + from;
        if (from < n) {
            vec_f32 g = load_part_f32(dy + at, n - from, 0);
            a[j] += g;
            b[j] += g * (load_part_f32(x + at, n - from, 0) - mean[j / ROW_VECS]);
        }
    }
    UNROLL
    for (int r = 0; r < ABREAST; r++) {
        put_eight(a_lanes + 8 * r, a + r * ROW_VECS, ROW_VECS);
        put_eight(b_lanes + 8 * r, b + r * ROW_VECS, ROW_VECS);
    }
}

/*
 * Apart, for the loop has a pointer a row and no register to lose. Between so many rows the
 * processor's own prefetch loses its way.
 */
APART void gradients_abreast(const float *dy, const float *x, int64_t n, const float *means,
                             float *a_lanes, float *b_lanes)
{
    lanes_abreast(dy, x, n, means, false, a_lanes, b_lanes);
}

APART void far_gradients_abreast(const float *dy, const float *x, int64_t n, const float *means,
                                 float *a_lanes, float *b_lanes)
{
    lanes_abreast(dy, x, n, means, true, a_lanes, b_lanes);
}

/* A and B of four rows of n < SHORT values, or of `rows` of them, to be checked yet. */
INLINE void sums_short(const float *dy, const float *x, int64_t n, int64_t rows, const float *mean,
                       bool far, double *dy_sums, double *dyx_sums)
{
    float a_lanes[4 * 8], b_lanes[4 * 8];
    if (rows == 4 && n <= TURNS) {
        for (int r = 0; r < 4; r += ABREAST) {
            if (far)
                far_gradients_abreast(dy + r * n, x + r * n, n, mean + r, a_lanes + 8 * r,
                                      b_lanes + 8 * r);
            else
                gradients_abreast(dy + r * n, x + r * n, n, mean + r, a_lanes + 8 * r,
                                  b_lanes + 8 * r);
        }
    } else {
        for (int64_t r = 0; r < rows; r++) {
            vec_f32 a[VECS] = {{0}}, b[VECS] = {{0}};
            row_lanes_f32(dy + r * n, x + r * n, n, mean[r], ROW_VECS, a, b);
            put_eight(a_lanes + 8 * r, a, ROW_VECS);
            put_eight(b_lanes + 8 * r, b, ROW_VECS);
        }
    }
    quad a, b;
    if (rows < 4) {
        memset(a_lanes + 8 * rows, 0, sizeof a_lanes - (size_t)rows * 32);
        memset(b_lanes + 8 * rows, 0, sizeof b_lanes - (size_t)rows * 32);
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

/* In double, the rows below SHORT whose float sums do not hold. */
COLD void mend_rows(const struct gn_rows *rows, int64_t depth, const float *means, double *dy_sums,
                    double *dyx_sums)
{
    int64_t n = rows->length;
    for (int64_t c = 0; c < rows->channels; c++)
        if (!gradient_holds(dy_sums[c], dyx_sums[c], false))
            wide_gradient(rows->dy + c * n, rows->x + c * n, n, (double)means[c / depth],
                          &dy_sums[c], &dyx_sums[c]);
}

INLINE void sums_long(const float *dy, const float *x, int64_t length, float mean, double *dy_sum,
                      double *dyx_sum)
{
    *dy_sum = *dyx_sum = 0;
    for (int64_t i = 0; i < length; i += CHUNK) {
        int64_t n = length - i < CHUNK ? length - i : CHUNK;
        double a, b;
        row_gradient_f32(dy + i, x + i, n, mean, VECS, &a, &b);
        if (!gradient_holds(a, b, false))
            wide_gradient(dy + i, x + i, n, (double)mean, &a, &b);
        *dy_sum += a;
        *dyx_sum += b;
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

static void sums_rows(const struct gn_rows *rows, int64_t depth, const float *means,
                      double *dy_sums, double *dyx_sums)
{
    enum { ROWS = 64 };
    float mean[ROWS];
    int64_t n = rows->length, channels = rows->channels;
    const float *dy = rows->dy, *x = rows->x;
    for (int64_t c = 0; c < channels; c += 4, dy += 4 * n, x += 4 * n) {
        int64_t left = channels - c, count = left < 4 ? left : 4;
        const float *of = mean + c % ROWS;
        if (c % ROWS == 0)
            row_means(means, depth, c, left < ROWS ? left : ROWS, mean);
        if (n < SHORT)
            sums_short(dy, x, n, count, of, rows->far, dy_sums + c, dyx_sums + c);
        else
            for (int64_t r = 0; r < count; r++)
                sums_long(dy + r * n, x + r * n, n, of[r], dy_sums + c + r, dyx_sums + c + r);
    }
    if (n < SHORT && !all_gradients_hold(channels, dy_sums, dyx_sums))
        mend_rows(rows, depth, means, dy_sums, dyx_sums);
}
