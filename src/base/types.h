/* SPDX-License-Identifier: MIT */
/* The types that elements of tensors and parameters have in memory, their sizes and conversions. */
#ifndef GN_TYPES_H
#define GN_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "groupnorm.h"

/* The dims of a tensor, N and C among them. */
enum { GN_MAX_RANK = 8 };

struct gn_type_traits {
    const char *name; /* as in gn_plan_describe */
    int64_t size;     /* bytes per element */
    bool is_short;    /* 16 bits: computed in float */
};

static const struct gn_type_traits gn_types[] = {
    [GN_F32] = {"f32", 4, false},
    [GN_F64] = {"f64", 8, false},
    [GN_BF16] = {"bf16", 2, true},
    [GN_F16] = {"f16", 2, true},
};

static inline int64_t gn_size(gn_type type)
{
    return gn_types[type].size;
}

static inline bool gn_is_short(gn_type type)
{
    return gn_types[type].is_short;
}

/* The address of element i of an array; NULL for a NULL array. */
static inline const void *gn_at(const void *p, gn_type type, int64_t i)
{
    return p ? (const char *)p + i * gn_size(type) : NULL;
}

static inline void *gn_out_at(void *p, gn_type type, int64_t i)
{
    return p ? (char *)p + i * gn_size(type) : NULL;
}

static inline float gn_float_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint32_t gn_bits_of_float(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* Exact. */
static inline float gn_from_bf16(uint16_t bits)
{
    return gn_float_of_bits((uint32_t)bits << 16);
}

/* Rounds to nearest even. A NaN stays a NaN: it gets the quiet bit, and no rounding. */
static inline uint16_t gn_to_bf16(float value)
{
    uint32_t bits = gn_bits_of_float(value);
    if (value != value)
        return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/*
 * binary16 values by the bits of a float. The exponent biases differ by 127 - 15 = 112. Subnormals
 * of binary16 are multiples of 2^-24.
 */
#define GN_F16_REBIAS (UINT32_C(112) << 23)
#define GN_F16_TOP (UINT32_C(143) << 23)   /* 2^16: from here on, infinity */
#define GN_F16_LEAST (UINT32_C(113) << 23) /* 2^-14: the smallest normal number */

/* Exact. */
static inline float gn_from_f16(uint16_t bits)
{
    uint32_t size = (uint32_t)(bits & 0x7fff) << 13, sign = (uint32_t)(bits & 0x8000) << 16;
    float value = gn_float_of_bits(size + GN_F16_REBIAS);
    if (size >= UINT32_C(0x7c00) << 13)
        value = gn_float_of_bits(size + 2 * GN_F16_REBIAS);
    else if (size < UINT32_C(0x400) << 13)
        value = (float)(bits & 0x7fff) * 0x1p-24f;
    return gn_float_of_bits(gn_bits_of_float(value) | sign);
}

/* Rounds to nearest even. */
static inline uint16_t gn_to_f16(float value)
{
    uint32_t bits = gn_bits_of_float(value), size = bits & 0x7fffffff, sign = bits >> 16 & 0x8000;
    if (value != value)
        return (uint16_t)(sign | 0x7e00);
    if (size >= GN_F16_TOP)
        return (uint16_t)(sign | 0x7c00);
    if (size < GN_F16_LEAST) /* in [1/2, 1) the last bit of a float is 2^-24: the addition rounds */
        return (uint16_t)(sign | (gn_bits_of_float(gn_float_of_bits(size) + 0.5f) & 0x7ff));
    return (uint16_t)(sign | ((size - GN_F16_REBIAS + 0xfff + (size >> 13 & 1)) >> 13));
}

/* Element i as a float. The type is not GN_F64. */
static inline float gn_float_at(const void *p, gn_type type, int64_t i)
{
    switch (type) {
    case GN_F32:
        return ((const float *)p)[i];
    case GN_BF16:
        return gn_from_bf16(((const uint16_t *)p)[i]);
    case GN_F16:
        return gn_from_f16(((const uint16_t *)p)[i]);
    case GN_F64:
        break;
    }
    __builtin_unreachable();
}

static inline double gn_double_at(const void *p, gn_type type, int64_t i)
{
    return type == GN_F64 ? ((const double *)p)[i] : (double)gn_float_at(p, type, i);
}

/* Stores the value as element i, rounded to nearest even. The type is not GN_F64. */
static inline void gn_put_float(void *p, gn_type type, int64_t i, float value)
{
    switch (type) {
    case GN_F32:
        ((float *)p)[i] = value;
        return;
    case GN_BF16:
        ((uint16_t *)p)[i] = gn_to_bf16(value);
        return;
    case GN_F16:
        ((uint16_t *)p)[i] = gn_to_f16(value);
        return;
    case GN_F64:
        break;
    }
    __builtin_unreachable();
}

static inline void gn_put_double(void *p, gn_type type, int64_t i, double value)
{
    if (type == GN_F64)
        ((double *)p)[i] = value;
    else
        gn_put_float(p, type, i, (float)value);
}

/* Stores n values as elements i to i + n - 1 of p. Does nothing if p is NULL. */
static inline void gn_put_doubles(void *p, gn_type type, int64_t i, int64_t n, const double *values)
{
    if (!p)
        return;
    if (type == GN_F32)
        for (int64_t k = 0; k < n; k++)
            ((float *)p)[i + k] = (float)values[k];
    else
        for (int64_t k = 0; k < n; k++)
            gn_put_double(p, type, i + k, values[k]);
}

#endif
