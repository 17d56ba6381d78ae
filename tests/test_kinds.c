/* SPDX-License-Identifier: MIT */
/* The bits of known results of all types, activations and skips, on every machine. */
#include "kept.h"
#include "kind.h"
#include "typed.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct shape shapes[] = {
    {2, {9, 128}, 32, GN_CHANNELS_FIRST, DEFAULTS},
    {4, {2, 48, 15, 17}, 6, GN_CHANNELS_FIRST, DEFAULTS},
    {4, {2, 48, 15, 17}, 6, GN_CHANNELS_LAST, DEFAULT_EPS, GN_AFFINE_SAMPLE},
    {3, {1, 3, 8209}, 1, GN_CHANNELS_FIRST, DEFAULTS},
    {3, {1, 3, 8209}, 1, GN_CHANNELS_LAST, DEFAULTS},
    {3, {1, 1, 40003}, 1, GN_CHANNELS_FIRST, DEFAULTS},
};

static const struct kind kinds[] = {
    {GN_F32, GN_F32, GN_F32, GN_SILU, GN_SKIP_CHANNEL},
    {GN_F32, GN_F32, GN_F32, GN_RELU, GN_SKIP_TENSOR},
    {GN_F64, GN_F64, GN_F64, GN_IDENTITY, GN_SKIP_TENSOR},
    {GN_F64, GN_F64, GN_F32, GN_SILU, GN_SKIP_CHANNEL},
    {GN_BF16, GN_BF16, GN_F32, GN_IDENTITY, GN_SKIP_CHANNEL},
    {GN_BF16, GN_BF16, GN_BF16, GN_SILU, GN_SKIP_TENSOR},
    {GN_F16, GN_F16, GN_F32, GN_IDENTITY, GN_SKIP_TENSOR},
    {GN_F16, GN_F16, GN_F16, GN_SILU, GN_SKIP_CHANNEL},
    {GN_BF16, GN_F32, GN_F32, GN_RELU, GN_SKIP_TENSOR},
    {GN_F32, GN_F16, GN_F32, GN_IDENTITY, GN_SKIP_CHANNEL},
};

enum { SHAPES = sizeof(shapes) / sizeof(shapes[0]), KINDS = sizeof(kinds) / sizeof(kinds[0]) };

/* The arguments of both calls. */
enum {
    A_X,
    A_SKIP,
    A_GAMMA,
    A_BETA,
    A_DY,
    A_SUM,
    A_Y,
    A_MEAN,
    A_RSTD,
    A_DX,
    A_DSKIP,
    A_DGAMMA,
    A_DBETA,
    ARGUMENTS
};
enum { FIRST_RESULT = A_SUM };
static const char *const names[ARGUMENTS] = {"x",     "skip",   "gamma", "beta", "dy",
                                             "sum",   "y",      "mean",  "rstd", "dx",
                                             "dskip", "dgamma", "dbeta"};

struct argument {
    gn_type type;
    int64_t count;
    unsigned char *data;
};

static struct argument argument_of(const struct shape *shape, const struct kind *kind, int which)
{
    const int64_t all = shape_elements(shape), channels = shape->dims[0] * shape->dims[1];

    switch (which) {
    case A_Y:
    case A_DY:
        return (struct argument){kind->y, all, NULL};
    case A_SKIP:
        return (struct argument){kind->x, kind->skip == GN_SKIP_CHANNEL ? channels : all, NULL};
    case A_DSKIP:
        return (struct argument){kind->x, channels, NULL};
    case A_GAMMA:
    case A_BETA:
    case A_DGAMMA:
    case A_DBETA:
        return (struct argument){kind->param, tensor_count(shape, GAMMA), NULL};
    case A_MEAN:
    case A_RSTD:
        return (struct argument){kind->x == GN_F64 ? GN_F64 : GN_F32, tensor_count(shape, MEAN),
                                 NULL};
    default:
        return (struct argument){kind->x, all, NULL};
    }
}

