/* SPDX-License-Identifier: MIT */
/* Limits from both sides: the last value that is accepted and the first that is refused. Also the
 * search for elements that share memory, and the digits of what gn_plan_describe prints. */
#define _POSIX_C_SOURCE 200809L

#include "expect.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static gn_desc *make(int rank, const int64_t *dims)
{
    gn_desc *desc;

    assert_int_equal(gn_desc_create(&desc, rank, dims), GN_OK);
    assert_int_equal(gn_desc_set_groups(desc, 1), GN_OK);
    return desc;
}

static void test_threads(void **state)
{
    gn_desc *desc = make(3, (const int64_t[]){2, 4, 10000});
    gn_plan *plan;
    (void)state;

    assert_int_equal(gn_desc_set_threads(desc, 0), GN_OK);
    assert_int_equal(gn_desc_set_threads(desc, 1024), GN_OK);
    assert_int_equal(gn_plan_create(&plan, desc), GN_OK);
    gn_plan_destroy(plan);
    expect_failure(gn_desc_set_threads(desc, 1025), GN_INVALID_ARGUMENT, "threads", "1025");
    expect_failure(gn_desc_set_threads(desc, -1), GN_INVALID_ARGUMENT, "threads", "-1");
    gn_desc_destroy(desc);
}

/* The last element may lie at most 2^56 elements after the first, by one stride or by several. */
static void test_last_element(void **state)
{
    const int64_t most = INT64_C(1) << 56;
    (void)state;

    for (int which = GN_TENSOR_X; which <= GN_TENSOR_SUM; which++) {
        const gn_tensor tensor = (gn_tensor)which;
        gn_desc *desc = make(3, (const int64_t[]){2, 2, 2});

        assert_int_equal(gn_desc_set_strides(desc, tensor, (const int64_t[]){most - 6, 4, 2}),
                         GN_OK);
        expect_failure(gn_desc_set_strides(desc, tensor, (const int64_t[]){most - 5, 4, 2}),
                       GN_INVALID_ARGUMENT, "strides[0]", "2^56");
        assert_int_equal(gn_desc_set_strides(desc, tensor, (const int64_t[]){4, 2, most - 6}),
                         GN_OK);
        expect_failure(gn_desc_set_strides(desc, tensor, (const int64_t[]){4, 2, most - 5}),
                       GN_INVALID_ARGUMENT, "strides[2]", "2^56");
        gn_desc_destroy(desc);
        desc = make(2, (const int64_t[]){1, 5});
        assert_int_equal(gn_desc_set_strides(desc, tensor, (const int64_t[]){0, most / 4}), GN_OK);
        expect_failure(gn_desc_set_strides(desc, tensor, (const int64_t[]){0, most / 4 + 1}),
                       GN_INVALID_ARGUMENT, "strides[1]", "2^56");
        gn_desc_destroy(desc);
    }
}

/* A tensor without elements needs no memory, however many channels it has. */
static void test_empty_plans(void **state)
{
    static const struct {
        int rank;
        int64_t dims[4], groups;
    } cases[] = {{2, {0, INT64_C(1) << 58}, 1},
                 {2, {0, INT64_C(1) << 58}, INT64_C(1) << 58},
                 {3, {0, (INT64_C(1) << 40) + 32, 3}, 32},
                 {3, {5, INT64_C(1) << 50, 0}, 32}};
    (void)state;

    for (int i = 0; i < 4; i++)
        for (int layout = 0; layout < 2; layout++) {
            gn_desc *desc = make(cases[i].rank, cases[i].dims);
            gn_plan *plan;

            assert_int_equal(gn_desc_set_groups(desc, cases[i].groups), GN_OK);
            assert_int_equal(gn_desc_set_layout(desc, (gn_layout)layout), GN_OK);
            assert_int_equal(gn_plan_create(&plan, desc), GN_OK);
            gn_desc_destroy(desc);
            assert_int_equal(gn_forward(plan, NULL, NULL, NULL, NULL, NULL, NULL), GN_OK);
            gn_plan_destroy(plan);
        }
}

/* A tensor with elements and more channels than any memory has scratch for is refused. */
static void test_many_channels(void **state)
{
    gn_desc *desc = make(2, (const int64_t[]){1, INT64_C(1) << 58});
    gn_plan *plan = (gn_plan *)&plan;
    (void)state;

    expect_failure(gn_plan_create(&plan, desc), GN_OUT_OF_MEMORY, "channels", "288230376151711744");
    assert_null(plan);
    gn_desc_destroy(desc);
}

/* If strides are so irregular that the search gives up, the elements count as sharing memory. A
 * search of some thousands of steps does not give up. */
static void test_search_of_one(void **state)
{
    gn_desc *desc = make(5, (const int64_t[]){40, 40, 40, 40, 40});
    (void)state;

    expect_failure(
        gn_desc_set_strides(desc, GN_TENSOR_Y, (const int64_t[]){5003, 5009, 5011, 5021, 5023}),
        GN_INVALID_ARGUMENT, "y", "overlap");
    assert_int_equal(
        gn_desc_set_strides(desc, GN_TENSOR_X, (const int64_t[]){5003, 5009, 5011, 5021, 5023}),
        GN_OK);
    gn_desc_destroy(desc);

    desc = make(4, (const int64_t[]){11, 12, 7, 13});
    assert_int_equal(
        gn_desc_set_strides(desc, GN_TENSOR_Y, (const int64_t[]){2200, 1271, 2589, 1288}), GN_OK);
    /* Here elements share memory by a multiple of the largest stride, and the search must find
     * it. */
    expect_failure(
        gn_desc_set_strides(desc, GN_TENSOR_Y, (const int64_t[]){2200, 1271, 2542, 1288}),
        GN_INVALID_ARGUMENT, "y", "overlap");
    gn_desc_destroy(desc);
}

