/* SPDX-License-Identifier: MIT */
/*
 * Activations and their derivatives, with the same bits in every instruction set, and the numbers
 * of a channel.
 *
 * exp(a) is p(r) * 2^n with n = round(a / ln 2) and |r| <= ln(2)/2, where the subtraction of n * ln
 * 2, in two parts of which the first has few bits, is all but exact, and p is a polynomial: for
 * float fitted to the relative error, which is then 3.1e-9, for double Taylor's. Half of 2^n is
 * what is computed, so that all that is no infinity can be. Products with it, and with the first
 * part of ln 2, are exact: they may be fused with what is added.
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
 * CALL, in which ACT is the activation as a constant: a loop of its own for each, where there is
 * one.
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

/* Whether act'(z) is 0 for many z, exactly: where it is, sums of |dy| say nothing about those of g.
 */
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

/* Whether it takes many operations: then it pays to compute z of several short rows first. */
INLINE bool is_costly(gn_activation activation)
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
 * What one channel, or one vector of channels, is multiplied with and added to: z = (x - mean) *
 * scale + shift, and backward dx = scale * g + (slope * (x - mean) + offset).
 */
struct FN(numbers) {
    VEC mean, scale, shift, slope, offset;
};

/*
 * Several vectors take each step together: an exp is a long chain of operations, and a processor
 * looks ahead for others no further than two or three of them.
 */

/* p(r) = 1 + r + r^2 * q(r), where q is the sum of two polynomials of r^2. */
INLINE void FN(exp_polynomials)(const VEC *r, int count, VEC *p)
{
    enum { LAST = FN(EXP_TERMS) - 1 };
    VEC square[FN(TOGETHER)], even[FN(TOGETHER)], odd[FN(TOGETHER)];
    EACH (v, count) {
        square[v] = r[v] * r[v];
        even[v] = SPLAT(FN(exp_terms)[LAST - LAST % 2]);
        odd[v] = SPLAT(FN(exp_terms)[LAST - (LAST + 1) % 2]);
    }
    UNROLL
    for (int i = LAST - LAST % 2 - 2; i >= 0; i -= 2)
        EACH (v, count)
            even[v] = even[v] * square[v] + FN(exp_terms)[i];
    UNROLL
    for (int i = LAST - (LAST + 1) % 2 - 2; i >= 0; i -= 2)
        EACH (v, count)
            odd[v] = odd[v] * square[v] + FN(exp_terms)[i];
    EACH (v, count)
        p[v] = (odd[v] * r[v] + even[v]) * square[v] + r[v] + 1;
}

/*
 * (1 + exp(-z)) / 2. Below the limits of exp, SiLU is as good as 0, and becomes it; above them, z,
 * whose limit it is. z becomes no less than the lower limit, limited no more than the upper one
 * either.
 */
INLINE void FN(half_sums)(VEC *z, int count, VEC *limited, VEC *half)
{
    VEC shifted[FN(TOGETHER)], n[FN(TOGETHER)], r[FN(TOGETHER)];
    EACH (v, count) {
        z[v] = MAX(SPLAT(-FN(EXP_HIGHEST)), z[v]);
        limited[v] = MIN(SPLAT(-FN(EXP_LOWEST)), z[v]);
    }
    EACH (v, count)
        shifted[v] = limited[v] * -FN(EXP_LOG2E) + FN(EXP_ROUND);
    EACH (v, count)
        n[v] = FN(EXP_ROUND) - shifted[v];
    EACH (v, count)
        r[v] = FUSED(n[v], SPLAT(FN(EXP_LN2)), -limited[v]) + n[v] * FN(EXP_LN2_REST);
    FN(exp_polynomials)(r, count, half);
    /* n, negated, plus the bias less 1 are the low bits of what rounded it. */
    EACH (v, count)
        half[v] = FUSED(half[v], (VEC)((MASK)shifted[v] << FN(EXP_DIGITS)), SPLAT((REAL)0.5));
}

/* act(z) in its place. A NaN stays one. */
INLINE void FN(activate)(VEC *z, int count, gn_activation activation)
{
    VEC limited[FN(TOGETHER)], half[FN(TOGETHER)];
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

/* The derivative of SiLU in the place of z: s * (1 + z * (1 - s)), s being the logistic function.
 */
INLINE void FN(silu_slopes)(VEC *z, int count)
{
    VEC limited[FN(TOGETHER)], half[FN(TOGETHER)];
    FN(half_sums)(z, count, limited, half);
    EACH (v, count)
        half[v] = (REAL)0.5 / half[v];
    EACH (v, count)
        z[v] = half[v] * (limited[v] * (1 - half[v]) + 1);
}

/* g = dy * act'(z) in the place of dy; 0 where ReLU is, whatever dy. z is lost. */
INLINE void FN(through)(VEC *dy, VEC *z, int count, gn_activation activation)
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
