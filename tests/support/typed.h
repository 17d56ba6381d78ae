/* SPDX-License-Identifier: MIT */
/* Numbers in the library's types, converted in long double by frexp and ldexp. */
#ifndef TYPED_H
#define TYPED_H

#include <groupnorm.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

size_t type_size(gn_type type);
const char *type_name(gn_type type);
/* The number of bits of the significand, including the hidden one. */
int type_digits(gn_type type);
long double type_largest(gn_type type);
/* The smallest normal number, and the smallest positive number. */
long double type_normal(gn_type type);
long double type_subnormal(gn_type type);

long double type_value(gn_type type, uint64_t bits);
/* value + rest rounded to nearest even. rest is the part that rounding the sum to value removed. */
uint64_t type_bits(gn_type type, long double value, long double rest);
long double type_rounded(gn_type type, long double value, long double rest);

/* Element i of an array. The compiler converts C's own types exactly, and faster than
 * type_value. */
static inline long double type_load(gn_type type, const void *array, int64_t i)
{
    float f32;
    double f64;
    uint16_t half;

    switch (type) {
    case GN_F32:
        memcpy(&f32, (const char *)array + i * 4, 4);
        return f32;
    case GN_F64:
        memcpy(&f64, (const char *)array + i * 8, 8);
        return f64;
    case GN_BF16:
    case GN_F16:
        break;
    }
    memcpy(&half, (const char *)array + i * 2, 2);
    return type_value(type, half);
}

/* Whether a number is neither infinite nor NaN, and whether it is infinite. The macros of math.h
 * compare with LDBL_MAX, which valgrind takes for an infinity. */
bool is_finite(long double value);
bool is_infinite(long double value);

/* Whether long double is in fact more accurate than double. It is not if it is the same type as
 * double, nor under valgrind. */
bool wide_long_double(void);

#endif /* TYPED_H */
