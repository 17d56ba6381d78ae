/* SPDX-License-Identifier: MIT */
/* The smallest tensors: without elements and with one element. Also what gn_plan_describe prints
 * about a plan. */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Tensors without elements are NULL. dgamma and dbeta become 0, mean and rstd NaN. */
static void check_empty(const struct shape *shape)
{
    float *tensors[TENSORS], *call[TENSORS];

    tensors_create(shape, tensors);
    for (int t = 0; t < TENSORS; t++) {
        const int64_t count = tensor_count(shape, (enum tensor)t);

        call[t] = count ? tensors[t] : NULL;
        for (int64_t i = 0; i < count; i++)
            tensors[t][i] = 7;
    }
    gn_plan *plan = make_plan(shape, GN_ISA_AUTO, 2);
    assert_int_equal(call_forward(plan, call), GN_OK);
    for (int64_t i = 0; i < tensor_count(shape, MEAN); i++)
        assert_true(isnan(tensors[MEAN][i]) && isnan(tensors[RSTD][i]));
    assert_int_equal(call_backward(plan, call), GN_OK);
    for (int64_t c = 0; c < shape->dims[1]; c++)
        assert_true(tensors[DGAMMA][c] == 0 && tensors[DBETA][c] == 0);

    /* Calls with pointers that are not needed, and with no pointers at all. */
    assert_int_equal(call_forward(plan, tensors), GN_OK);
    assert_int_equal(call_backward(plan, tensors), GN_OK);
    call[DGAMMA] = call[DBETA] = NULL;
    assert_int_equal(call_backward(plan, call), GN_OK);
    gn_plan_destroy(plan);
    tensors_destroy(tensors);
}

static void test_empty(void **state)
{
    static const struct {
        int rank;
        int64_t dims[8];
        int64_t groups;
    } cases[] = {
        {2, {0, 8}, 4},          {3, {0, 8, 5}, 2},    {3, {3, 8, 0}, 4},
        {4, {2, 6, 0, 9}, 1},    {4, {2, 6, 9, 0}, 6}, {5, {0, 1, 0, 0, 0}, 1},
        {3, {3, 1, 0}, 1},       {3, {1, 32, 0}, 32},  {3, {0, 32, INT64_C(1) << 50}, 32},
        {3, {4, 1 << 20, 0}, 1},
    };
    (void)state;

    for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
        struct shape shape = {
            cases[i / 2].rank, {0}, cases[i / 2].groups, (gn_layout)(i % 2), DEFAULTS};

        memcpy(shape.dims, cases[i / 2].dims, sizeof(shape.dims));
        check_empty(&shape);
    }
}

/* A group of one element has no variance, so y is beta. */
static void test_single_elements(void **state)
{
    static const struct {
        int rank;
        int64_t dims[8];
        int64_t groups;
    } cases[] = {{2, {1, 1}, 1},
                 {2, {5, 1}, 1},
                 {2, {3, 37}, 37},
                 {8, {1, 1, 1, 1, 1, 1, 1, 1}, 1},
                 {4, {2048, 384, 1, 1}, 384}};
    int wrong = 0;
    (void)state;

    for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
        struct shape shape = {
            cases[i / 2].rank, {0}, cases[i / 2].groups, (gn_layout)(i % 2), DEFAULTS};
        float *tensors[TENSORS];

        if (quick() && i >= 8)
            break;
        memcpy(shape.dims, cases[i / 2].dims, sizeof(shape.dims));
        const struct check check = {
            .shape = shape, .bound = ORACLE_INDEPENDENT, .label = "single elements"};
        tensors_create(&shape, tensors);
        tensors_fill(&shape, i, tensors);
        wrong += check_all(&check, tensors);
        for (int64_t k = 0; k < shape_elements(&shape); k++)
            wrong += tensors[Y][k] != tensors[BETA][k % shape.dims[1]];
        tensors_destroy(tensors);
    }
    assert_int_equal(wrong, 0);
}

