/* SPDX-License-Identifier: MIT */
/*
 * The last passes: how they walk over rows and columns; map_tmpl.h is what they compute.
 *
 * In a row, the last vector overlaps the one before: its elements are loaded before anything of the
 * row is stored, so that an output may be an input. What is in double is rare, or a tensor of
 * doubles, and neither joined nor streamed.
 *
 * Parameters: REAL and R, the computing type. See reals.h.
 */

/* How many elements of the type lie before the next line of the cache. */
INLINE int64_t FN(before_line)(const void *p, gn_type t)
{
    int64_t size = gn_size(t);
    return (int64_t)(-((uintptr_t)p / (uintptr_t)size) % (uintptr_t)(LINE / size));
}

INLINE void FN(map_row)(const void *x, const void *dy, void *out, int64_t n,
                        const struct FN(numbers) * of, struct FN(pass) how)
{
    gn_type to = FN(out_type)(how);
    int64_t i = 0;
    if (n < WIDTH) {
        WRITE_PART(out, to, 0, FN(map_part)(x, 0, dy, 0, n, of, how), n);
        return;
    }
    VEC last = FN(map_at)(x, dy, n - WIDTH, of, how);
    int64_t head = how.stream ? FN(before_line)(out, to) : 0;
    head = head < n ? head : n;
    for (; i < head; i += WIDTH) {
        int64_t part = head - i < WIDTH ? head - i : WIDTH;
        VEC v = FN(map_part)(x, i, dy, i, part, of, how);
        if (part < WIDTH) {
            WRITE_PART(out, to, i, v, part);
            i = head - WIDTH;
        } else {
            WRITE(out, to, i, v, false);
        }
    }
    for (; i + 4 * WIDTH <= n; i += 4 * WIDTH)
        FN(map_some)(x, i, dy, i, out, i, 4, of, true, how, how.stream);
    for (; i + WIDTH <= n; i += WIDTH)
        FN(map_some)(x, i, dy, i, out, i, 1, of, true, how, false);
    if (i < n)
        WRITE(out, to, n - WIDTH, last, false);
}

/* One value a channel, or of what a pass does not need, NULL. */
struct FN(arrays) {
    const REAL *mean, *scale, *shift, *slope, *offset;
};

INLINE struct FN(numbers)
    FN(row_numbers)(const struct FN(arrays) * of, int64_t c, struct FN(pass) how)
{
    struct FN(numbers) numbers = {.mean = SPLAT(of->mean[c]), .scale = SPLAT(of->scale[c])};
    if (!how.backward || how.activation != GN_IDENTITY)
        numbers.shift = SPLAT(of->shift[c]);
    if (how.backward) {
        numbers.slope = SPLAT(of->slope[c]);
        numbers.offset = SPLAT(of->offset[c]);
    }
    return numbers;
}

/*
 * Short rows, of a vector or more, as what they are in memory: one row. Stores are aligned, and a
 * vector that two rows share is computed for both.
 */
INLINE void FN(map_joined)(const struct gn_rows *in, const struct FN(arrays) * arrays,
                           struct FN(pass) how)
{
    const void *x = in->x, *dy = in->dy;
    gn_type to = FN(out_type)(how);
    void *out = in->out;
    int64_t n = in->length, all = in->channels * n, end = n;
    int64_t i = FN(before_line)(out, to) % WIDTH;
    struct FN(numbers) of = FN(row_numbers)(arrays, 0, how);
    if (i)
        WRITE_PART(out, to, 0, FN(map_part)(x, 0, dy, 0, i, &of, how), i);
    for (int64_t c = 0;; end += n) {
        for (; how.activation != GN_IDENTITY && i + 4 * WIDTH <= end; i += 4 * WIDTH)
            FN(map_some)(x, i, dy, i, out, i, 4, &of, true, how, how.stream);
        ROLLED
        for (; i + WIDTH <= end; i += WIDTH)
            FN(map_some)(x, i, dy, i, out, i, 1, &of, true, how, how.stream);
        if (++c == in->channels)
            break;
        struct FN(numbers) next = FN(row_numbers)(arrays, c, how);
        if (i < end) {
            VEC first = FN(map_at)(x, dy, i, &of, how);
            VEC rest = FN(map_at)(x, dy, i, &next, how);
            WRITE(out, to, i, SELECT_FIRST(end - i, first, rest), how.stream);
            i += WIDTH;
        }
        of = next;
    }
    if (i < all)
        WRITE_PART(out, to, i, FN(map_part)(x, i, dy, i, all - i, &of, how), all - i);
    if (how.stream)
        STREAM_END();
}

