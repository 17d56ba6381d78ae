/* SPDX-License-Identifier: MIT */
/*
 * The last passes over tiles of rows and of columns. last_pass_rows.h has one row, last_pass.h the
 * arithmetic.
 *
 * Written for a computing type: see real.h.
 */
#ifndef REAL
#ifndef GN_LAST_PASS_TILE_H
#define GN_LAST_PASS_TILE_H

#include "kernels/algo/last_pass_rows.h"

#define EACH_REAL "kernels/algo/last_pass_tile.h"
#include "kernels/simd/each_real.h"

#endif
#else

INLINE void FN(map_rows)(const struct gn_tile *in, const struct FN(arrays) * arrays,
                         struct FN(pass) pass)
{
    int64_t contiguous_len = in->contiguous_len ? in->contiguous_len : in->length;
    for (int64_t c = 0; c < in->channels; c++) {
        struct FN(coefficients) coefficients = FN(row_coefficients)(arrays, c, pass);
        int64_t n = in->contiguous_len ? in->first_len : in->length;
        for (int64_t s = 0, r = 0; s < in->length; s += n, n = contiguous_len, r++) {
            int64_t x = c * in->x.stride + (in->x.offsets ? in->x.offsets[r] : s);
            int64_t dy = c * in->dy.stride + (in->dy.offsets ? in->dy.offsets[r] : s);
            int64_t out = c * in->out.stride + (in->out.offsets ? in->out.offsets[r] : s);
            n = n < in->length - s ? n : in->length - s;
            const void *from = gn_at(in->x.data, pass.x, x), *g = gn_at(in->dy.data, pass.y, dy);
            void *to = gn_out_at(in->out.data, FN(out_type)(pass), out);
            if (pass.buffered)
                FN(map_row_buffered)(from, g, to, n, &coefficients, pass);
            else
                FN(map_row)(from, g, to, n, &coefficients, pass);
        }
    }
    if (pass.nontemporal)
        NONTEMPORAL_END();
}

INLINE void FN(map_any_rows)(const struct gn_tile *in, const struct FN(arrays) * arrays,
                             struct FN(pass) pass)
{
    int64_t n = in->length;
    bool has_offsets = in->x.offsets || in->out.offsets || (pass.backward && in->dy.offsets);
    bool together = !has_offsets && in->x.stride == n && in->out.stride == n &&
                    (!pass.backward || in->dy.stride == n);
    bool joins = IN_FLOAT && together && n >= WIDTH &&
                 n < (pass.nontemporal ? JOIN_NONTEMPORAL_BELOW : JOIN_BELOW);
    if (joins && n < JOIN_BELOW && (gn_is_costly(pass.activation) || pass.buffered))
        FN(map_joined_buffered)(in, arrays, pass);
    else if (joins && !pass.buffered)
        FN(map_joined)(in, arrays, pass);
    else
        FN(map_rows)(in, arrays, pass);
}

INLINE struct FN(coefficients)
    FN(column_at)(const struct FN(arrays) * arrays, int64_t c, struct FN(pass) pass)
{
    struct FN(coefficients)
        coefficients = {.mean = GET(arrays->mean + c), .scale = GET(arrays->scale + c)};
    if (!pass.backward || pass.activation != GN_ACTIVATION_IDENTITY)
        coefficients.shift = GET(arrays->shift + c);
    if (pass.backward) {
        coefficients.slope = GET(arrays->slope + c);
        coefficients.offset = GET(arrays->offset + c);
    }
    return coefficients;
}

