/* SPDX-License-Identifier: MIT */
/* Tensors beyond the last-level cache, whose outputs are written by nontemporal stores: the bits
 * must be the same, and nothing outside of the output may be written, wherever it begins. */
#include "check.h"
#include "kind.h"
#include "typed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The number of elements of a tensor beyond the cache size that main sets. */
static int64_t beyond_cache(void)
{
    return quick() ? 8192 : 1 << 19;
}

/* In channels first, the last of every `every` groups is too large for float's sums. 0: none is. */
static int check_shape(const struct shape shape, int64_t every)
{
    const struct check check = {.shape = shape,
                                .bound = every ? ORACLE_ALWAYS : ORACLE_INDEPENDENT,
                                .label = "beyond the cache"};
    const int64_t elements = shape_elements(&shape), size = elements / shape.dims[0] / shape.groups;
    float *tensors[TENSORS];
    gn_isa isas[ISAS];
    const int count = available_isas(isas);
    int wrong = 0;

    tensors_create(&shape, tensors);
    tensors_fill(&shape, 9, tensors);
    for (int64_t i = 0; every && i < elements; i++)
        tensors[X][i] *= i / size % every == every - 1 ? 1e31f : 1;
    wrong += check_against_oracle(&check, tensors);
    for (int i = 0; i < count; i++) {
        for (int place = 0; place < PLACES; place++) {
            const struct variant variant = {isas[i], 2, (enum place)place};
            wrong += check_variant(&check, tensors, &variant);
        }
    }
    tensors_destroy(tensors);
    return wrong;
}

static int check_layout(gn_layout layout, int64_t channels, int64_t odd)
{
    const int64_t spatial = beyond_cache() / channels + odd;

    return check_shape((struct shape){3, {1, channels, spatial}, 8, layout, DEFAULTS}, 0);
}

static void test_rows(void **state)
{
    (void)state;
    assert_int_equal(check_layout(GN_CHANNELS_FIRST, 8, 5), 0);
}

/* Rows shorter than a vector, up to longer than the rows that passes with nontemporal stores join.
 * The shortest also have groups in f64. */
static void test_short_rows(void **state)
{
    static const int64_t lengths[] = {9, 10, 13, 49, 16, 49, 257, 511, 512};
    int wrong = 0;
    (void)state;

    for (int i = 0; i < 9; i++) {
        const int64_t elements = beyond_cache();
        /* The last row of 9 elements begins 3 elements after the start of a cache line. */
        const int64_t n = elements / (6 * lengths[i]) / 8 * 8 + 2;
        const struct shape shape = {3, {n, 6, lengths[i]}, 3, GN_CHANNELS_FIRST, DEFAULTS};
        wrong += check_shape(shape, i < 4 ? 1 + i % 3 : 0);
    }
    assert_int_equal(wrong, 0);
}

static void test_columns(void **state)
{
    (void)state;
    /* Wider than the panels of any instruction set, so that the next pixels are prefetched. */
    assert_int_equal(check_layout(GN_CHANNELS_LAST, 136, 0), 0);
}

/* Numbers of roughly equal size and either sign. */
static void fill(gn_type type, int64_t n, void *out, uint64_t *random)
{
    uint16_t *shorts = out;

    for (int64_t i = 0; i < n; i++) {
        const uint64_t bits = random_next(random);
        if (type == GN_F32)
            ((float *)out)[i] = (float)(int32_t)bits * 0x1p-31f;
        else
            shorts[i] =
                (uint16_t)(type == GN_BF16 ? (bits & 0x80ff) | 0x3f00 : (bits & 0x83ff) | 0x3800);
    }
}

/* A tensor, and the memory before and after it that may not be written. */
struct framed {
    unsigned char *memory, *data;
    size_t bytes;
};

enum { FRAME = 128, UNTOUCHED = 0xa5 };

static struct framed framed(int64_t elements, gn_type type)
{
    struct framed t = {.bytes = (size_t)elements * type_size(type)};

    t.memory = malloc(t.bytes + 2 * FRAME);
    assert_non_null(t.memory);
    memset(t.memory, UNTOUCHED, t.bytes + 2 * FRAME);
    /* One element after an address that malloc aligns. */
    t.data = t.memory + FRAME + type_size(type);
    return t;
}

static void framed_free(struct framed *t)
{
    for (unsigned char *p = t->memory; p < t->data; p++)
        assert_int_equal(*p, UNTOUCHED);
    for (unsigned char *p = t->data + t->bytes; p < t->memory + t->bytes + 2 * FRAME; p++)
        assert_int_equal(*p, UNTOUCHED);
    free(t->memory);
}

