/* SPDX-License-Identifier: MIT */
/*
 * The last passes over one row, and over short rows that follow each other without a gap.
 *
 * The last vector of a row overlaps the one before. Its elements are loaded before anything of the
 * row is stored, so that an output may be an input unless stores are nontemporal. Rows in f64 are
 * rare, or of a tensor of doubles; they are neither joined nor nontemporal.
 *
 * Written for a computing type: see real.h.
 */
#ifndef REAL
#ifndef GN_LAST_PASS_ROWS_H
#define GN_LAST_PASS_ROWS_H

#include "kernels/algo/last_pass.h"
#include "kernels/kernels.h"

#define EACH_REAL "kernels/algo/last_pass_rows.h"
#include "kernels/simd/each_real.h"

#endif
#else

/* The number of elements of the type before the next cache line. */
INLINE int64_t FN(before_line)(const void *p, gn_type t)
{
    int64_t size = gn_size(t);
    return (int64_t)(-((uintptr_t)p / (uintptr_t)size) % (uintptr_t)(LINE / size));
}

INLINE void FN(map_row)(const void *x, const void *dy, void *out, int64_t n,
                        const struct FN(coefficients) * coefficients, struct FN(pass) pass)
{
    gn_type to = FN(out_type)(pass);
    int64_t i = 0;
    if (n < WIDTH) {
        WRITE_PART(out, to, 0, FN(map_part)(x, 0, dy, 0, n, coefficients, pass), n);
        return;
    }
    VEC last = FN(map_at)(x, dy, n - WIDTH, coefficients, pass);
    int64_t head = pass.nontemporal ? FN(before_line)(out, to) : 0;
    head = head < n ? head : n;
    /*
     * These vectors overlap those of the loops below. That is correct since a nontemporal output is
     * no input.
     */
    for (; i < head; i += WIDTH) {
        int64_t at = i < n - WIDTH ? i : n - WIDTH;
        WRITE(out, to, at, FN(map_at)(x, dy, at, coefficients, pass), FN(raw)(pass), false);
    }
    i = head;
    for (; i + 4 * WIDTH <= n; i += 4 * WIDTH) {
        const struct FN(elements) at = {x, dy, out, i, i, i};
        FN(map_some)(at, 4, coefficients, true, pass, pass.nontemporal);
    }
    for (; i + WIDTH <= n; i += WIDTH) {
        const struct FN(elements) at = {x, dy, out, i, i, i};
        FN(map_some)(at, 1, coefficients, true, pass, false);
    }
    if (i < n)
        WRITE(out, to, n - WIDTH, last, FN(raw)(pass), false);
}

/* Coefficients: arrays of one value per channel, NULL if a pass does not need them. */
struct FN(arrays) {
    const REAL *mean, *scale, *shift, *slope, *offset;
};

INLINE struct FN(coefficients)
    FN(row_coefficients)(const struct FN(arrays) * arrays, int64_t c, struct FN(pass) pass)
{
    struct FN(coefficients)
        coefficients = {.mean = SPLAT(arrays->mean[c]), .scale = SPLAT(arrays->scale[c])};
    if (!pass.backward || pass.activation != GN_ACTIVATION_IDENTITY)
        coefficients.shift = SPLAT(arrays->shift[c]);
    if (pass.backward) {
        coefficients.slope = SPLAT(arrays->slope[c]);
        coefficients.offset = SPLAT(arrays->offset[c]);
    }
    return coefficients;
}

/*
 * Maps short rows of at least a vector as one row, which they are in memory. Stores are aligned. A
 * vector that belongs to two rows is computed with the coefficients of each.
 */
INLINE void FN(map_joined)(const struct gn_tile *in, const struct FN(arrays) * arrays,
                           struct FN(pass) pass)
{
    const void *x = in->x.data, *dy = in->dy.data;
    gn_type to = FN(out_type)(pass);
    void *out = in->out.data;
    int64_t n = in->length, all = in->channels * n, end = n;
    int64_t i = FN(before_line)(out, to) % WIDTH;
    struct FN(coefficients) coefficients = FN(row_coefficients)(arrays, 0, pass);
    if (i)
        WRITE_PART(out, to, 0, FN(map_part)(x, 0, dy, 0, i, &coefficients, pass), i);
    for (int64_t c = 0;; end += n) {
        for (; pass.activation != GN_ACTIVATION_IDENTITY && i + 4 * WIDTH <= end; i += 4 * WIDTH) {
            const struct FN(elements) at = {x, dy, out, i, i, i};
            FN(map_some)(at, 4, &coefficients, true, pass, pass.nontemporal);
        }
        ROLLED
        for (; i + WIDTH <= end; i += WIDTH) {
            const struct FN(elements) at = {x, dy, out, i, i, i};
            FN(map_some)(at, 1, &coefficients, true, pass, pass.nontemporal);
            UNCOUNTED(i);
        }
        if (++c == in->channels)
            break;
        struct FN(coefficients) next = FN(row_coefficients)(arrays, c, pass);
        if (i < end) {
            VEC first = FN(map_at)(x, dy, i, &coefficients, pass);
            VEC rest = FN(map_at)(x, dy, i, &next, pass);
            WRITE(out, to, i, SELECT_FIRST(end - i, first, rest), FN(raw)(pass), pass.nontemporal);
            i += WIDTH;
        }
        coefficients = next;
    }
    if (i < all)
        WRITE_PART(out, to, i, FN(map_part)(x, i, dy, i, all - i, &coefficients, pass), all - i);
    if (pass.nontemporal)
        NONTEMPORAL_END();
}