/* `has_offsets`: x, dy or out has offsets. */
INLINE void FN(map_columns)(const struct gn_tile *in, const struct FN(arrays) * arrays,
                            struct FN(pass) pass, bool has_offsets)
{
    int64_t channels = in->channels;
    const void *x = in->x.data, *dy = in->dy.data;
    void *out = in->out.data;
    gn_type to = FN(out_type)(pass);
    for (int64_t p = 0; p < in->length; p++) {
        int64_t i = gn_offset_at(has_offsets ? in->x.offsets : NULL, in->x.stride, p);
        int64_t j = gn_offset_at(has_offsets ? in->dy.offsets : NULL, in->dy.stride, p);
        int64_t o = gn_offset_at(has_offsets ? in->out.offsets : NULL, in->out.stride, p), c = 0;
        for (; pass.activation != GN_ACTIVATION_IDENTITY && c + 4 * WIDTH <= channels;
             c += 4 * WIDTH) {
            struct FN(coefficients) coefficients[4];
            EACH (v, 4)
                coefficients[v] = FN(column_at)(arrays, c + v * WIDTH, pass);
            const struct FN(elements) at = {x, dy, out, i + c, j + c, o + c};
            FN(map_some)(at, 4, coefficients, false, pass, pass.nontemporal);
        }
        for (; c + WIDTH <= channels; c += WIDTH) {
            struct FN(coefficients) coefficients = FN(column_at)(arrays, c, pass);
            const struct FN(elements) at = {x, dy, out, i + c, j + c, o + c};
            FN(map_some)(at, 1, &coefficients, true, pass, pass.nontemporal);
        }
        if (c < channels) {
            struct FN(coefficients) coefficients = FN(column_at)(arrays, c, pass);
            WRITE_PART(out, to, o + c,
                       FN(map_part)(x, i + c, dy, j + c, channels - c, &coefficients, pass),
                       channels - c);
        }
    }
    if (pass.nontemporal)
        NONTEMPORAL_END();
}

/* Whether each pixel of out consists of whole cache lines. */
INLINE bool FN(fills_lines)(const struct gn_tile *in)
{
    gn_type to = in->out.type;
    int64_t part = LINE / gn_size(to) - 1, parts = in->channels & part;
    if (!in->nontemporal || parts || FN(before_line)(in->out.data, to) != 0)
        return false;
    if (!in->out.offsets)
        return (in->out.stride & part) == 0;
    for (int64_t p = 0; p < in->length; p++)
        parts |= in->out.offsets[p] & part;
    return parts == 0;
}

INLINE bool FN(plain_floats)(gn_type x, gn_type y, gn_activation activation)
{
    return IN_FLOAT && x == GN_F32 && y == GN_F32 && activation == GN_ACTIVATION_IDENTITY;
}

INLINE struct FN(pass) FN(plain_pass)(bool backward, bool nontemporal)
{
    return (struct FN(pass)){GN_F32, GN_F32, GN_ACTIVATION_IDENTITY, backward, nontemporal, false};
}

/*
 * All passes except that of plain floats, which has functions of its own. There are loops for x and
 * y of the same type, with each activation: bench/NOTES.md, "loops for short types". Other passes
 * cost a branch per vector. If `buffered` is true, short types with an activation are converted to
 * a buffer first, and have no loops of their own: in rows, where such loops are worth their size
 * only forward, with ordinary stores and if the types are the same. CALL uses the variable `pass`.
 */
#define FOR_OTHER_PASSES(in, back, streams, buffered, CALL)                                        \
    do {                                                                                           \
        gn_type x_ = (in)->x.type, y_ = (back) ? (in)->dy.type : (in)->out.type;                   \
        gn_activation act_ = (in)->activation;                                                     \
        bool nontemporal_ = IN_FLOAT && (streams), alike_ = IN_FLOAT && x_ == y_;                  \
        bool plain_ = IN_FLOAT && act_ == GN_ACTIVATION_IDENTITY;                                  \
        if (plain_ && alike_) {                                                                    \
            WITH_SHORT_TYPE(x_,                                                                    \
                            PASS(CALL, T, T, GN_ACTIVATION_IDENTITY, back, nontemporal_, false))   \
            break;                                                                                 \
        }                                                                                          \
        PASS_IF(plain_, CALL, x_, y_, GN_ACTIVATION_IDENTITY, back, nontemporal_, false)           \
        if (alike_ && x_ == GN_F32) {                                                              \
            WITH_ACTIVATION(act_, PASS(CALL, GN_F32, GN_F32, ACT, back, nontemporal_, false))      \
            break;                                                                                 \
        }                                                                                          \
        if (alike_ && !(buffered)) {                                                               \
            WITH_SHORT_TYPE(                                                                       \
                x_, WITH_ACTIVATION(act_, PASS(CALL, T, T, ACT, back, nontemporal_, false)))       \
            break;                                                                                 \
        }                                                                                          \
        PASS_IF(true, CALL, x_, y_, act_, back, nontemporal_, IN_FLOAT && (buffered))              \
    } while (0)
