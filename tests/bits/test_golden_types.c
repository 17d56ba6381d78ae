/* SPDX-License-Identifier: MIT */
/* The bits of known results of all types, activations and skips, which must be the same on every
 * machine. */
#include "golden.h"
#include "kind.h"
#include "typed.h"

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
    {GN_F32, GN_F32, GN_F32, GN_ACTIVATION_SILU, GN_SKIP_CHANNEL},
    {GN_F32, GN_F32, GN_F32, GN_ACTIVATION_RELU, GN_SKIP_TENSOR},
    {GN_F64, GN_F64, GN_F64, GN_ACTIVATION_IDENTITY, GN_SKIP_TENSOR},
    {GN_F64, GN_F64, GN_F32, GN_ACTIVATION_SILU, GN_SKIP_CHANNEL},
    {GN_BF16, GN_BF16, GN_F32, GN_ACTIVATION_IDENTITY, GN_SKIP_CHANNEL},
    {GN_BF16, GN_BF16, GN_BF16, GN_ACTIVATION_SILU, GN_SKIP_TENSOR},
    {GN_F16, GN_F16, GN_F32, GN_ACTIVATION_IDENTITY, GN_SKIP_TENSOR},
    {GN_F16, GN_F16, GN_F16, GN_ACTIVATION_SILU, GN_SKIP_CHANNEL},
    {GN_BF16, GN_F32, GN_F32, GN_ACTIVATION_RELU, GN_SKIP_TENSOR},
    {GN_F32, GN_F16, GN_F32, GN_ACTIVATION_IDENTITY, GN_SKIP_CHANNEL},
};

enum { SHAPES = sizeof(shapes) / sizeof(shapes[0]), KINDS = sizeof(kinds) / sizeof(kinds[0]) };

/* Shapes whose sums are divided in other ways: over samples, over many tiles, over pieces of
 * groups, from few pixels. The differences seldom show in types with fewer bits than double. */
static const struct {
    struct shape shape;
    gn_skip skip;
} doubles[] = {
    {{2, {600, 128}, 32, GN_CHANNELS_FIRST, DEFAULTS}, GN_SKIP_TENSOR},
    {{3, {400, 64, 40}, 32, GN_CHANNELS_FIRST, DEFAULTS}, GN_SKIP_CHANNEL},
    {{3, {400, 64, 40}, 32, GN_CHANNELS_LAST, DEFAULTS}, GN_SKIP_CHANNEL},
    {{3, {400, 64, 40}, 2, GN_CHANNELS_FIRST, DEFAULTS}, GN_SKIP_CHANNEL},
    {{3, {1, 6000, 5}, 1, GN_CHANNELS_LAST, DEFAULTS}, GN_SKIP_CHANNEL},
    {{3, {1, 9000, 7}, 1, GN_CHANNELS_LAST, DEFAULTS}, GN_SKIP_TENSOR},
    {{3, {1, 9000, 3}, 90, GN_CHANNELS_LAST, DEFAULTS}, GN_SKIP_TENSOR},
    {{3, {2, 48, 4}, 6, GN_CHANNELS_LAST, DEFAULTS}, GN_SKIP_TENSOR},
    {{3, {2, 24, 8}, 12, GN_CHANNELS_LAST, DEFAULTS}, GN_SKIP_TENSOR},
    {{3, {2, 5, 16}, 5, GN_CHANNELS_LAST, DEFAULTS}, GN_SKIP_TENSOR},
    {{3, {1, 2, 100003}, 1, GN_CHANNELS_FIRST, DEFAULTS}, GN_SKIP_CHANNEL},
    {{3, {1, 64, 131072}, 32, GN_CHANNELS_LAST, DEFAULTS}, GN_SKIP_CHANNEL},
};
enum { DOUBLES = sizeof(doubles) / sizeof(doubles[0]) };

/* The arguments of both calls. */
enum argument_name {
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

static struct argument argument_of(const struct shape *shape, const struct kind *kind,
                                   enum argument_name which)
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
    case A_X:
    case A_SUM:
    case A_DX:
    case ARGUMENTS:
        break;
    }
    return (struct argument){kind->x, all, NULL};
}

/* The bits of element i. */
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
    return bits;
}

/* Whether bits are those of a NaN. */
static bool is_nan(gn_type type, uint64_t bits)
{
    static const uint64_t infinities[] = {[GN_F32] = 0x7f800000,
                                          [GN_F64] = 0x7ff0000000000000,
                                          [GN_BF16] = 0x7f80,
                                          [GN_F16] = 0x7c00};
    const uint64_t sign = UINT64_C(1) << (8 * type_size(type) - 1);

    return (bits & ~sign) > infinities[type];
}

