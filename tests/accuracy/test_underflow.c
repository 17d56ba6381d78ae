/* SPDX-License-Identifier: MIT */
/* Values whose squares underflow in float. With an eps of 0 or hardly more, rstd must be as
 * accurate as ever. With a much larger eps the squares do not matter. */
#include "check.h"
#include "patterns.h"

#include <stdio.h>

/* Groups without spatial extent, short and long rows, one group or four of them at a time, and
 * pixels. */
static const struct shape shapes[] = {
    {2, {9, 38}, 19, GN_CHANNELS_FIRST, DEFAULTS},
    {2, {9, 76}, 19, GN_CHANNELS_FIRST, DEFAULTS},
    {2, {9, 152}, 19, GN_CHANNELS_LAST, DEFAULTS},
    {2, {9, 160}, 8, GN_CHANNELS_FIRST, DEFAULTS},
    {3, {3, 8, 17}, 8, GN_CHANNELS_FIRST, DEFAULTS},
    {3, {3, 6, 33}, 3, GN_CHANNELS_FIRST, DEFAULTS},
    {3, {3, 4, 600}, 4, GN_CHANNELS_FIRST, DEFAULTS},
    {3, {3, 8, 17}, 8, GN_CHANNELS_LAST, DEFAULTS},
    {3, {3, 10, 33}, 5, GN_CHANNELS_LAST, DEFAULTS},
    {3, {1, 8, 90}, 2, GN_CHANNELS_LAST, DEFAULTS},
};
enum { SHAPES = sizeof(shapes) / sizeof(shapes[0]) };

static int check_scale(float scale, double eps)
{
    int wrong = 0;

    for (int i = 0; i < SHAPES; i++) {
        struct shape shape = shapes[i];
        float *tensors[TENSORS];
        char label[80];

        shape.eps = eps;
        const struct check check = {.shape = shape, .bound = ORACLE_INDEPENDENT, .label = label};
        snprintf(label, sizeof(label), "normal by %a", (double)scale);
        tensors_create(&shape, tensors);
        tensors_fill(&shape, (uint64_t)i, tensors);
        /* In every third sample or group the values are ordinary. */
        for (int64_t n = 0; n < shape.dims[0]; n++)
            for (int64_t g = 0; g < shape.groups; g++)
                for (int64_t k = 0; k < shape_elements(&shape) / shape.dims[0] / shape.groups; k++)
                    tensors[X][group_index(&shape, n, g, k)] *= (n + g) % 3 == 2 ? 1 : scale;
        for (int64_t k = 0; k < shape_elements(&shape); k++)
            tensors[DY][k] *= 0x1p-30f;
        wrong += check_all(&check, tensors);
        tensors_destroy(tensors);
    }
    return wrong;
}

static void test_no_epsilon(void **state)
{
    int wrong = 0;
    (void)state;

    for (int exponent = 48; exponent <= 74; exponent += exponent < 60 ? 4 : 2)
        wrong += check_scale(1 / (float)(INT64_C(1) << (exponent / 2)) /
                                 (float)(INT64_C(1) << (exponent - exponent / 2)),
                             0);
    assert_int_equal(wrong, 0);
}

/* The variance is about 2^-130, and eps is small enough for it to matter, or is not. */
static void test_small_epsilon(void **state)
{
    static const double epsilons[] = {0x1p-140, 0x1p-132, 0x1p-124, 0x1p-110, 0x1p-62, 0x1p-60};
    int wrong = 0;
    (void)state;

    for (int i = 0; i < 6; i++) {
        wrong += check_scale(0x1p-66f, epsilons[i]);
        wrong += check_scale(0x1p-58f, epsilons[i]);
        wrong += check_scale(0x1p-31f, epsilons[i]);
    }
    assert_int_equal(wrong, 0);
}

/*
 * Only the few values that the library samples for its first guess of the mean differ from 0, and
 * by so little that their squares are rounded up to the smallest subnormal. The sum of squares is
 * twice its exact value, so it does not show how wrong the guess is.
 */
static void test_samples(void **state)
{
    static const struct {
        struct shape shape;
        int64_t step;
    } cases[] = {{{3, {1, 1, 8192}, 1, GN_CHANNELS_FIRST, DEFAULTS}, 512},
                 {{3, {1, 2, 256}, 1, GN_CHANNELS_FIRST, DEFAULTS}, 32},
                 {{3, {1, 4, 16384}, 1, GN_CHANNELS_LAST, DEFAULTS}, 4096},
                 {{3, {1, 64, 512}, 4, GN_CHANNELS_LAST, DEFAULTS}, 128}};
    static const float sizes[] = {0x1.000004p-75f, 0x1.1p-75f, 0x1.6p-75f, 0x1p-60f, 0x1p-52f};
    int wrong = 0;
    (void)state;

    for (int i = 0; i < 4 * 5; i++) {
        const struct shape *shape = &cases[i / 5].shape;
        const struct check check = {.shape = *shape, .bound = ORACLE_ALWAYS, .label = "samples"};
        const int64_t width = shape->layout == GN_CHANNELS_LAST ? shape->dims[1] : 1;
        float *tensors[TENSORS];

        tensors_create(shape, tensors);
        tensors_fill(shape, 9, tensors);
        for (int64_t k = 0; k < shape_elements(shape); k++)
            tensors[X][k] = k / width % cases[i / 5].step == 0 ? -sizes[i % 5] : 0;
        wrong += check_all(&check, tensors);
        tensors_destroy(tensors);
    }
    assert_int_equal(wrong, 0);
}

/* Without eps, values of one size and alternating sign: their sum is 0, as if all were equal. */
static void test_alternating(void **state)
{
    static const float sizes[] = {0x1.3p-70f, 0x1.3p-74f, 0x1.3p-76f, 0x1p-80f, 0x1p-120f};
    int wrong = 0;
    (void)state;

    for (int i = 0; i < SHAPES * 5; i++) {
        struct check check = {
            .shape = shapes[i / 5], .bound = ORACLE_ALWAYS, .label = "alternating"};
        const struct shape *shape = &check.shape;
        const int64_t m = shape_elements(shape) / shape->dims[0] / shape->groups;
        float *tensors[TENSORS];

        check.shape.eps = 0;
        tensors_create(shape, tensors);
        tensors_fill(shape, (uint64_t)i, tensors);
        for (int64_t n = 0; n < shape->dims[0]; n++)
            for (int64_t g = 0; g < shape->groups; g++)
                for (int64_t k = 0; k < m; k++)
                    tensors[X][group_index(shape, n, g, k)] = m % 2 && k == m - 1 ? 0
                                                              : k % 2             ? sizes[i % 5]
                                                                                  : -sizes[i % 5];
        for (int64_t k = 0; k < shape_elements(shape); k++)
            tensors[DY][k] *= 0x1p-60f;
        wrong += check_all(&check, tensors);
        tensors_destroy(tensors);
    }
    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_epsilon),
        cmocka_unit_test(test_small_epsilon),
        cmocka_unit_test(test_samples),
        cmocka_unit_test(test_alternating),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