INLINE void FN(map_rows)(const struct gn_rows *in, const struct FN(arrays) * arrays,
                         struct FN(pass) how)
{
    int64_t run = in->run ? in->run : in->length;
    for (int64_t c = 0; c < in->channels; c++) {
        struct FN(numbers) of = FN(row_numbers)(arrays, c, how);
        int64_t n = in->run ? in->first : in->length;
        for (int64_t s = 0, r = 0; s < in->length; s += n, n = run, r++) {
            int64_t x = c * in->x_stride + (in->x_at ? in->x_at[r] : s);
            int64_t dy = c * in->dy_stride + (in->dy_at ? in->dy_at[r] : s);
            int64_t out = c * in->out_stride + (in->out_at ? in->out_at[r] : s);
            n = n < in->length - s ? n : in->length - s;
            FN(map_row)
            (gn_at(in->x, how.x, x), gn_at(in->dy, how.y, dy),
             gn_out_at(in->out, FN(out_type)(how), out), n, &of, how);
        }
    }
    if (how.stream)
        STREAM_END();
}

INLINE void FN(map_any_rows)(const struct gn_rows *in, const struct FN(arrays) * arrays,
                             struct FN(pass) how)
{
    int64_t n = in->length;
    bool together = (!in->run || in->first >= n) && in->x_stride == n && in->out_stride == n &&
                    (!how.backward || in->dy_stride == n);
    bool joins = IN_FLOAT && together && in->length >= WIDTH &&
                 in->length < (how.stream ? JOIN_STREAMS_BELOW : JOIN_BELOW);
    if (joins)
        FN(map_joined)(in, arrays, how);
    else
        FN(map_rows)(in, arrays, how);
}

INLINE struct FN(numbers)
    FN(column_at)(const struct FN(arrays) * of, int64_t c, struct FN(pass) how)
{
    struct FN(numbers) numbers = {.mean = GET(of->mean + c), .scale = GET(of->scale + c)};
    if (!how.backward || how.activation != GN_IDENTITY)
        numbers.shift = GET(of->shift + c);
    if (how.backward) {
        numbers.slope = GET(of->slope + c);
        numbers.offset = GET(of->offset + c);
    }
    return numbers;
}

INLINE void FN(map_columns)(const struct gn_columns *in, const struct FN(arrays) * arrays,
                            struct FN(pass) how)
{
    int64_t channels = in->channels;
    const void *x = in->x, *dy = in->dy;
    void *out = in->out;
    gn_type to = FN(out_type)(how);
    for (int64_t p = 0; p < in->pixels; p++) {
        int64_t i = gn_pixel_at(in->x_at, in->x_stride, p);
        int64_t j = gn_pixel_at(in->dy_at, in->dy_stride, p);
        int64_t o = gn_pixel_at(in->out_at, in->out_stride, p), c = 0;
        for (; how.activation != GN_IDENTITY && c + 4 * WIDTH <= channels; c += 4 * WIDTH) {
            struct FN(numbers) of[4];
            EACH (v, 4)
                of[v] = FN(column_at)(arrays, c + v * WIDTH, how);
            FN(map_some)(x, i + c, dy, j + c, out, o + c, 4, of, false, how, how.stream);
        }
        for (; c + WIDTH <= channels; c += WIDTH) {
            struct FN(numbers) of = FN(column_at)(arrays, c, how);
            FN(map_some)(x, i + c, dy, j + c, out, o + c, 1, &of, true, how, how.stream);
        }
        if (c < channels) {
            struct FN(numbers) of = FN(column_at)(arrays, c, how);
            WRITE_PART(out, to, o + c, FN(map_part)(x, i + c, dy, j + c, channels - c, &of, how),
                       channels - c);
        }
    }
    if (how.stream)
        STREAM_END();
}