/* x and y have these strides and lie DISTANCE elements from each other in one buffer. */
enum { A = 10, B = 10, C = 9, D = 10, DISTANCE = 2845 };
static const int64_t interleaved[4] = {3126, 3144, 3277, 2995};
enum { ROOM = 9 * 3126 + 9 * 3144 + 8 * 3277 + 9 * 2995 + DISTANCE + 1 };

static void test_search_of_two(void **state)
{
    static float buffer[ROOM], saved[ROOM], dense[2][A * B * C * D];
    gn_desc *desc = make(4, (const int64_t[]){A, B, C, D});
    uint64_t random = 1;
    gn_plan *plan;
    (void)state;

    assert_int_equal(gn_plan_create(&plan, desc), GN_OK);
    for (int64_t i = 0; i < ROOM; i++)
        buffer[i] = random_normal(&random);
    memcpy(saved, buffer, sizeof(saved));
    for (int64_t i = 0; i < A * B * C * D; i++)
        dense[0][i] = buffer[i / (B * C * D) * interleaved[0] + i / (C * D) % B * interleaved[1] +
                             i / D % C * interleaved[2] + i % D * interleaved[3]];
    assert_int_equal(gn_forward(plan, dense[0], NULL, NULL, dense[1], NULL, NULL), GN_OK);
    gn_plan_destroy(plan);

    assert_int_equal(gn_desc_set_strides(desc, GN_TENSOR_X, interleaved), GN_OK);
    assert_int_equal(gn_desc_set_strides(desc, GN_TENSOR_Y, interleaved), GN_OK);
    assert_int_equal(gn_plan_create(&plan, desc), GN_OK);
    gn_desc_destroy(desc);
    assert_int_equal(gn_forward(plan, buffer, NULL, NULL, buffer + DISTANCE, NULL, NULL), GN_OK);
    for (int64_t i = 0; i < A * B * C * D; i++) {
        const int64_t at = i / (B * C * D) * interleaved[0] + i / (C * D) % B * interleaved[1] +
                           i / D % C * interleaved[2] + i % D * interleaved[3];
        saved[DISTANCE + at] = dense[1][i];
    }
    assert_memory_equal(buffer, saved, sizeof(saved));
    /* One element of y is also an element of x. */
    expect_failure(gn_forward(plan, buffer, NULL, NULL, buffer + 9 * 3277 - 3126, NULL, NULL),
                   GN_INVALID_ARGUMENT, "y", "overlaps x");
    assert_memory_equal(buffer, saved, sizeof(saved));
    gn_plan_destroy(plan);
}

/* The digits of epsilon distinguish it from all other numbers, and there are no more of them than
 * that needs. */
static void test_digits(void **state)
{
    static const struct {
        double epsilon;
        const char *text;
    } cases[] = {{0.1 + 0.2, "0.30000000000000004"},
                 {0.1, "0.1"},
                 {1e-5, "1e-05"},
                 {0, "0"},
                 {1.0 / 3, "0.3333333333333333"},
                 {2.0 / 3 * 1e-5, "6.666666666666667e-06"},
                 {0x1p-1074, "5e-324"},
                 {1e300, "1e+300"}};
    (void)state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        gn_desc *desc = make(2, (const int64_t[]){2, 4});
        char expected[64];

        assert_int_equal(gn_desc_set_epsilon(desc, cases[i].epsilon), GN_OK);
        char *text = description_of(desc);
        snprintf(expected, sizeof(expected), "\"epsilon\":%s,", cases[i].text);
        if (!strstr(text, expected))
            fail_msg("%s has no %s", text, expected);
        free(text);
        gn_desc_destroy(desc);
    }
}

/* The library must not change the caller's errno. */
static void test_errno(void **state)
{
    static const char *const caches[] = {"33554432", "", "junk", "99999999999999999999"};
    gn_desc *desc = make(3, (const int64_t[]){2, 4, 100});
    (void)state;

    for (int i = 0; i < 4; i++) {
        gn_plan *plan;

        assert_int_equal(setenv("GN_CACHE", caches[i], 1), 0);
        errno = EDOM;
        assert_int_equal(gn_plan_create(&plan, desc), i < 2 ? GN_OK : GN_INVALID_ARGUMENT);
        assert_int_equal(errno, EDOM);
        gn_plan_destroy(plan);
        assert_int_equal(errno, EDOM);
    }
    assert_int_equal(unsetenv("GN_CACHE"), 0);
    gn_desc_destroy(desc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        silent_test(test_threads),       silent_test(test_last_element),
        silent_test(test_empty_plans),   silent_test(test_many_channels),
        silent_test(test_search_of_one), silent_test(test_search_of_two),
        silent_test(test_digits),        silent_test(test_errno),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
