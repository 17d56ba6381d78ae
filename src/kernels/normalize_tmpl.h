/* SPDX-License-Identifier: MIT */
/*
 * The last passes, y = (x - mean) * scale + shift and dx = scale * dy + (slope * (x - mean) +
 * offset), with one value a channel.
 *
 * Parameters: REAL and R, the computing type. See reals.h.
 */

static void FN(normalize_rows)(const struct gn_rows *in, const REAL *row_mean,
                               const REAL *row_scale, const REAL *row_shift)
{
    int64_t n = in->length;
    const float *x = in->x;
    float *y = in->out;
    for (int64_t c = 0; c < in->channels; c++, x += n, y += n) {
        VEC mean = SPLAT(row_mean[c]), scale = SPLAT(row_scale[c]), shift = SPLAT(row_shift[c]);
        int64_t i = 0;
        for (; i + 4 * WIDTH <= n; i += 4 * WIDTH)
            for (int v = 0; v < 4; v++)
                STORE(y + i + v * WIDTH, (LOAD(x + i + v * WIDTH) - mean) * scale + shift);
        for (; i + WIDTH <= n; i += WIDTH)
            STORE(y + i, (LOAD(x + i) - mean) * scale + shift);
        if (i < n)
            STORE_PART(y + i, (LOAD_PART(x + i, n - i, 0) - mean) * scale + shift, n - i);
    }
}

static void FN(apply_rows)(const struct gn_rows *in, const REAL *row_mean, const REAL *row_scale,
                           const REAL *row_slope, const REAL *row_offset)
{
    int64_t n = in->length;
    const float *dy = in->dy, *x = in->x;
    float *dx = in->out;
    for (int64_t c = 0; c < in->channels; c++, dy += n, x += n, dx += n) {
        VEC mean = SPLAT(row_mean[c]), scale = SPLAT(row_scale[c]);
        VEC slope = SPLAT(row_slope[c]), offset = SPLAT(row_offset[c]);
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
}

static void FN(normalize_columns)(const struct gn_columns *in, const REAL *mean, const REAL *scale,
                                  const REAL *shift)
{
    int64_t channels = in->channels;
    const float *x = in->x;
    float *y = in->out;
    for (int64_t p = 0; p < in->pixels; p++, x += in->stride, y += in->stride) {
        int64_t c = 0;
        for (; c + WIDTH <= channels; c += WIDTH)
            STORE(y + c, (LOAD(x + c) - GET(mean + c)) * GET(scale + c) + GET(shift + c));
        if (c < channels) {
            VEC d = LOAD_PART(x + c, channels - c, 0) - GET(mean + c);
            STORE_PART(y + c, d * GET(scale + c) + GET(shift + c), channels - c);
        }
    }
}

static void FN(apply_columns)(const struct gn_columns *in, const REAL *mean, const REAL *scale,
                              const REAL *slope, const REAL *offset)
{
    int64_t channels = in->channels, stride = in->stride;
    const float *dy = in->dy, *x = in->x;
    float *dx = in->out;
    for (int64_t p = 0; p < in->pixels; p++, dy += stride, x += stride, dx += stride) {
        int64_t c = 0;
        for (; c + WIDTH <= channels; c += WIDTH) {
            VEC d = LOAD(x + c) - GET(mean + c);
            STORE(dx + c, GET(scale + c) * LOAD(dy + c) + (GET(slope + c) * d + GET(offset + c)));
        }
        if (c < channels) {
            int64_t part = channels - c;
            VEC d = LOAD_PART(x + c, part, 0) - GET(mean + c);
            VEC g = LOAD_PART(dy + c, part, 0);
            STORE_PART(dx + c, GET(scale + c) * g + (GET(slope + c) * d + GET(offset + c)), part);
        }
    }
}
