/* SPDX-License-Identifier: MIT */
/* The sums of gradients over rows: chunk by chunk, in float where the chunk's values allow it. */

/*
 * Short rows of so few rounds that they are one segment take turns, so many at a time: each row's
 * additions wait for those before.
 */
enum { ROW_VECS = VECS / 2, ABREAST = 4 / ROW_VECS, TURNS = SEGMENT * ROW_VECS * WIDTH_f32 };

/* Below this, products may have underflowed. */
#define GRADIENT_LEAST 0x1p-100

/* The least |A| that can be trusted: with SiLU, g itself may have underflowed. */
INLINE double least_gradient(gn_activation activation)
{
    return activation == GN_SILU ? GRADIENT_LEAST : 0;
}

/*
 * Whether float sums of gradients can be trusted: they did not overflow, and no product that
 * matters underflowed. `size` is the sum of |dy|, or of |g| for ReLU: where it is 0, as after a
 * ReLU, nothing matters; UNKNOWN_SIZE where it has not been found yet.
 */
#define UNKNOWN_SIZE (-1.0f)

INLINE bool gradient_holds(double a, double b, double least, float size)
{
    bool finite = fabs(a) <= (double)FLT_MAX && fabs(b) <= (double)FLT_MAX;
    bool large = fabs(a) >= least || (double)size >= least;
    return finite && ((large && fabs(b) >= GRADIENT_LEAST) || size == 0);
}

/* Where the sums of all channels hold; where not, a channel's g may be all zero. */
INLINE bool all_gradients_hold(int64_t channels, const double *a, const double *b, double least)
{
    mask_f64 all = splat_f64(0) == splat_f64(0);
    for (int64_t c = 0; c + WIDTH_f64 <= channels; c += WIDTH_f64) {
        vec_f64 va = abs_f64(get_f64(a + c)), vb = abs_f64(get_f64(b + c));
        all &= (va <= splat_f64(FLT_MAX)) & (vb <= splat_f64(FLT_MAX)) & (va >= splat_f64(least)) &
               (vb >= splat_f64(GRADIENT_LEAST));
    }
    bool rest = true;
    for (int64_t c = channels / WIDTH_f64 * WIDTH_f64; c < channels; c++)
        rest &= gradient_holds(a[c], b[c], least, UNKNOWN_SIZE);
    return all_f64(all) && rest;
}

/* The size of n elements of a row, from the first on. */
static float row_size(const void *dy, const void *x, struct operands_f32 as, int64_t first,
                      int64_t n, const struct numbers_f32 *of)
{
    vec_f32 size[VECS] = {{0}};
    for (int64_t i = 0; i < n; i += WIDTH_f32) {
        vec_f32 g = read_part_f32(dy, as.dy, first + i, n - i, 0);
        vec_f32 d = read_part_f32(x, as.x, first + i, n - i, 0) - of->mean;
        vec_f32 z = d * of->scale + of->shift;
        if (as.activation == GN_RELU)
            through_f32(&g, &z, 1, GN_RELU);
        size[i / WIDTH_f32 % VECS] += abs_f32(g);
    }
    return (float)rough_f32(size, VECS);
}

INLINE struct numbers_f64 widened_numbers(const struct numbers_f32 *of)
{
    return (struct numbers_f64){.mean = splat_f64((double)of->mean[0]),
                                .scale = splat_f64((double)of->scale[0]),
                                .shift = splat_f64((double)of->shift[0])};
}

/* In double, unless all g are 0; returns whether. */
COLD bool wide_gradient(const void *dy, const void *x, struct operands_f32 as, int64_t first,
                        int64_t n, const struct numbers_f32 *of, double *a, double *b)
{
    float size = row_size(dy, x, as, first, n, of);
    if (gradient_holds(*a, *b, least_gradient(as.activation), size))
        return false;
    FELL_BACK();
    struct numbers_f64 numbers = widened_numbers(of);
    struct operands_f64 wide = {as.x, as.dy, as.activation};
    row_gradient_f64(dy, x, wide, first, n, &numbers, VECS, a, b);
    return true;
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
                FETCH(dy, GN_F32, at + ROWS_AHEAD);
                FETCH(x, GN_F32, at + ROWS_AHEAD);
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

static const struct operands_f32 floats = {GN_F32, GN_F32, GN_IDENTITY};

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
            struct numbers_f32 of = {.mean = splat_f32(mean[r])};
            row_lanes_f32(dy, x, floats, r * n, n, &of, ROW_VECS, a, b);
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

INLINE void row_gradients(const void *dy, const void *x, struct operands_f32 as, int64_t first,
                          int64_t n, const struct numbers_f32 *all, float *g)
{
    enum { BLOCK = TOGETHER_f32 * WIDTH_f32 };
    struct numbers_f32 of = *all;
    int64_t i = 0;
    for (; i + BLOCK <= n; i += BLOCK) {
        vec_f32 z[TOGETHER_f32], own[TOGETHER_f32];
        EACH (v, TOGETHER_f32) {
            int64_t at = first + i + v * WIDTH_f32;
            z[v] = (read_f32(x, as.x, at) - of.mean) * of.scale + of.shift;
            own[v] = read_f32(dy, as.dy, at);
        }
        through_f32(own, z, TOGETHER_f32, as.activation);
        EACH (v, TOGETHER_f32)
            store_f32(g + i + v * WIDTH_f32, own[v]);
    }
    for (; i < n; i += WIDTH_f32) {
        int64_t part = n - i, at = first + i;
        vec_f32 z = (read_part_f32(x, as.x, at, part, 0) - of.mean) * of.scale + of.shift;
        vec_f32 own = read_part_f32(dy, as.dy, at, part, 0);
        through_f32(&own, &z, 1, as.activation);
        if (part >= WIDTH_f32)
            store_f32(g + i, own);
        else
            store_part_f32(g + i, own, part);
    }
}

/* g of n elements of a row from `first` on: of floats as they come, else a branch a vector. */
APART void make_gradients(const struct gn_rows *rows, int64_t first, int64_t n,
                          const struct numbers_f32 *of, float *g)
{
    struct operands_f32 as = {rows->x_type, rows->y_type, rows->activation};
    if (as.x == GN_F32 && as.dy == GN_F32 && as.activation == GN_SILU)
        row_gradients(rows->dy, rows->x, (struct operands_f32){GN_F32, GN_F32, GN_SILU}, first, n,
                      of, g);
    else if (as.x == GN_F32 && as.dy == GN_F32)
        row_gradients(rows->dy, rows->x, (struct operands_f32){GN_F32, GN_F32, GN_RELU}, first, n,
                      of, g);
    else
        row_gradients(rows->dy, rows->x, as, first, n, of, g);
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