static uint64_t hash(const struct argument *a)
{
    uint64_t h = GOLDEN_HASH;

    for (int64_t i = 0; i < a->count; i++) {
        const uint64_t bits = bits_at(a, i);
        h = golden_hash(h, is_nan(a->type, bits) ? 0x7fc0 : bits, type_size(a->type));
    }
    return h;
}

static void put(const struct argument *a, int64_t i, double value)
{
    const uint64_t bits = a->type == GN_F64 ? 0 : type_bits(a->type, value, 0);
    const uint32_t word = (uint32_t)bits;
    const uint16_t half = (uint16_t)bits;
    const size_t size = type_size(a->type);

    memcpy(a->data + (size_t)i * size,
           size == 8   ? (const void *)&value
           : size == 4 ? (const void *)&word
                       : (const void *)&half,
           size);
}

struct golden_case {
    struct shape shape;
    struct kind kind;
};

static struct golden_case case_of(int number)
{
    struct golden_case of;

    if (number < SHAPES * KINDS) {
        of.shape = shapes[number / KINDS];
        of.kind = kinds[number % KINDS];
    } else {
        of.shape = doubles[number - SHAPES * KINDS].shape;
        of.kind = (struct kind){GN_F64, GN_F64, GN_F64, GN_ACTIVATION_IDENTITY,
                                doubles[number - SHAPES * KINDS].skip};
    }
    return of;
}

/* The arguments of one case, the same for all instruction sets. */
static struct argument golden_arguments[ARGUMENTS];

static void free_arguments(void)
{
    for (int which = 0; which < ARGUMENTS; which++) {
        free(golden_arguments[which].data);
        golden_arguments[which].data = NULL;
    }
}

static const struct argument *arguments_of(int number, const struct golden_case *of)
{
    static int made = -1;
    uint64_t random = 6;

    if (number == made)
        return golden_arguments;
    free_arguments();
    made = number;
    for (int which = 0; which < ARGUMENTS; which++) {
        struct argument *a = &golden_arguments[which];
        const double base = which == A_X ? 3 : which == A_GAMMA ? 1 : 0;
        *a = argument_of(&of->shape, &of->kind, (enum argument_name)which);
        a->data = malloc((size_t)a->count * type_size(a->type));
        assert_non_null(a->data);
        for (int64_t i = 0; which < FIRST_RESULT && i < a->count; i++)
            put(a, i, base + (double)random_normal(&random));
    }
    return golden_arguments;
}

static void execute(const struct golden_case *of, gn_isa isa, const struct argument *a)
{
    gn_plan *plan = make_plan_of(&of->shape, &of->kind, isa, 0);

    for (int which = FIRST_RESULT; which < ARGUMENTS; which++)
        memset(a[which].data, 0xa5, (size_t)a[which].count * type_size(a[which].type));
    assert_int_equal(gn_forward_add(plan, a[A_X].data, a[A_SKIP].data, a[A_GAMMA].data,
                                    a[A_BETA].data, a[A_SUM].data, a[A_Y].data, a[A_MEAN].data,
                                    a[A_RSTD].data),
                     GN_OK);
    assert_int_equal(gn_backward_add(plan, a[A_DY].data, a[A_SUM].data, a[A_MEAN].data,
                                     a[A_RSTD].data, a[A_GAMMA].data, a[A_BETA].data, a[A_DX].data,
                                     a[A_DSKIP].data, a[A_DGAMMA].data, a[A_DBETA].data),
                     GN_OK);
    gn_plan_destroy(plan);
}

static void make_line(int number, gn_isa isa, char line[GOLDEN_LINE])
{
    const struct golden_case of = case_of(number);
    const struct kind *kind = &of.kind;
    const bool active = kind->activation != GN_ACTIVATION_IDENTITY;
    char text[160];

    line[0] = '\0';
    if (quick() && shape_elements(&of.shape) > 2000000)
        return;
    const struct argument *a = arguments_of(number, &of);
    execute(&of, isa, a);
    int used = snprintf(line, GOLDEN_LINE, "%s, %s %s %s%s%s%s", shape_text(&of.shape, text),
                        type_name(kind->x), type_name(kind->y), type_name(kind->param),
                        active ? " " : "", active ? activation_name(kind->activation) : "",
                        kind->skip == GN_SKIP_CHANNEL ? " skip by channel" : "");
    for (int which = FIRST_RESULT; which < ARGUMENTS; which++)
        used += snprintf(line + used, GOLDEN_LINE - (size_t)used, "\t%s %016llx", names[which],
                         (unsigned long long)hash(&a[which]));
    snprintf(line + used, GOLDEN_LINE - (size_t)used, "\n");
}

int main(int argc, char **argv)
{
    const int status = golden_main(argc, argv, SHAPES * KINDS + DOUBLES, make_line);

    free_arguments();
    return status;
}
