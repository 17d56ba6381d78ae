/* SPDX-License-Identifier: MIT */
/*
 * The bits of known results of all types, activations and skips, on every machine, as test_hashes.c
 * has those of plain floats: `test_kinds FILE` compares, `test_kinds FILE write` makes it anew.
 */
#include "kind.h"
#include "typed.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *path;
static bool writing;

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

/* FNV-1a over the bytes of each number from the lowest. */
static uint64_t hash(const struct argument *a)
{
    uint64_t h = 0xcbf29ce484222325u;

    for (int64_t i = 0; i < a->count; i++) {
        const uint64_t bits = bits_at(a, i);
        for (size_t byte = 0; byte < type_size(a->type); byte++) {
            h ^= bits >> (8 * byte) & 0xff;
            h *= 0x100000001b3u;
        }
    }
    return h;
}

static void make_line(const struct shape *shape, const struct kind *kind, gn_isa isa,
                      char line[600])
{
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
    int used = snprintf(line, 600, "%s, %s %s %s%s%s", shape_text(shape, text), type_name(kind->x),
                        type_name(kind->y), type_name(kind->param), acts[kind->activation],
                        kind->skip == GN_SKIP_CHANNEL ? " skip by channel" : "");
    for (int which = FIRST_RESULT; which < ARGUMENTS; which++)
        used += snprintf(line + used, 600 - (size_t)used, "\t%s %016llx", names[which],
                         (unsigned long long)hash(&a[which]));
    snprintf(line + used, 600 - (size_t)used, "\n");
    for (int which = 0; which < ARGUMENTS; which++)
        free(a[which].data);
    gn_plan_destroy(plan);
}

static int compare_line(FILE *file, const struct shape *shape, const struct kind *kind)
{
    char kept[600] = "", line[600];
    gn_isa isas[8];
    const int count = available_isas(isas);
    int wrong = 0;

    if (!fgets(kept, sizeof(kept), file))
        kept[0] = '\0';
    for (int i = 0; i < count; i++) {
        make_line(shape, kind, isas[i], line);
        if (strcmp(line, kept) == 0)
            continue;
        print_error("%s\nkept   %sfound  %s", isa_name(isas[i]), kept, line);
        wrong++;
    }
    return wrong;
}

static void test_kinds(void **state)
{
    FILE *file = fopen(path, writing ? "w" : "r");
    int wrong = 0;
    (void)state;

    assert_non_null(file);
    for (size_t s = 0; s < sizeof(shapes) / sizeof(shapes[0]); s++) {
        for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
            char line[600];
            if (writing) {
                make_line(&shapes[s], &kinds[k], GN_ISA_GENERIC, line);
                fputs(line, file);
            } else {
                wrong += compare_line(file, &shapes[s], &kinds[k]);
            }
        }
    }
    assert_true(writing || getc(file) == EOF);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(wrong, 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_kinds)};

    if (argc < 2) {
        fprintf(stderr, "usage: %s FILE [write]\n", argv[0]);
        return 2;
    }
    path = argv[1];
    writing = argc > 2 && strcmp(argv[2], "write") == 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