/* elements in a buffer of z or g */
enum { FN(BUFFER_LENGTH) = 2048 };

/*
 * Coefficients that leave y unchanged, its sign included. They are used to store a buffer that is y
 * already.
 */
INLINE struct FN(coefficients) FN(identity_coefficients)(void)
{
    return (struct FN(coefficients)){SPLAT(0), SPLAT(1), SPLAT(-(REAL)0), SPLAT(0), SPLAT(0)};
}

INLINE struct FN(pass) FN(to_buffer)(struct FN(pass) pass)
{
    return (struct FN(pass)){pass.x, GN_F32, GN_ACTIVATION_IDENTITY, false, false, false};
}

INLINE struct FN(pass) FN(from_buffer)(struct FN(pass) pass)
{
    return pass.backward ? (struct FN(pass)){pass.x, GN_F32,           GN_ACTIVATION_IDENTITY,
                                             true,   pass.nontemporal, false}
                         : (struct FN(pass)){GN_F32, pass.y,           GN_ACTIVATION_IDENTITY,
                                             false,  pass.nontemporal, false};
}

INLINE void FN(map_row_buffered)(const void *x, const void *dy, void *out, int64_t n,
                                 const struct FN(coefficients) * coefficients, struct FN(pass) pass)
{
    REAL buffer[FN(BUFFER_LENGTH)];
    const struct FN(coefficients) none = FN(identity_coefficients)();
    for (int64_t i = 0; i < n; i += FN(BUFFER_LENGTH)) {
        int64_t some = n - i < FN(BUFFER_LENGTH) ? n - i : FN(BUFFER_LENGTH);
        const void *from = gn_at(x, pass.x, i);
        void *to = gn_out_at(out, FN(out_type)(pass), i);
        FN(map_row)(from, NULL, buffer, some, coefficients, FN(to_buffer)(pass));
        if (pass.backward) {
            FN(buffer_gradients)(gn_at(dy, pass.y, i), pass.y, some, pass.activation, buffer);
            FN(map_row)(from, buffer, to, some, coefficients, FN(from_buffer)(pass));
        } else {
            FN(activate_buffer)(buffer, some, pass.activation);
            FN(map_row)(buffer, NULL, to, some, &none, FN(from_buffer)(pass));
        }
    }
}

/*
 * Maps short rows with an activation. In map_joined most vectors would go through the operations
 * of an exp by themselves. So this computes z of some rows first, and then activates them without
 * regard to rows.
 */
INLINE void FN(map_joined_buffered)(const struct gn_tile *in, const struct FN(arrays) * arrays,
                                    struct FN(pass) pass)
{
    REAL buffer[FN(BUFFER_LENGTH)];
    int64_t n = in->length, most = FN(BUFFER_LENGTH) / n;
    const struct FN(coefficients) none = FN(identity_coefficients)();
    for (int64_t c = 0; c < in->channels; c += most) {
        struct gn_tile z = *in;
        struct FN(arrays)
            z_arrays = {arrays->mean + c, arrays->scale + c, arrays->shift + c, NULL, NULL};
        void *out = gn_out_at(in->out.data, FN(out_type)(pass), c * n);
        z.channels = in->channels - c < most ? in->channels - c : most;
        z.x.data = gn_out_at(in->x.data, pass.x, c * n);
        z.out.data = buffer;
        FN(map_joined)(&z, &z_arrays, FN(to_buffer)(pass));
        if (!pass.backward) {
            FN(activate_buffer)(buffer, z.channels * n, pass.activation);
            FN(map_row)(buffer, NULL, out, z.channels * n, &none, FN(from_buffer)(pass));
            continue;
        }
        FN(buffer_gradients)
        (gn_at(in->dy.data, pass.y, c * n), pass.y, z.channels * n, pass.activation, buffer);
        z.dy.data = buffer;
        z.out.data = out;
        z_arrays.slope = arrays->slope + c;
        z_arrays.offset = arrays->offset + c;
        FN(map_joined)(&z, &z_arrays, FN(from_buffer)(pass));
    }
    if (pass.nontemporal)
        NONTEMPORAL_END();
}

#endif