/* Whether each pixel is whole lines of the cache, where out is of the type. */
INLINE bool FN(streams)(const struct gn_columns *in, gn_type to)
{
    int64_t line = LINE / gn_size(to);
    for (int64_t p = 0; in->stream && in->out_at && p < in->pixels; p++)
        if (in->out_at[p] % line != 0)
            return false;
    return in->stream && FN(before_line)(in->out, to) == 0 && in->out_stride % line == 0 &&
           in->channels % line == 0;
}

/*
 * The passes that are written out: of floats with and without streams, and with SiLU; and of the
 * short types alike, without an activation; all else with a branch a vector. CALL has the pass as
 * `how`.
 */
#define FOR_EACH_PASS(in, back, streams, CALL)                                                     \
    do {                                                                                           \
        struct FN(pass) how = {(in)->x_type, (in)->y_type, (in)->activation, back, false};         \
        bool streamed = IN_FLOAT && (streams), alike = IN_FLOAT && how.x == how.y;                 \
        bool plain = alike && how.activation == GN_IDENTITY;                                       \
        if (plain && how.x == GN_F32 && streamed) {                                                \
            how = (struct FN(pass)){GN_F32, GN_F32, GN_IDENTITY, back, true};                      \
            CALL;                                                                                  \
        } else if (plain && how.x == GN_F32) {                                                     \
            how = (struct FN(pass)){GN_F32, GN_F32, GN_IDENTITY, back, false};                     \
            CALL;                                                                                  \
        } else if (plain && how.x == GN_BF16) {                                                    \
            how = (struct FN(pass)){GN_BF16, GN_BF16, GN_IDENTITY, back, streamed};                \
            CALL;                                                                                  \
        } else if (plain) {                                                                        \
            how = (struct FN(pass)){GN_F16, GN_F16, GN_IDENTITY, back, streamed};                  \
            CALL;                                                                                  \
        } else if (alike && how.x == GN_F32 && how.activation == GN_SILU) {                        \
            how = (struct FN(pass)){GN_F32, GN_F32, GN_SILU, back, streamed};                      \
            CALL;                                                                                  \
        } else {                                                                                   \
            how.stream = streamed;                                                                 \
            CALL;                                                                                  \
        }                                                                                          \
    } while (0)

static void FN(normalize_rows)(const struct gn_rows *in, const REAL *mean, const REAL *scale,
                               const REAL *shift)
{
    struct FN(arrays) arrays = {.mean = mean, .scale = scale, .shift = shift};
    FOR_EACH_PASS(in, false, in->stream, FN(map_any_rows)(in, &arrays, how));
}

static void FN(apply_rows)(const struct gn_rows *in, const REAL *mean, const REAL *scale,
                           const REAL *shift, const REAL *slope, const REAL *offset)
{
    struct FN(arrays) arrays = {mean, scale, shift, slope, offset};
    FOR_EACH_PASS(in, true, in->stream, FN(map_any_rows)(in, &arrays, how));
}

static void FN(normalize_columns)(const struct gn_columns *in, const REAL *mean, const REAL *scale,
                                  const REAL *shift)
{
    struct FN(arrays) arrays = {.mean = mean, .scale = scale, .shift = shift};
    FOR_EACH_PASS(in, false, FN(streams)(in, in->y_type), FN(map_columns)(in, &arrays, how));
}

static void FN(apply_columns)(const struct gn_columns *in, const REAL *mean, const REAL *scale,
                              const REAL *shift, const REAL *slope, const REAL *offset)
{
    struct FN(arrays) arrays = {mean, scale, shift, slope, offset};
    FOR_EACH_PASS(in, true, FN(streams)(in, in->x_type), FN(map_columns)(in, &arrays, how));
}
#undef FOR_EACH_PASS
