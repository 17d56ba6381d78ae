/* SPDX-License-Identifier: MIT */
/*
 * Activations and their derivatives, with the same bits in every instruction set.
 *
 * exp(a) is p(r) * 2^n with n = round(a / ln 2) and |r| <= ln(2)/2. r = a - n * ln 2 is all but
 * exact, because ln 2 is subtracted in two parts, of which the first has few bits. p is a
 * polynomial: for float it is fitted to the relative error, which is then 3.1e-9; for double it is
 * Taylor's. The code computes with 2^n / 2, which is finite for every n of a finite result.
 *
 * Written for a computing type: see real.h.
 */
#ifndef REAL
#ifndef GN_ACTIVATION_H
#define GN_ACTIVATION_H

#include "kernels/simd/real.h"

#define EACH_REAL "kernels/algo/activation.h"
#include "kernels/simd/each_real.h"

/*
 * Expands CALL once per activation, with the activation as the constant ACT, so that each has a
 * loop of its own. Does nothing for GN_ACTIVATION_IDENTITY.
 */
#define WITH_ACTIVATION(activation, CALL)                                                          \
    switch (activation) {                                                                          \
    case GN_ACTIVATION_IDENTITY:                                                                   \
        break;                                                                                     \
    case GN_ACTIVATION_RELU: {                                                                     \
        const gn_activation ACT = GN_ACTIVATION_RELU;                                              \
        CALL;                                                                                      \
        break;                                                                                     \
    }                                                                                              \
    case GN_ACTIVATION_SILU: {                                                                     \
        const gn_activation ACT = GN_ACTIVATION_SILU;                                              \
        CALL;                                                                                      \
        break;                                                                                     \
    }                                                                                              \
    }

/* Whether act'(z) is exactly 0 for many z. Then sums of |dy| say nothing about sums of |g|. */
INLINE bool vanishes(gn_activation activation)
{
    switch (activation) {
    case GN_ACTIVATION_RELU:
        return true;
    case GN_ACTIVATION_IDENTITY:
    case GN_ACTIVATION_SILU:
        return false;
    }
    __builtin_unreachable();
}

/* Whether g can underflow where dy does not. */
INLINE bool can_underflow(gn_activation activation)
{
    switch (activation) {
    case GN_ACTIVATION_SILU:
        return true;
    case GN_ACTIVATION_IDENTITY:
    case GN_ACTIVATION_RELU:
        return false;
    }
    __builtin_unreachable();
}

#endif
#else

/*
 * The coefficients of one channel, or of one vector of channels: z = (x - mean) * scale + shift,
 * and backward dx = scale * g + (slope * (x - mean) + offset).
 */
struct FN(coefficients) {
    VEC mean, scale, shift, slope, offset;
};

/* z, from d = x - mean. */
INLINE VEC FN(z_of)(VEC d, const struct FN(coefficients) * coefficients)
{
    return FUSED(d, coefficients->scale, coefficients->shift);
}

/*
 * The functions below perform each operation on several vectors. An exp is a long chain of
 * dependent operations, and a processor looks ahead by only two or three such chains to find
 * independent operations.
 */

/* p(r) = 1 + r + r^2 * q(r). The even and the odd terms of q are separate polynomials in r^2. */
INLINE void FN(exp_polynomials)(const VEC *r, int count, VEC *p)
{
    enum { LAST = FN(EXP_TERMS) - 1 };
    VEC square[FN(ACT_VECS)], even[FN(ACT_VECS)], odd[FN(ACT_VECS)];
    EACH (v, count) {
        square[v] = r[v] * r[v];
        even[v] = SPLAT(FN(exp_terms)[LAST - LAST % 2]);
        odd[v] = SPLAT(FN(exp_terms)[LAST - (LAST + 1) % 2]);
    }
    UNROLL
    for (int i = LAST - LAST % 2 - 2; i >= 0; i -= 2)
        EACH (v, count)
            even[v] = FUSED(even[v], square[v], SPLAT(FN(exp_terms)[i]));
    UNROLL
    for (int i = LAST - (LAST + 1) % 2 - 2; i >= 0; i -= 2)
        EACH (v, count)
            odd[v] = FUSED(odd[v], square[v], SPLAT(FN(exp_terms)[i]));
    EACH (v, count)
        p[v] = FUSED(FUSED(odd[v], r[v], even[v]), square[v], r[v]) + 1;
}

