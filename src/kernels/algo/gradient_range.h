/* SPDX-License-Identifier: MIT */
/* Whether sums of gradients in float can be trusted, and those of a row in double. */
#ifndef GN_GRADIENT_RANGE_H
#define GN_GRADIENT_RANGE_H

#include "kernels/algo/gradient_sums.h"

/* Below this, products may have underflowed. */
#define GRADIENT_LEAST 0x1p-100

/* The least |A| that can be trusted: with SiLU, g itself may have underflowed. */
INLINE double least_gradient(gn_activation activation)
{
    return can_underflow(activation) ? GRADIENT_LEAST : 0;
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
        if (vanishes(as.activation))
            through_f32(&g, &z, 1, as.activation);
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

#endif