/* Finds "key" and returns the position of its value. The calling test fails if there is none. */
static const char *value_of(const char *json, const char *key)
{
    char quoted[32];

    snprintf(quoted, sizeof(quoted), "\"%s\"", key);
    const char *at = strstr(json, quoted);
    assert_non_null(at);
    at += strlen(quoted);
    at += strspn(at, " ");
    assert_int_equal(*at, ':');
    at++;
    return at + strspn(at, " ");
}

static void check_description(const struct shape *shape, const char *text)
{
    char *at;

    assert_int_equal(text[0], '{');
    assert_int_equal(text[strlen(text) - 1], '}');
    assert_null(strchr(text, '\n'));
    assert_memory_equal(value_of(text, "version"), "\"0.1.0\"", 7);
    assert_int_equal(strtoll(value_of(text, "groups"), NULL, 10), shape->groups);
    assert_int_equal(*value_of(text, "layout"), '"');
    assert_int_equal(*value_of(text, "isa"), '"');
    assert_int_equal(value_of(text, "affine")[1], shape->affine == GN_AFFINE_SAMPLE ? 's' : 'c');
    /* Without elements no scratch memory is needed. */
    for (int i = 0; i < 2 && shape_elements(shape) == 0; i++)
        assert_int_equal(
            strtoll(value_of(text, i ? "forward_scratch" : "backward_scratch"), NULL, 10), 0);
    at = (char *)(uintptr_t)value_of(text, "dims");
    assert_int_equal(*at, '[');
    for (int i = 0; i < shape->rank; i++) {
        assert_int_equal(strtoll(at + 1, &at, 10), shape->dims[i]);
        at += strspn(at, " ");
        assert_int_equal(*at, i + 1 < shape->rank ? ',' : ']');
    }
}

static void test_describe(void **state)
{
    static const struct shape shapes[] = {
        {4, {2, 48, 63, 65}, 6, GN_CHANNELS_LAST, DEFAULTS},
        {4, {1, 128, 16128, 1200}, 32, GN_CHANNELS_FIRST, DEFAULTS},
        {8, {1, 32, 1, 2, 3, 4, 5, INT64_C(1) << 36}, 32, GN_CHANNELS_FIRST, 0, GN_AFFINE_CHANNEL},
        {3, {0, 32, INT64_C(1) << 50}, 1, GN_CHANNELS_LAST, 1e300, GN_AFFINE_SAMPLE},
        {2, {0, INT64_C(1) << 60}, 32, GN_CHANNELS_FIRST, DEFAULTS},
        {3, {0, INT64_C(1) << 30, INT64_C(1) << 30}, 1, GN_CHANNELS_FIRST, DEFAULTS},
        {3, {0, INT64_C(1) << 60, 1}, 32, GN_CHANNELS_LAST, DEFAULT_EPS, GN_AFFINE_SAMPLE},
        {3, {1, INT64_C(1) << 60, 0}, 1, GN_CHANNELS_LAST, DEFAULTS},
    };
    (void)state;

    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        gn_plan *plan = make_plan(&shapes[i], GN_ISA_GENERIC, 1);
        const int length = gn_plan_describe(plan, NULL, 0);

        assert_in_range(length, 20, 4000);
        char *whole = malloc((size_t)length + 1), *part = malloc((size_t)length + 1);
        assert_true(whole && part);
        assert_int_equal(gn_plan_describe(plan, whole, (size_t)length + 1), length);
        assert_int_equal(strlen(whole), length);
        check_description(&shapes[i], whole);
        for (size_t size = 0; size <= (size_t)length; size += size < 3 ? 1 : 37) {
            memset(part, 'x', (size_t)length + 1);
            assert_int_equal(gn_plan_describe(plan, part, size), length);
            if (size) {
                assert_memory_equal(part, whole, size - 1);
                assert_int_equal(part[size - 1], '\0');
            }
            assert_int_equal(part[size], 'x');
        }
        assert_int_equal(gn_plan_describe(plan, NULL, 5), -1);
        free(whole);
        free(part);
        gn_plan_destroy(plan);
    }
    assert_int_equal(gn_plan_describe(NULL, NULL, 0), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_single_elements),
        cmocka_unit_test(test_describe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