/*
 * Computes half = (1 + exp(-z)) / 2. Raises z to -EXP_HIGHEST: from there on down exp(-z)
 * overflows, and SiLU becomes -0, which it all but equals. `limited` is z lowered to -EXP_LOWEST as
 * well: above it exp(-z) no longer matters compared with 1, and SiLU all but equals z.
 */
INLINE void FN(half_sums)(VEC *z, int count, VEC *limited, VEC *half)
{
    VEC shifted[FN(ACT_VECS)], n[FN(ACT_VECS)], r[FN(ACT_VECS)];
    EACH (v, count) {
        z[v] = MAX(SPLAT(-FN(EXP_HIGHEST)), z[v]);
        limited[v] = MIN(SPLAT(-FN(EXP_LOWEST)), z[v]);
    }
    EACH (v, count)
        shifted[v] = FUSED(limited[v], SPLAT(-FN(EXP_LOG2E)), SPLAT(FN(EXP_ROUND)));
    EACH (v, count)
        n[v] = FN(EXP_ROUND) - shifted[v];
    EACH (v, count)
        r[v] = FUSED(n[v], SPLAT(FN(EXP_LN2_REST)), FUSED(n[v], SPLAT(FN(EXP_LN2)), -limited[v]));
    FN(exp_polynomials)(r, count, half);
    /* The low bits of `shifted` are -n[v] plus the bias less 1: the exponent of 2^-n[v] / 2. */
    EACH (v, count)
        half[v] = FUSED(half[v], (VEC)((MASK)shifted[v] << FN(EXP_DIGITS)), SPLAT((REAL)0.5));
}

/* act(z) in place. A NaN stays a NaN. */
INLINE void FN(activate)(VEC *z, int count, gn_activation activation)
{
    VEC limited[FN(ACT_VECS)], half[FN(ACT_VECS)];
    switch (activation) {
    case GN_ACTIVATION_IDENTITY:
        return;
    case GN_ACTIVATION_RELU:
        EACH (v, count)
            z[v] = SELECT(z[v] <= SPLAT(0), SPLAT(0), z[v]);
        return;
    case GN_ACTIVATION_SILU:
        FN(half_sums)(z, count, limited, half);
        EACH (v, count)
            z[v] = z[v] * (REAL)0.5 / half[v];
        return;
    }
}

/* The derivative of SiLU in place of z: s * (1 + z * (1 - s)), where s is the logistic function. */
INLINE void FN(silu_slopes)(VEC *z, int count)
{
    VEC limited[FN(ACT_VECS)], half[FN(ACT_VECS)];
    FN(half_sums)(z, count, limited, half);
    EACH (v, count)
        half[v] = (REAL)0.5 / half[v];
    EACH (v, count)
        z[v] = half[v] * FUSED(limited[v], 1 - half[v], SPLAT(1));
}

/*
 * g = dy * act'(z) in place of dy. With ReLU it is 0 where z <= 0, whatever dy is. z is
 * overwritten.
 */
INLINE void FN(activate_backward)(VEC *dy, VEC *z, int count, gn_activation activation)
{
    switch (activation) {
    case GN_ACTIVATION_IDENTITY:
        return;
    case GN_ACTIVATION_RELU:
        EACH (v, count)
            dy[v] = SELECT(z[v] <= SPLAT(0), SPLAT(0), dy[v]);
        return;
    case GN_ACTIVATION_SILU:
        FN(silu_slopes)(z, count);
        EACH (v, count)
            dy[v] *= z[v];
        return;
    }
}

#endif
