/* SPDX-License-Identifier: MIT */
/*
 * The part of vec.h that computes a * b + c rounded once, for machines without an instruction for
 * it. The product of two floats is exact in double, and the sum with c is rounded to double, then
 * to float. The second rounding goes wrong only if the first one was inexact and led to a number
 * half way between two floats. Rounding the sum to odd avoids it: Boldo and Melquiond, Emulation of
 * FMA and correctly rounded sums: proved algorithms using rounding to odd, IEEE Transactions on
 * Computers 57(4), 2008.
 */

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* The two halves of a vector of floats. */
#define LOW_HALF(v) WIDEN(__builtin_shufflevector(v, v, 0, 1))
#define HIGH_HALF(v) WIDEN(__builtin_shufflevector(v, v, 2, 3))

INLINE vec_f32 join_halves(vec_f64 low, vec_f64 high)
{
    return __builtin_shufflevector(NARROW(low), NARROW(high), 0, 1, 2, 3);
}

/* p + c, rounded to odd: if inexact, to the neighbour whose last bit is 1. */
INLINE vec_f64 add_to_odd(vec_f64 p, vec_f64 c)
{
    vec_f64 sum = p + c, c_part = sum - p, error = (p - (sum - c_part)) + (c - c_part);
    mask_f64 bits = (mask_f64)sum, inexact = abs_f64(error) > splat_f64(0);
    mask_f64 even = (bits & 1) - 1;
    mask_f64 toward = 1 - ((((mask_f64)error ^ bits) >> 63 & 1) << 1);
    return (vec_f64)(bits + (toward & inexact & even));
}

COLD vec_f32 fused_to_odd(vec_f32 a, vec_f32 b, vec_f32 c)
{
    return join_halves(add_to_odd(LOW_HALF(a) * LOW_HALF(b), LOW_HALF(c)),
                       add_to_odd(HIGH_HALF(a) * HIGH_HALF(b), HIGH_HALF(c)));
}

/* Whether any lane of a mask is set. */
INLINE bool any_lane(mask_f32 mask)
{
#ifdef __SSE2__
    return _mm_movemask_ps((__m128)mask) != 0;
#else
    return (mask[0] | mask[1] | mask[2] | mask[3]) != 0;
#endif
}

/* The lower halves of doubles as integers. */
INLINE mask_f32 lower_words(vec_f64 low, vec_f64 high)
{
    enum { FIRST = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 0 : 1 };
    return __builtin_shufflevector((mask_f32)low, (mask_f32)high, FIRST, FIRST + 2, FIRST + 4,
                                   FIRST + 6);
}

/*
 * A sum is in doubt if it is half way between two floats, or if it is at most the least normal
 * float, where half ways are elsewhere.
 */
NOINLINE vec_f32 fused_in_double(vec_f32 a, vec_f32 b, vec_f32 c)
{
    vec_f64 low = LOW_HALF(a) * LOW_HALF(b) + LOW_HALF(c);
    vec_f64 high = HIGH_HALF(a) * HIGH_HALF(b) + HIGH_HALF(c);
    vec_f32 sum = join_halves(low, high);
    mask_f32 tie = lower_words(low, high) << 3 == INT32_MIN;
    mask_f32 tiny = ((mask_f32)sum & INT32_MAX) <= 0x00800000;
    if (__builtin_expect(any_lane(tie | tiny), 0))
        return fused_to_odd(a, b, c);
    return sum;
}
