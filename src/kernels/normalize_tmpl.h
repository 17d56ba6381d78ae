/* SPDX-License-Identifier: MIT */
/*
 * The last passes, y = (x - mean) * scale + shift and dx = scale * dy + (slope * (x - mean) +
 * offset), with one value a channel.
 *
 * The element functions at the top are the arithmetic; below are the walks. In a row, the last
 * vector overlaps the one before: its elements are loaded before anything of the row is stored, so
 * that an output may be an input. What is in double is rare, and neither joined nor streamed.
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

INLINE void FN(write)(float *out, VEC value, bool stream)
{
    if (stream)
        STREAM(out, value);
    else
        STORE(out, value);
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
            FN(write)(out + j, FN(map_at)(x + j, dy + j, of, backward), stream);
        }
    }
    for (; i + WIDTH <= n; i += WIDTH)
        STORE(out + i, FN(map_at)(x + i, dy + i, of, backward));
    if (i < n)
        STORE(out + n - WIDTH, last);
}

INLINE struct FN(numbers) FN(row_numbers)(const REAL *mean, const REAL *scale, const REAL *slope,
                                          const REAL *shift, int64_t c)
{
    return (struct FN(numbers)){SPLAT(mean[c]), SPLAT(scale[c]), SPLAT(slope[c]), SPLAT(shift[c])};
}

/*
 * Short rows, of a vector or more, as what they are in memory: one row. Stores are aligned, and a
 * vector that two rows share is computed for both.
 */
INLINE void FN(map_joined)(const struct gn_rows *in, const REAL *mean, const REAL *scale,
                           const REAL *slope, const REAL *shift, bool backward, bool stream)
{
    const float *x = in->x, *dy = backward ? in->dy : in->x;
    float *out = in->out;
    int64_t n = in->length, all = in->channels * n, end = n, i = FN(before_line)(out) % WIDTH;
    struct FN(numbers) of = FN(row_numbers)(mean, scale, slope, shift, 0);
    if (i)
        STORE_PART(out, FN(map_part)(x, dy, i, &of, backward), i);
    for (int64_t c = 0;; end += n) {
        ROLLED
        for (; i + WIDTH <= end; i += WIDTH)
            FN(write)(out + i, FN(map_at)(x + i, dy + i, &of, backward), stream);
        if (++c == in->channels)
            break;
        struct FN(numbers) next = FN(row_numbers)(mean, scale, slope, shift, c);
        if (i < end) {
            VEC first = FN(map_at)(x + i, dy + i, &of, backward);
            VEC rest = FN(map_at)(x + i, dy + i, &next, backward);
            FN(write)(out + i, SELECT_FIRST(end - i, first, rest), stream);
            i += WIDTH;
        }
        of = next;
    }
    if (i < all)
        STORE_PART(out + i, FN(map_part)(x + i, dy + i, all - i, &of, backward), all - i);
    if (stream)
        STREAM_END();
}

INLINE void FN(map_rows)(const struct gn_rows *in, const REAL *mean, const REAL *scale,
                         const REAL *slope, const REAL *shift, bool backward, bool stream)
{
    int64_t n = in->length;
    for (int64_t c = 0; c < in->channels; c++) {
        struct FN(numbers) of = FN(row_numbers)(mean, scale, slope, shift, c);
        FN(map_row)
        (in->x + c * n, backward ? in->dy + c * n : in->x + c * n, in->out + c * n, n, &of,
         backward, stream);
    }
    if (stream)
        STREAM_END();
}

INLINE void FN(map_any_rows)(const struct gn_rows *in, const REAL *mean, const REAL *scale,
                             const REAL *slope, const REAL *shift, bool backward, bool stream)
{
    bool joins =
        IN_FLOAT && in->length >= WIDTH && in->length < (stream ? JOIN_STREAMS_BELOW : JOIN_BELOW);
    if (joins)
        FN(map_joined)(in, mean, scale, slope, shift, backward, stream);
    else
        FN(map_rows)(in, mean, scale, slope, shift, backward, stream);
}

static void FN(normalize_rows)(const struct gn_rows *in, const REAL *mean, const REAL *scale,
                               const REAL *shift)
{
    if (IN_FLOAT && in->stream)
        FN(map_any_rows)(in, mean, scale, mean, shift, false, true);
    else
        FN(map_any_rows)(in, mean, scale, mean, shift, false, false);
}

static void FN(apply_rows)(const struct gn_rows *in, const REAL *mean, const REAL *scale,
                           const REAL *slope, const REAL *offset)
{
    if (IN_FLOAT && in->stream)
        FN(map_any_rows)(in, mean, scale, slope, offset, true, true);
    else
        FN(map_any_rows)(in, mean, scale, slope, offset, true, false);
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
            FN(write)(out + c, FN(map_at)(x + c, dy + c, &of, backward), stream);
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
    return IN_FLOAT && in->stream && FN(before_line)(in->out) == 0 && in->stride % line == 0 &&
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