/* Compares one call for all samples, with nontemporal stores, with one call per sample. */
static void check_samples(struct shape shape, const struct kind *kind)
{
    const int64_t n = shape.dims[0], elements = shape_elements(&shape), each = elements / n;
    struct framed x = framed(elements, kind->x), dy = framed(elements, kind->y);
    struct framed y = framed(elements, kind->y), dx = framed(elements, kind->x);
    struct framed one_y = framed(each, kind->y), one_dx = framed(each, kind->x);
    float *mean = malloc((size_t)(n * shape.groups) * sizeof(*mean));
    float *rstd = malloc((size_t)(n * shape.groups) * sizeof(*rstd));
    uint64_t random = 21;

    assert_true(mean && rstd);
    fill(kind->x, elements, x.data, &random);
    fill(kind->y, elements, dy.data, &random);
    gn_plan *all = make_plan_of(&shape, kind, GN_ISA_AUTO, 2);
    assert_int_equal(gn_forward(all, x.data, NULL, NULL, y.data, mean, rstd), GN_OK);
    assert_int_equal(gn_backward(all, dy.data, x.data, mean, rstd, NULL, NULL, dx.data, NULL, NULL),
                     GN_OK);
    gn_plan_destroy(all);

    shape.dims[0] = 1;
    gn_plan *one = make_plan_of(&shape, kind, GN_ISA_AUTO, 1);
    for (int64_t i = 0; i < n; i++) {
        const unsigned char *own_x = x.data + (size_t)i * one_dx.bytes;
        const unsigned char *own_dy = dy.data + (size_t)i * one_y.bytes;
        assert_int_equal(gn_forward(one, own_x, NULL, NULL, one_y.data, NULL, NULL), GN_OK);
        assert_memory_equal(one_y.data, y.data + (size_t)i * one_y.bytes, one_y.bytes);
        assert_int_equal(gn_backward(one, own_dy, own_x, mean + i * shape.groups,
                                     rstd + i * shape.groups, NULL, NULL, one_dx.data, NULL, NULL),
                         GN_OK);
        assert_memory_equal(one_dx.data, dx.data + (size_t)i * one_dx.bytes, one_dx.bytes);
    }
    gn_plan_destroy(one);
    framed_free(&x);
    framed_free(&dy);
    framed_free(&y);
    framed_free(&dx);
    framed_free(&one_y);
    framed_free(&one_dx);
    free(mean);
    free(rstd);
}

static void test_kinds(void **state)
{
    static const struct kind kinds[] = {
        {.x = GN_BF16, .y = GN_BF16},
        {.x = GN_F16, .y = GN_F16},
        {.x = GN_F16, .y = GN_F32, .activation = GN_ACTIVATION_RELU},
        {.x = GN_F32, .y = GN_F32, .activation = GN_ACTIVATION_SILU}};
    /* Rows that are joined, longer rows, pixels of whole cache lines and of parts of them. */
    const int64_t each[][2] = {{6, 49}, {4, 1001}, {64, 16}, {24, 50}};
    (void)state;

    for (int i = 0; i < 4; i++)
        for (int k = 0; k < 4; k++) {
            const int64_t n = beyond_cache() / each[i][0] / each[i][1] + 1;
            const struct shape shape = {3,
                                        {n, each[i][0], each[i][1]},
                                        2,
                                        i < 2 ? GN_CHANNELS_FIRST : GN_CHANNELS_LAST,
                                        DEFAULTS};
            check_samples(shape, &kinds[k]);
        }
}

/*
 * A sum that the caller does not want is computed in y, which is then also an input of the last
 * pass: its stores, and the order in which it reads and writes, are others than with a sum. The
 * bits of y must be the same.
 */
static void test_sum_in_y(void **state)
{
    static const struct kind kind = {.activation = GN_ACTIVATION_IDENTITY, .skip = GN_SKIP_TENSOR};
    static const int64_t lengths[] = {49, 1001, 9001};
    (void)state;

    for (int i = 0; i < 3; i++) {
        const struct shape shape = {3, {2, 8, lengths[i]}, 4, GN_CHANNELS_FIRST, DEFAULTS};
        const int64_t elements = shape_elements(&shape);
        struct framed x = framed(elements, GN_F32), skip = framed(elements, GN_F32);
        struct framed sum = framed(elements, GN_F32), y = framed(elements, GN_F32);
        struct framed alone = framed(elements, GN_F32);
        gn_plan *plan = make_plan_of(&shape, &kind, GN_ISA_AUTO, 2);
        uint64_t random = 22;

        fill(GN_F32, elements, x.data, &random);
        fill(GN_F32, elements, skip.data, &random);
        assert_int_equal(
            gn_forward_add(plan, x.data, skip.data, NULL, NULL, sum.data, y.data, NULL, NULL),
            GN_OK);
        assert_int_equal(
            gn_forward_add(plan, x.data, skip.data, NULL, NULL, NULL, alone.data, NULL, NULL),
            GN_OK);
        assert_memory_equal(alone.data, y.data, y.bytes);
        gn_plan_destroy(plan);
        framed_free(&x), framed_free(&skip), framed_free(&sum), framed_free(&y);
        framed_free(&alone);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows),
                                       cmocka_unit_test(test_short_rows),
                                       cmocka_unit_test(test_columns), cmocka_unit_test(test_kinds),
                                       cmocka_unit_test(test_sum_in_y)};

    setenv("GN_CACHE", "10000", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
