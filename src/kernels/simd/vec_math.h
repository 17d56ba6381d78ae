/* SPDX-License-Identifier: MIT */
/* The part of vec.h that computes: arithmetic, comparisons, and selections. */

INLINE vec_f32 splat_f32(float a)
{
    return a - (vec_f32){0}; /* a minus, not a plus, so that -0 stays -0 */
}

INLINE vec_f64 splat_f64(double a)
{
    return a - (vec_f64){0};
}

INLINE vec_f32 minus_f32(vec_f32 a, vec_f32 b)
{
#ifdef MINUS_FLOATS
    return MINUS_FLOATS(a, b);
#else
    return a - b;
#endif
}

INLINE vec_f64 minus_f64(vec_f64 a, vec_f64 b)
{
    return a - b;
}

INLINE vec_f64 sqrt_f64(vec_f64 a)
{
#ifdef SQRT
    return SQRT(a);
#else
    vec_f64 root;
    for (int i = 0; i < WIDTH_f64; i++)
        root[i] = sqrt(a[i]);
    return root;
#endif
}

INLINE vec_f32 sqrt_f32(vec_f32 a)
{
#ifdef SQRT_FLOATS
    return SQRT_FLOATS(a);
#else
    vec_f32 root = a;
    for (int i = 0; i < WIDTH_f32; i++)
        root[i] = sqrtf(a[i]);
    return root;
#endif
}

INLINE vec_f32 select_f32(mask_f32 mask, vec_f32 yes, vec_f32 no)
{
#ifdef SELECT_FLOATS
    return SELECT_FLOATS(mask, yes, no);
#else
    return (vec_f32)((mask & (mask_f32)yes) | (~mask & (mask_f32)no));
#endif
}

INLINE vec_f64 select_f64(mask_f64 mask, vec_f64 yes, vec_f64 no)
{
    return (vec_f64)((mask & (mask_f64)yes) | (~mask & (mask_f64)no));
}

/* The first n lanes of `yes`, the other lanes of `no`. */
INLINE vec_f64 select_first_f64(int64_t n, vec_f64 yes, vec_f64 no)
{
    mask_f64 lane;
    UNROLL
    for (int i = 0; i < WIDTH_f64; i++)
        lane[i] = i;
    return select_f64(lane < n, yes, no);
}

INLINE vec_f32 select_first_f32(int64_t n, vec_f32 yes, vec_f32 no)
{
    mask_f32 lane;
    UNROLL
    for (int i = 0; i < WIDTH_f32; i++)
        lane[i] = i;
    mask_f32 mask = lane < (int32_t)n;
    return (vec_f32)((mask & (mask_f32)yes) | (~mask & (mask_f32)no));
}

INLINE bool all_f64(mask_f64 mask)
{
    int64_t both = -1;
    for (int i = 0; i < WIDTH_f64; i++)
        both &= mask[i];
    return both != 0;
}

INLINE bool all_f32(mask_f32 mask)
{
#ifdef ALL_LANES
    return ALL_LANES(mask);
#else
    int32_t all = -1;
    for (int i = 0; i < WIDTH_f32; i++)
        all &= mask[i];
    return all != 0;
#endif
}

INLINE vec_f32 abs_f32(vec_f32 a)
{
    return (vec_f32)((mask_f32)a & INT32_MAX);
}

INLINE vec_f64 abs_f64(vec_f64 a)
{
    return (vec_f64)((mask_f64)a & INT64_MAX);
}

/* The absolute values of a vector of any width, by clearing the sign bits. */
#define ABS_OF_f32(v) ((__typeof__(v))((__typeof__((v) == (v)))(v)&INT32_MAX))
#define ABS_OF_f64(v) ((__typeof__(v))((__typeof__((v) == (v)))(v)&INT64_MAX))

#if !defined(FUSED_FLOATS) && !defined(__FP_FAST_FMAF)
#if VEC_BYTES != 16
#error "vectors of this width need FUSED_FLOATS"
#endif
#include "kernels/simd/vec_fused.h"
#endif

