/* SPDX-License-Identifier: MIT */
/*
 * Values whose squares underflow in float, beside an epsilon of 0 or hardly more: rstd is as exact
 * as ever. Beside an epsilon that is much larger the squares do not matter.
 */
#include "check.h"
#include "patterns.h"

#include <stdio.h>

/* Groups of no spatial extent, short and long rows, one group or four of them at a time, pixels. */
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
        snprintf(label, sizeof(label), "normal by %a", (double)scale);
        tensors_create(&shape, tensors);
        tensors_fill(&shape, (uint64_t)i, tensors);
        /* Of every third sample or group, the values are ordinary. */
        for (int64_t n = 0; n < shape.dims[0]; n++)
            for (int64_t g = 0; g < shape.groups; g++)
                for (int64_t k = 0; k < shape_elements(&shape) / shape.dims[0] / shape.groups; k++)
                    tensors[X][group_index(&shape, n, g, k)] *= (n + g) % 3 == 2 ? 1 : scale;
        for (int64_t k = 0; k < shape_elements(&shape); k++)
            tensors[DY][k] *= 0x1p-30f;
        wrong += check_all(&shape, tensors, ORACLE_INDEPENDENT, label);
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

/* A variance of 2^-130 or so, and an epsilon that it counts beside, or does not. */
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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_no_epsilon),
                                       cmocka_unit_test(test_small_epsilon)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
