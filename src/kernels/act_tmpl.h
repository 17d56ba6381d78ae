/* SPDX-License-Identifier: MIT */
/*
 * Activations and their derivatives, with the same bits in every instruction set, and the numbers
 * of a channel.
 *
 * exp(-a), for a >= 0, is p(r) * 2^n with n = round(-a / ln 2) and |r| <= ln(2)/2, where the
 * subtraction of n * ln 2, in two parts of which the first has few bits, is all but exact, and p is
 * a polynomial (for float fitted to the relative error, which is then 3.1e-9; for double Taylor's).
 * Nothing overflows: with e = exp(-|z|), the logistic function is 1 / (1 + e) where z
 * is positive and e / (1 + e) elsewhere.
 *
 * Parameters: REAL and R, the computing type. See reals.h.
 */

/*
 * What one channel, or one vector of channels, is multiplied with and added to: z = (x - mean) *
 * scale + shift, and backward dx = scale * g + (slope * (x - mean) + offset).
 */
struct FN(numbers) {
    VEC mean, scale, shift, slope, offset;
};

/* exp(-a) for a >= 0, and 1 / EXP_LOWER times as much, which is no subnormal number. */
struct FN(exps) {
    VEC e, lifted;
};

INLINE VEC FN(exp_polynomial)(VEC r)
{
    VEC q = SPLAT(FN(exp_terms)[FN(EXP_TERMS) - 1]);
    UNROLL
    for (int i = FN(EXP_TERMS) - 2; i >= 0; i--)
        q = q * r + FN(exp_terms)[i];
    return r * r * q + r + 1;
}

INLINE struct FN(exps) FN(exp_minus)(VEC a)
{
    a = SELECT(a < FN(EXP_MOST), a, SPLAT(FN(EXP_MOST)));
    VEC shifted = a * (REAL)-0x1.71547652b82fep0 + FN(EXP_ROUND);
    VEC n = shifted - FN(EXP_ROUND);
    VEC r = (-a - n * FN(EXP_LN2)) - n * FN(EXP_LN2_REST);
    MASK bits = ((MASK)shifted - (MASK)SPLAT(FN(EXP_ROUND)) + FN(EXP_BIAS)) << FN(EXP_DIGITS);
    VEC lifted = FN(exp_polynomial)(r) * (VEC)bits;
    return (struct FN(exps)){lifted * FN(EXP_LOWER), lifted};
}

/* act(z). A NaN stays one. */
INLINE VEC FN(activate)(VEC z, gn_activation activation)
{
    if (activation == GN_IDENTITY)
        return z;
    MASK negative = z <= SPLAT(0);
    if (activation == GN_RELU)
        return SELECT(negative, SPLAT(0), z);
    struct FN(exps) of = FN(exp_minus)(ABS(z));
    /* Beyond the limit the product is 0 anyway, but for an infinite z. */
    VEC limited = SELECT(z < -FN(EXP_MOST), SPLAT(-FN(EXP_MOST)), z);
    VEC quotient = SELECT(negative, limited * of.lifted, z) / (of.e + 1);
    return quotient * SELECT(negative, SPLAT(FN(EXP_LOWER)), SPLAT(1));
}

/* The derivative of SiLU. */
INLINE VEC FN(silu_slope)(VEC z)
{
    VEC e = FN(exp_minus)(ABS(z)).e, inverse = 1 / (e + 1);
    VEC limited = SELECT(ABS(z) < FN(EXP_MOST), z, SPLAT(0));
    VEC part = e * inverse;
    VEC slope = SELECT(z <= SPLAT(0), part, inverse) + limited * (part * inverse);
    return SELECT(z == z, slope, z);
}

/* g = dy * act'(z); 0 where ReLU is, whatever dy. */
INLINE VEC FN(through)(VEC dy, VEC z, gn_activation activation)
{
    if (activation == GN_IDENTITY)
        return dy;
    if (activation == GN_RELU)
        return SELECT(z <= SPLAT(0), SPLAT(0), dy);
    return dy * FN(silu_slope)(z);
}

/* scale * g, where g alone can be too large, SiLU being as steep as 1.1, or too small. */
INLINE VEC FN(scaled_through)(VEC scale, VEC dy, VEC z, gn_activation activation)
{
    if (activation != GN_SILU)
        return scale * FN(through)(dy, z, activation);
    return scale * FN(silu_slope)(z) * dy;
}