INLINE vec_f32 fused_f32(vec_f32 a, vec_f32 b, vec_f32 c)
{
#ifdef FUSED_FLOATS
    return FUSED_FLOATS(a, b, c);
#elif defined(__FP_FAST_FMAF)
    vec_f32 sum = a;
    UNROLL
    for (int i = 0; i < WIDTH_f32; i++)
        sum[i] = fmaf(a[i], b[i], c[i]);
    return sum;
#else
    return fused_in_double(a, b, c);
#endif
}

INLINE vec_f64 fused_f64(vec_f64 a, vec_f64 b, vec_f64 c)
{
    return a * b + c;
}

/* Which lanes are 0 or a normal float. */
INLINE mask_f64 fits_float(vec_f64 a)
{
    vec_f64 size = abs_f64(a);
    return (size == splat_f64(0)) | ((size >= splat_f64(FLT_MIN)) & (size <= splat_f64(FLT_MAX)));
}

/* The larger and the smaller of two; b if one is NaN. */
INLINE vec_f32 max_f32(vec_f32 a, vec_f32 b)
{
#ifdef MAX_FLOATS
    return MAX_FLOATS(a, b);
#else
    return select_f32(a > b, a, b);
#endif
}

INLINE vec_f32 min_f32(vec_f32 a, vec_f32 b)
{
#ifdef MIN_FLOATS
    return MIN_FLOATS(a, b);
#else
    return select_f32(a < b, a, b);
#endif
}

INLINE vec_f64 max_f64(vec_f64 a, vec_f64 b)
{
    return select_f64(a > b, a, b);
}

INLINE vec_f64 min_f64(vec_f64 a, vec_f64 b)
{
    return select_f64(a < b, a, b);
}

/*
 * Constants of exp for each type.
 *
 * EXP_LOWEST and EXP_HIGHEST limit the argument. At the lowest one, half of exp is still a normal
 * number. At the highest one, which is above 88 and 709, half of exp overflows to infinity.
 *
 * Adding EXP_ROUND rounds to an integer, and adds the exponent bias less 1 to that.
 * EXP_LN2 and EXP_LN2_REST are ln 2 in two parts. exp_terms are the coefficients of the polynomial
 * from r^2 on, EXP_DIGITS the bits of a mantissa.
 */
#define EXP_LOWEST_f32 -86.0f
#define EXP_LOWEST_f64 -707.0
#define EXP_HIGHEST_f32 89.4f
#define EXP_HIGHEST_f64 710.5
#define EXP_LOG2E_f32 0x1.715476p0f
#define EXP_LOG2E_f64 0x1.71547652b82fep0
#define EXP_ROUND_f32 0x1.8000fcp23f
#define EXP_ROUND_f64 0x1.80000000003fep52
#define EXP_LN2_f32 0x1.62e4p-1f
#define EXP_LN2_f64 0x1.62e42feep-1
#define EXP_LN2_REST_f32 0x1.7f7d1cp-20f
#define EXP_LN2_REST_f64 0x1.a39ef35793c76p-33
enum { EXP_DIGITS_f32 = 23, EXP_DIGITS_f64 = 52, EXP_TERMS_f32 = 5, EXP_TERMS_f64 = 12 };
static const float exp_terms_f32[EXP_TERMS_f32] = {0x1.fffffcp-2f, 0x1.555492p-3f, 0x1.5558e8p-5f,
                                                   0x1.1239dep-7f, 0x1.6a29cap-10f};
static const double exp_terms_f64[EXP_TERMS_f64] = {
    1.0 / 2,     1.0 / 6,      1.0 / 24,      1.0 / 120,      1.0 / 720,       1.0 / 5040,
    1.0 / 40320, 1.0 / 362880, 1.0 / 3628800, 1.0 / 39916800, 1.0 / 479001600, 1.0 / 6227020800};