/* The bits of element i, all NaN being one. */
static uint64_t bits_at(const struct argument *a, int64_t i)
{
    const unsigned char *p = a->data + (size_t)i * type_size(a->type);
    uint64_t bits = 0;
    uint32_t word;
    uint16_t half;

    if (a->type == GN_F64) {
        memcpy(&bits, p, sizeof(bits));
    } else if (a->type == GN_F32) {
        memcpy(&word, p, sizeof(word));
        bits = word;
    } else {
        memcpy(&half, p, sizeof(half));
        bits = half;
    }
    return isnan(type_value(a->type, bits)) ? 0x7fc0 : bits;
}

static void put(const struct argument *a, int64_t i, long double value)
{
    const uint64_t bits = type_bits(a->type, value, 0);
    const uint32_t word = (uint32_t)bits;
    const uint16_t half = (uint16_t)bits;
    const size_t size = type_size(a->type);

    memcpy(a->data + (size_t)i * size,
           size == 8   ? (const void *)&bits
           : size == 4 ? (const void *)&word
                       : (const void *)&half,
           size);
}

static uint64_t hash(const struct argument *a)
{
    uint64_t h = KEPT_HASH;

    for (int64_t i = 0; i < a->count; i++)
        h = kept_hash(h, bits_at(a, i), type_size(a->type));
    return h;
}

static void make_line(int number, gn_isa isa, char line[KEPT_LINE])
{
    const struct shape *shape = &shapes[number / KINDS];
    const struct kind *kind = &kinds[number % KINDS];
    static const char *const acts[] = {"", " relu", " silu"};
    struct argument a[ARGUMENTS];
    char text[160];
    uint64_t random = 6;
    gn_plan *plan = make_plan_of(shape, kind, isa, 0);

    for (int which = 0; which < ARGUMENTS; which++) {
        a[which] = argument_of(shape, kind, which);
        a[which].data = malloc((size_t)a[which].count * type_size(a[which].type));
        assert_non_null(a[which].data);
        for (int64_t i = 0; which < FIRST_RESULT && i < a[which].count; i++)
            put(&a[which], i,
                (which == A_X       ? 3.0L
                 : which == A_GAMMA ? 1.0L
                                    : 0.0L) +
                    (long double)random_normal(&random));
    }
    assert_int_equal(gn_forward_add(plan, a[A_X].data, a[A_SKIP].data, a[A_GAMMA].data,
                                    a[A_BETA].data, a[A_SUM].data, a[A_Y].data, a[A_MEAN].data,
                                    a[A_RSTD].data),
                     GN_OK);
    assert_int_equal(gn_backward_add(plan, a[A_DY].data, a[A_SUM].data, a[A_MEAN].data,
                                     a[A_RSTD].data, a[A_GAMMA].data, a[A_BETA].data, a[A_DX].data,
                                     a[A_DSKIP].data, a[A_DGAMMA].data, a[A_DBETA].data),
                     GN_OK);
    int used =
        snprintf(line, KEPT_LINE, "%s, %s %s %s%s%s", shape_text(shape, text), type_name(kind->x),
                 type_name(kind->y), type_name(kind->param), acts[kind->activation],
                 kind->skip == GN_SKIP_CHANNEL ? " skip by channel" : "");
    for (int which = FIRST_RESULT; which < ARGUMENTS; which++)
        used += snprintf(line + used, KEPT_LINE - (size_t)used, "\t%s %016llx", names[which],
                         (unsigned long long)hash(&a[which]));
    snprintf(line + used, KEPT_LINE - (size_t)used, "\n");
    for (int which = 0; which < ARGUMENTS; which++)
        free(a[which].data);
    gn_plan_destroy(plan);
}

int main(int argc, char **argv)
{
    return kept_main(argc, argv, SHAPES * KINDS, make_line);
}
