/* SPDX-License-Identifier: MIT */
/* If mean and rstd are not those of x, gn_normalize and gn_backward use them unchanged. The
 * correction that gn_backward computes for the rounding of a mean is at most one ulp of it. */
#include "check.h"

#include <string.h>

/* Groups without spatial extent of every kind, and short and long rows and columns. */
static const struct shape shapes[] = {
    {2, {11, 38}, 19, GN_CHANNELS_FIRST, DEFAULTS},
    {2, {11, 76}, 19, GN_CHANNELS_LAST, DEFAULTS},
    {2, {11, 152}, 19, GN_CHANNELS_FIRST, DEFAULTS},
    {2, {5, 15}, 5, GN_CHANNELS_FIRST, DEFAULTS},
    {2, {5, 80}, 5, GN_CHANNELS_FIRST, DEFAULTS},
    {2, {3, 80}, 2, GN_CHANNELS_FIRST, DEFAULTS},
    {2, {11, 76}, 19, GN_CHANNELS_FIRST, DEFAULT_EPS, GN_AFFINE_SAMPLE},
    {3, {2, 12, 35}, 3, GN_CHANNELS_FIRST, DEFAULTS},
    {3, {2, 12, 35}, 3, GN_CHANNELS_LAST, DEFAULTS},
    {3, {1, 4, 2500}, 2, GN_CHANNELS_FIRST, DEFAULTS},
    {3, {1, 4, 2500}, 2, GN_CHANNELS_LAST, DEFAULTS},
};
enum { SHAPES = sizeof(shapes) / sizeof(shapes[0]) };

/* x is normal about `center`. */
static int check_means(float center, float mean, float rstd, const char *label)
{
    int wrong = 0;

    for (int i = 0; i < ACTIVATIONS * SHAPES; i++) {
        const struct check check = {.shape = shapes[i / ACTIVATIONS],
                                    .activation = (gn_activation)(i % ACTIVATIONS),
                                    .bound = ORACLE_ALWAYS,
                                    .given = true,
                                    .label = label};
        float *tensors[TENSORS];

        tensors_create(&check.shape, tensors);
        tensors_fill(&check.shape, (uint64_t)i, tensors);
        for (int64_t k = 0; k < shape_elements(&check.shape); k++)
            tensors[X][k] += center;
        /* Every third group has another mean, half as far from `center`. */
        for (int64_t g = 0; g < tensor_count(&check.shape, MEAN); g++) {
            tensors[MEAN][g] = g % 3 == 2 ? (center + mean) / 2 : mean;
            tensors[RSTD][g] = rstd;
        }
        wrong += check_all(&check, tensors);
        tensors_destroy(tensors);
    }
    return wrong;
}

static void test_far(void **state)
{
    (void)state;
    assert_int_equal(check_means(0, 5e4f, 1, "mean 5e4 of x about 0"), 0);
}

static void test_near(void **state)
{
    (void)state;
    assert_int_equal(check_means(1000, 999, 1, "mean 999 of x about 1000"), 0);
    assert_int_equal(check_means(1e6f, 1e6f - 40, 0.5f, "mean 1e6 - 40 of x about 1e6"), 0);
}

/* x - mean overflows in float, and no result does. */
static void test_overflow(void **state)
{
    (void)state;
    assert_int_equal(check_means(3e38f, -3e38f, 1e-20f, "mean -3e38 of x about 3e38"), 0);
    assert_int_equal(check_means(-2e38f, 2e38f, 1e-25f, "mean 2e38 of x about -2e38"), 0);
}

/* The mean is that of x, the rstd is not: one value of each group is so far from the mean that
 * x - mean overflows in float, which such a small deviation would exclude. */
static void test_outlier(void **state)
{
    (void)state;
    for (int i = 0; i < ACTIVATIONS * SHAPES; i++) {
        const struct check check = {.shape = shapes[i / ACTIVATIONS],
                                    .activation = (gn_activation)(i % ACTIVATIONS),
                                    .bound = ORACLE_ALWAYS,
                                    .given = true,
                                    .label = "outlier -3.2e38 of x about 3.2e38"};
        const int64_t n = shape_elements(&check.shape);
        float *tensors[TENSORS];

        tensors_create(&check.shape, tensors);
        tensors_fill(&check.shape, (uint64_t)i, tensors);
        for (int64_t k = 0; k < n; k++) {
            tensors[X][k] = k % 97 == 5 ? -3.2e38f : 3.2e38f;
            tensors[DY][k] *= 1e-25f;
        }
        gn_plan *plan = make_plan(&check.shape, GN_ISA_GENERIC, 1);
        assert_int_equal(call_forward(plan, tensors), GN_OK);
        gn_plan_destroy(plan);
        for (int64_t g = 0; g < tensor_count(&check.shape, RSTD); g++)
            tensors[RSTD][g] = 1e-10f;
        assert_int_equal(check_all(&check, tensors), 0);
        tensors_destroy(tensors);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_far), cmocka_unit_test(test_near),
                                       cmocka_unit_test(test_overflow),
                                       cmocka_unit_test(test_outlier)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
