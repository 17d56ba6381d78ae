/* SPDX-License-Identifier: MIT */
/* Whether float sums of gradients can be trusted, and their recomputation in f64 for a row. */
#ifndef GN_GRADIENT_RANGE_H
#define GN_GRADIENT_RANGE_H

#include "kernels/algo/activation.h"
#include "kernels/algo/gradient_sums.h"

/* In smaller sums, products may have underflowed. */
#define GRADIENT_LEAST 0x1p-100

/* The least |A| that can be trusted: with SiLU, g itself may have underflowed. */
INLINE double least_gradient(gn_activation activation)
{
    return can_underflow(activation) ? GRADIENT_LEAST : 0;
}

/*
 * Whether float sums of gradients can be trusted: they did not overflow, and no product that
 * matters underflowed. `size` is the sum of |dy|, or of |g| with ReLU. If it is 0, as may be after
 * a ReLU, no product matters. UNKNOWN_SIZE: the size has not been computed yet.
 */
#define UNKNOWN_SIZE (-1.0f)

INLINE bool gradient_fits(double a, double b, double least, float size)
{
    bool finite = fabs(a) <= (double)FLT_MAX && fabs(b) <= (double)FLT_MAX;
    bool large = fabs(a) >= least || (double)size >= least;
    return finite && ((large && fabs(b) >= GRADIENT_LEAST) || size == 0);
}

/*
 * Whether the sums of all channels can be trusted. False also for a channel whose g are all 0,
 * which only its size tells.
 */
INLINE bool all_gradients_fit(int64_t channels, const double *a, const double *b, double least)
{
    mask_f64 all = splat_f64(0) == splat_f64(0);
    for (int64_t c = 0; c + WIDTH_f64 <= channels; c += WIDTH_f64) {
        vec_f64 va = abs_f64(get_f64(a + c)), vb = abs_f64(get_f64(b + c));
        all &= (va <= splat_f64(FLT_MAX)) & (vb <= splat_f64(FLT_MAX)) & (va >= splat_f64(least)) &
               (vb >= splat_f64(GRADIENT_LEAST));
    }
    bool rest = true;
    for (int64_t c = channels / WIDTH_f64 * WIDTH_f64; c < channels; c++)
        rest &= gradient_fits(a[c], b[c], least, UNKNOWN_SIZE);
    return all_f64(all) && rest;
}

/* The size of some elements of a row, for gradient_fits. */
static float row_size(const struct gradient_span_f32 *in)
{
    gn_activation activation = in->types.activation;
    vec_f32 size[VECS] = {{0}};
    for (int64_t i = 0; i < in->n; i += WIDTH_f32) {
        vec_f32 g = read_part_f32(in->dy, in->types.dy, in->first + i, in->n - i, 0);
        vec_f32 d =
            read_part_f32(in->x, in->types.x, in->first + i, in->n - i, 0) - in->coefficients->mean;
        vec_f32 z = z_of_f32(d, in->coefficients);
        if (vanishes(activation))
            activate_backward_f32(&g, &z, 1, activation);
        size[i / WIDTH_f32 % VECS] += abs_f32(g);
    }
    return (float)rough_f32(size, VECS);
}

INLINE struct coefficients_f64 f64_coefficients_of(const struct coefficients_f32 *coefficients)
{
    return (struct coefficients_f64){.mean = splat_f64((double)coefficients->mean[0]),
                                     .scale = splat_f64((double)coefficients->scale[0]),
                                     .shift = splat_f64((double)coefficients->shift[0])};
}

/* A and B of a chunk of a row in f64, once in the library: with all types and activations it is
 * long. */
NOINLINE void chunk_gradient_f64(const struct gradient_span_f64 *in, double *a, double *b)
{
    row_gradient_f64(*in, a, b);
}

/*
 * Recomputes the sums in f64, unless all g are 0 or the sums can be trusted. Returns whether it
 * did.
 */
COLD bool recompute_gradient_f64(struct gradient_span_f32 in, double *a, double *b)
{
    float size = row_size(&in);
    if (gradient_fits(*a, *b, least_gradient(in.types.activation), size))
        return false;
    FELL_BACK();
    struct coefficients_f64 coefficients = f64_coefficients_of(in.coefficients);
    struct operands_f64 types = {in.types.x, in.types.dy, in.types.activation};
    const struct gradient_span_f64 in_f64 = {in.dy, in.x, types, in.first, in.n, &coefficients};
    chunk_gradient_f64(&in_f64, a, b);
    return true;
}

#endif
