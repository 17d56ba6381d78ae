/* SPDX-License-Identifier: MIT */
/*
 * The last passes, y = (x - mean) * scale + shift and dx = scale * dy + (slope * (x - mean) +
 * offset), with one value a channel.
 *
 * The element functions at the top are the arithmetic; below, rows and columns share their walk:
 * whole vectors, and at the end of a row the last vector once more, which overlaps the one before.
 * Its elements are loaded before anything of the row is stored, so that an output may be an input.
 *
 * Parameters: REAL and R, the computing type. See reals.h.
 */

/* What one channel, or one vector of channels, is multiplied with and added to; slope: backward. */
struct FN(numbers) {
    VEC mean, scale, slope, shift;
};

INLINE VEC FN(map)(VEC x, VEC dy, const struct FN(numbers) * of, bool backward)
{
    if (backward)
        return of->scale * dy + (of->slope * (x - of->mean) + of->shift);
    return (x - of->mean) * of->scale + of->shift;
}

INLINE VEC FN(map_at)(const float *x, const float *dy, const struct FN(numbers) * of, bool backward)
{
    return FN(map)(LOAD(x), backward ? LOAD(dy) : LOAD(x), of, backward);
}

INLINE VEC FN(map_part)(const float *x, const float *dy, int64_t n, const struct FN(numbers) * of,
                        bool backward)
{
    VEC v = LOAD_PART(x, n, 0);
    return FN(map)(v, backward ? LOAD_PART(dy, n, 0) : v, of, backward);
}

/* How many elements lie before the next line of the cache. */
INLINE int64_t FN(before_line)(const float *p)
{
    return (int64_t)(-((uintptr_t)p / sizeof *p) % (LINE / sizeof *p));
}

INLINE void FN(map_row)(const float *x, const float *dy, float *out, int64_t n,
                        const struct FN(numbers) * of, bool backward, bool stream)
{
    int64_t i = 0;
    if (n < WIDTH) {
        STORE_PART(out, FN(map_part)(x, dy, n, of, backward), n);
        return;
    }
    VEC last = FN(map_at)(x + n - WIDTH, dy + n - WIDTH, of, backward);
    for (int64_t head = stream ? FN(before_line)(out) : 0; i < head; i += WIDTH) {
        int64_t part = head - i < WIDTH ? head - i : WIDTH;
        VEC v = FN(map_part)(x + i, dy + i, part, of, backward);
        if (part < WIDTH) {
            STORE_PART(out + i, v, part);
            i = head - WIDTH;
        } else {
            STORE(out + i, v);
        }
    }
    for (; i + 4 * WIDTH <= n; i += 4 * WIDTH) {
        UNROLL
        for (int v = 0; v < 4; v++) {
            int64_t j = i + v * WIDTH;
            VEC value = FN(map_at)(x + j, dy + j, of, backward);
            if (stream)
                STREAM(out + j, value);
            else
                STORE(out + j, value);
        }
    }
    for (; i + WIDTH <= n; i += WIDTH)
        STORE(out + i, FN(map_at)(x + i, dy + i, of, backward));
    if (i < n)
        STORE(out + n - WIDTH, last);
}

INLINE void FN(map_rows)(const struct gn_rows *in, const REAL *mean, const REAL *scale,
                         const REAL *slope, const REAL *shift, bool backward, bool stream)
{
    int64_t n = in->length;
    for (int64_t c = 0; c < in->channels; c++) {
        struct FN(numbers) of = {SPLAT(mean[c]), SPLAT(scale[c]), SPLAT(slope[c]), SPLAT(shift[c])};
        FN(map_row)
        (in->x + c * n, backward ? in->dy + c * n : in->x + c * n, in->out + c * n, n, &of,
         backward, stream);
    }
    if (stream)
        STREAM_END();
}

static void FN(normalize_rows)(const struct gn_rows *in, const REAL *mean, const REAL *scale,
                               const REAL *shift)
{
    if (in->stream && in->length >= STREAM_ROW)
        FN(map_rows)(in, mean, scale, mean, shift, false, true);
    else
        FN(map_rows)(in, mean, scale, mean, shift, false, false);
}

static void FN(apply_rows)(const struct gn_rows *in, const REAL *mean, const REAL *scale,
                           const REAL *slope, const REAL *offset)
{
    if (in->stream && in->length >= STREAM_ROW)
        FN(map_rows)(in, mean, scale, slope, offset, true, true);
    else
        FN(map_rows)(in, mean, scale, slope, offset, true, false);
}

INLINE void FN(map_columns)(const struct gn_columns *in, const REAL *mean, const REAL *scale,
                            const REAL *slope, const REAL *shift, bool backward, bool stream)
{
    int64_t channels = in->channels;
    const float *x = in->x, *dy = backward ? in->dy : in->x;
    float *out = in->out;
    for (int64_t p = 0; p < in->pixels; p++, x += in->stride, dy += in->stride, out += in->stride) {
        int64_t c = 0;
        for (; c + WIDTH <= channels; c += WIDTH) {
            struct FN(numbers) of = {GET(mean + c), GET(scale + c), GET(slope + c), GET(shift + c)};
            VEC value = FN(map_at)(x + c, dy + c, &of, backward);
            if (stream)
                STREAM(out + c, value);
            else
                STORE(out + c, value);
        }
        if (c < channels) {
            struct FN(numbers) of = {GET(mean + c), GET(scale + c), GET(slope + c), GET(shift + c)};
            STORE_PART(out + c, FN(map_part)(x + c, dy + c, channels - c, &of, backward),
                       channels - c);
        }
    }
    if (stream)
        STREAM_END();
}

/* Whether each pixel is whole lines of the cache. */
INLINE bool FN(streams)(const struct gn_columns *in)
{
    int64_t line = LINE / (int64_t)sizeof(float);
    return in->stream && FN(before_line)(in->out) == 0 && in->stride % line == 0 &&
           in->channels % line == 0;
}

static void FN(normalize_columns)(const struct gn_columns *in, const REAL *mean, const REAL *scale,
                                  const REAL *shift)
{
    if (FN(streams)(in))
        FN(map_columns)(in, mean, scale, mean, shift, false, true);
    else
        FN(map_columns)(in, mean, scale, mean, shift, false, false);
}

static void FN(apply_columns)(const struct gn_columns *in, const REAL *mean, const REAL *scale,
                              const REAL *slope, const REAL *offset)
{
    if (FN(streams)(in))
        FN(map_columns)(in, mean, scale, slope, offset, true, true);
    else
        FN(map_columns)(in, mean, scale, slope, offset, true, false);
}
