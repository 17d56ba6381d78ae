/* SPDX-License-Identifier: MIT */
#include "typed.h"

#include <float.h>
#include <math.h>

static const struct format {
    const char *name;
    size_t size;
    int digits;   /* of the significand, including the hidden one */
    int exponent; /* bits */
} formats[] = {[GN_F32] = {"f32", 4, 24, 8},
               [GN_F64] = {"f64", 8, 53, 11},
               [GN_BF16] = {"bf16", 2, 8, 8},
               [GN_F16] = {"f16", 2, 11, 5}};

size_t type_size(gn_type type)
{
    return formats[type].size;
}

const char *type_name(gn_type type)
{
    return formats[type].name;
}

int type_digits(gn_type type)
{
    return formats[type].digits;
}

/* The largest exponent of a power of two. */
static int top_of(const struct format *format)
{
    return (1 << (format->exponent - 1)) - 1;
}

/* The exponent of the smallest subnormal. */
static int bottom_of(const struct format *format)
{
    return 1 - top_of(format) - (format->digits - 1);
}

static uint64_t infinity_of(const struct format *format)
{
    return (((uint64_t)1 << format->exponent) - 1) << (format->digits - 1);
}

long double type_largest(gn_type type)
{
    return type_value(type, infinity_of(&formats[type]) - 1);
}

long double type_normal(gn_type type)
{
    return ldexpl(1, 1 - top_of(&formats[type]));
}

long double type_subnormal(gn_type type)
{
    return ldexpl(1, bottom_of(&formats[type]));
}

long double type_value(gn_type type, uint64_t bits)
{
    const struct format *f = &formats[type];
    const uint64_t hidden = (uint64_t)1 << (f->digits - 1);
    const uint64_t fraction = bits & (hidden - 1);
    const int exponent = (int)(bits >> (f->digits - 1) & (((uint64_t)1 << f->exponent) - 1));
    long double size;

    if (exponent == (1 << f->exponent) - 1)
        size = fraction ? NAN : INFINITY;
    else if (exponent == 0)
        size = ldexpl((long double)fraction, bottom_of(f));
    else
        size = ldexpl((long double)(fraction + hidden), bottom_of(f) + exponent - 1);
    return bits >> (8 * f->size - 1) & 1 ? -size : size;
}

uint64_t type_bits(gn_type type, long double value, long double rest)
{
    const struct format *f = &formats[type];
    const uint64_t sign = signbit(value) ? (uint64_t)1 << (8 * f->size - 1) : 0;
    const long double size = fabsl(value);
    int exponent;

    if (isnan(value))
        return infinity_of(f) | (uint64_t)1 << (f->digits - 2);
    if (size == 0)
        return sign;
    frexpl(size, &exponent);
    if (is_infinite(value) || exponent > top_of(f) + 1)
        return sign | infinity_of(f);
    if (signbit(value))
        rest = -rest;

    /* Counts in units of the last place that a number of this magnitude has in the type. */
    const int least = exponent - f->digits, last = least > bottom_of(f) ? least : bottom_of(f);
    const long double scaled = ldexpl(size, -last), whole = floorl(scaled);
    const long double over = scaled - whole - 0.5L;
    uint64_t units = (uint64_t)whole;
    if (over > 0 || (over == 0 && (rest > 0 || (rest == 0 && units & 1))))
        units++;

    /* If the units reach the next power of two, they carry into the exponent, which is correct. */
    units += (uint64_t)(last - bottom_of(f)) << (f->digits - 1);
    return sign | (units < infinity_of(f) ? units : infinity_of(f));
}

long double type_rounded(gn_type type, long double value, long double rest)
{
    return type_value(type, type_bits(type, value, rest));
}

bool is_finite(long double value)
{
    return value - value == 0;
}

bool is_infinite(long double value)
{
    return !is_finite(value) && !isnan(value);
}

bool wide_long_double(void)
{
    static const int wanted = LDBL_MANT_DIG > DBL_MANT_DIG ? LDBL_MANT_DIG : DBL_MANT_DIG + 1;
    volatile long double little = ldexpl(1, 1 - wanted), sum = 1 + little;

    return sum != 1;
}
