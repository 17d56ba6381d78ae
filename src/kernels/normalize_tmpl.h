/* SPDX-License-Identifier: MIT */
/*
 * The last passes over rows and columns: map_row_tmpl.h is one row, map_tmpl.h the arithmetic.
 *
 * Parameters: REAL and R, the computing type. See reals.h.
 */

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
    if (joins && how.activation == GN_SILU)
        FN(map_joined_active)(in, arrays, how);
    else if (joins)
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
