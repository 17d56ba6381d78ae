/* SPDX-License-Identifier: MIT */
/*
 * The last passes, y = (x - mean) * scale + shift and dx = scale * dy + (slope * (x - mean) +
 * offset): for a row with scalars, for columns with one value a channel.
 *
 * Parameters: REAL and R, the computing type. See reals.h.
 */

static void FN(normalize_row)(const float *x, float *y, int64_t n, REAL row_mean, REAL row_scale,
                              REAL row_shift)
{
    VEC mean = SPLAT(row_mean), scale = SPLAT(row_scale), shift = SPLAT(row_shift);
    int64_t i = 0;
    for (; i + 4 * WIDTH <= n; i += 4 * WIDTH)
        for (int v = 0; v < 4; v++)
            STORE(y + i + v * WIDTH, (LOAD(x + i + v * WIDTH) - mean) * scale + shift);
    for (; i + WIDTH <= n; i += WIDTH)
        STORE(y + i, (LOAD(x + i) - mean) * scale + shift);
    if (i < n)
        STORE_PART(y + i, (LOAD_PART(x + i, n - i, 0) - mean) * scale + shift, n - i);
}

static void FN(apply_row)(const float *dy, const float *x, float *dx, int64_t n,
                          const struct gn_plane *plane)
{
    VEC mean = SPLAT((REAL)plane->mean);
    VEC scale = SPLAT((REAL)plane->scale);
    VEC slope = SPLAT((REAL)plane->slope);
    VEC offset = SPLAT((REAL)plane->offset);
    int64_t i = 0;
    for (; i + 4 * WIDTH <= n; i += 4 * WIDTH)
        for (int v = 0; v < 4; v++) {
            int64_t j = i + v * WIDTH;
            STORE(dx + j, scale * LOAD(dy + j) + (slope * (LOAD(x + j) - mean) + offset));
        }
    for (; i + WIDTH <= n; i += WIDTH)
        STORE(dx + i, scale * LOAD(dy + i) + (slope * (LOAD(x + i) - mean) + offset));
    if (i < n) {
        VEC d = LOAD_PART(x + i, n - i, 0) - mean;
        STORE_PART(dx + i, scale * LOAD_PART(dy + i, n - i, 0) + (slope * d + offset), n - i);
    }
}

/* Pixels are taken four at a time, so that a channel's numbers are loaded once for four. */
enum {
    FN(PANEL) = 4
};

INLINE void FN(normalize_panel)(const struct gn_columns *in, int64_t first, int pixels,
                                const REAL *mean, const REAL *scale, const REAL *shift)
{
    const float *x = in->x + first * in->stride;
    float *y = in->out + first * in->stride;
    int64_t c = 0;
    for (; c + WIDTH <= in->channels; c += WIDTH) {
        VEC m = GET(mean + c), a = GET(scale + c), b = GET(shift + c);
        for (int p = 0; p < pixels; p++)
            STORE(y + p * in->stride + c, (LOAD(x + p * in->stride + c) - m) * a + b);
    }
    if (c < in->channels) {
        VEC m = GET(mean + c), a = GET(scale + c), b = GET(shift + c);
        int64_t part = in->channels - c;
        for (int p = 0; p < pixels; p++) {
            VEC d = LOAD_PART(x + p * in->stride + c, part, 0) - m;
            STORE_PART(y + p * in->stride + c, d * a + b, part);
        }
    }
}

static void FN(normalize_columns)(const struct gn_columns *in, const REAL *mean, const REAL *scale,
                                  const REAL *shift)
{
    int64_t p = 0;
    for (; p + FN(PANEL) <= in->pixels; p += FN(PANEL))
        FN(normalize_panel)(in, p, FN(PANEL), mean, scale, shift);
    for (; p < in->pixels; p++)
        FN(normalize_panel)(in, p, 1, mean, scale, shift);
}

INLINE void FN(apply_panel)(const struct gn_columns *in, int64_t first, int pixels,
                            const REAL *mean, const REAL *scale, const REAL *slope,
                            const REAL *offset)
{
    const float *x = in->x + first * in->stride;
    const float *dy = in->dy + first * in->stride;
    float *dx = in->out + first * in->stride;
    int64_t c = 0;
    for (; c + WIDTH <= in->channels; c += WIDTH) {
        VEC m = GET(mean + c), a = GET(scale + c), b = GET(slope + c), o = GET(offset + c);
        for (int p = 0; p < pixels; p++) {
            int64_t i = p * in->stride + c;
            STORE(dx + i, a * LOAD(dy + i) + (b * (LOAD(x + i) - m) + o));
        }
    }
    if (c < in->channels) {
        VEC m = GET(mean + c), a = GET(scale + c), b = GET(slope + c), o = GET(offset + c);
        int64_t part = in->channels - c;
        for (int p = 0; p < pixels; p++) {
            int64_t i = p * in->stride + c;
            VEC d = LOAD_PART(x + i, part, 0) - m;
            STORE_PART(dx + i, a * LOAD_PART(dy + i, part, 0) + (b * d + o), part);
        }
    }
}

static void FN(apply_columns)(const struct gn_columns *in, const REAL *mean, const REAL *scale,
                              const REAL *slope, const REAL *offset)
{
    int64_t p = 0;
    for (; p + FN(PANEL) <= in->pixels; p += FN(PANEL))
        FN(apply_panel)(in, p, FN(PANEL), mean, scale, slope, offset);
    for (; p < in->pixels; p++)
        FN(apply_panel)(in, p, 1, mean, scale, slope, offset);
}