#define PASS(CALL, ...)                                                                            \
    do {                                                                                           \
        const struct FN(pass) pass = {__VA_ARGS__};                                                \
        CALL;                                                                                      \
    } while (0)
#define PASS_IF(condition, CALL, ...)                                                              \
    if (condition) {                                                                               \
        const struct FN(pass) pass = {__VA_ARGS__};                                                \
        CALL;                                                                                      \
        break;                                                                                     \
    }

NOINLINE void FN(normalize_other_rows)(const struct gn_tile *in, struct FN(arrays) arrays)
{
    FOR_OTHER_PASSES(in, false, in->nontemporal, in->nontemporal || in->x.type != in->out.type,
                     FN(map_any_rows)(in, &arrays, pass));
}

NOINLINE void FN(apply_other_rows)(const struct gn_tile *in, struct FN(arrays) arrays)
{
    FOR_OTHER_PASSES(in, true, in->nontemporal, true, FN(map_any_rows)(in, &arrays, pass));
}

NOINLINE void FN(normalize_other_columns)(const struct gn_tile *in, struct FN(arrays) arrays)
{
    FOR_OTHER_PASSES(in, false, FN(fills_lines)(in), false,
                     FN(map_columns)(in, &arrays, pass, true));
}

NOINLINE void FN(apply_other_columns)(const struct gn_tile *in, struct FN(arrays) arrays)
{
    FOR_OTHER_PASSES(in, true, FN(fills_lines)(in), false,
                     FN(map_columns)(in, &arrays, pass, true));
}
#undef FOR_OTHER_PASSES
#undef PASS_IF
#undef PASS

INLINE void FN(map_plain_columns)(const struct gn_tile *in, const struct FN(arrays) * arrays,
                                  bool backward, bool has_offsets)
{
    if (FN(fills_lines)(in))
        FN(map_columns)(in, arrays, FN(plain_pass)(backward, true), has_offsets);
    else
        FN(map_columns)(in, arrays, FN(plain_pass)(backward, false), has_offsets);
}

/* Plain floats have functions of their own, so that their loops get all registers. */
#define PLAIN_PASSES(name, backward)                                                               \
    NOINLINE void FN(name##_plain_rows)(const struct gn_tile *in, struct FN(arrays) arrays)        \
    {                                                                                              \
        if (in->nontemporal)                                                                       \
            FN(map_any_rows)(in, &arrays, FN(plain_pass)(backward, true));                         \
        else                                                                                       \
            FN(map_any_rows)(in, &arrays, FN(plain_pass)(backward, false));                        \
    }                                                                                              \
    NOINLINE void FN(name##_plain_columns)(const struct gn_tile *in, struct FN(arrays) arrays)     \
    {                                                                                              \
        if (in->x.offsets || in->out.offsets || ((backward) && in->dy.offsets))                    \
            FN(map_plain_columns)(in, &arrays, backward, true);                                    \
        else                                                                                       \
            FN(map_plain_columns)(in, &arrays, backward, false);                                   \
    }
PLAIN_PASSES(normalize, false)
PLAIN_PASSES(apply, true)
#undef PLAIN_PASSES

static void FN(normalize)(const struct gn_tile *in, struct FN(arrays) arrays)
{
    bool plain = FN(plain_floats)(in->x.type, in->out.type, in->activation);
    if (in->axis == GN_AXIS_ROWS && plain)
        FN(normalize_plain_rows)(in, arrays);
    else if (in->axis == GN_AXIS_ROWS)
        FN(normalize_other_rows)(in, arrays);
    else if (plain)
        FN(normalize_plain_columns)(in, arrays);
    else
        FN(normalize_other_columns)(in, arrays);
}

static void FN(gradient_apply)(const struct gn_tile *in, struct FN(arrays) arrays)
{
    bool plain = FN(plain_floats)(in->x.type, in->dy.type, in->activation);
    if (in->axis == GN_AXIS_ROWS && plain)
        FN(apply_plain_rows)(in, arrays);
    else if (in->axis == GN_AXIS_ROWS)
        FN(apply_other_rows)(in, arrays);
    else if (plain)
        FN(apply_plain_columns)(in, arrays);
    else
        FN(apply_other_columns)(in, arrays);
}

#endif
