/* SPDX-License-Identifier: MIT */
/* Checks the oracle itself: its values against some computed by hand, and its errors of results.
 * test_finite_differences.c checks its gradients. */
#include "oracle.h"
#include "support.h"

#include <float.h>
#include <math.h>

/* A group of 1, 2, 3, 6, whose mean is 3 and whose variance is 3.5. */
static const float ascending[4] = {1, 2, 3, 6};

static struct oracle *oracle_of(const struct oracle_problem *problem)
{
    struct oracle *oracle = oracle_create(problem);

    assert_non_null(oracle);
    return oracle;
}

static void expect_values(const struct oracle *oracle, enum oracle_output output,
                          const long double *values, int count)
{
    assert_int_equal(oracle_count(oracle, output), count);
    for (int i = 0; i < count; i++) {
        const long double value = oracle_at(oracle, output, i).value;
        if (value != values[i])
            fail_msg("output %d [%d] is %.9Lg, not %.9Lg", (int)output, i, value, values[i]);
    }
}

/* rstd is 1/2 and xhat is -1, -1/2, 0, 3/2. */
static void test_by_hand(void **state)
{
    static const float gamma[2] = {2, -1}, beta[2] = {0.5f, 10}, dy[4] = {1, 0, 2, 1};
    const struct oracle_problem problem = {.n = 1,
                                           .c = 2,
                                           .s = 2,
                                           .g = 1,
                                           .eps = 0.5,
                                           .x = ascending,
                                           .gamma = gamma,
                                           .beta = beta,
                                           .dy = dy};
    struct oracle *oracle = oracle_of(&problem);
    (void)state;

    expect_values(oracle, ORACLE_MEAN, (const long double[]){3}, 1);
    expect_values(oracle, ORACLE_RSTD, (const long double[]){0.5L}, 1);
    expect_values(oracle, ORACLE_Y, (const long double[]){-1.5L, -0.5L, 10, 8.5L}, 4);
    /* gamma * dy is 2, 0, -2, -1. Its mean is -1/4, and the mean of its product with xhat is
     * -7/8. */
    expect_values(oracle, ORACLE_DX, (const long double[]){0.6875L, -0.09375L, -0.875L, 0.28125L},
                  4);
    expect_values(oracle, ORACLE_DSKIP, (const long double[]){0.59375L, -0.59375L}, 2);
    expect_values(oracle, ORACLE_DGAMMA, (const long double[]){-1, 1.5L}, 2);
    expect_values(oracle, ORACLE_DBETA, (const long double[]){1, 3}, 2);
    oracle_destroy(oracle);
}

/* The same group in channels last and a 16-bit type, with gamma and beta per sample, and ReLU. */
static void test_layout_and_types(void **state)
{
    static const float dy[4] = {1, 2, 0, 1};
    /* 1, 3, 2, 6 and the parameters in bfloat16, which is the upper half of a float. */
    static const uint16_t x[4] = {0x3f80, 0x4040, 0x4000, 0x40c0};
    static const uint16_t gamma[2] = {0x4000, 0xbf80}, beta[2] = {0x3fc0, 0x4120};
    const struct oracle_problem problem = {.n = 1,
                                           .c = 2,
                                           .s = 2,
                                           .g = 1,
                                           .layout = GN_CHANNELS_LAST,
                                           .eps = 0.5,
                                           .affine = GN_AFFINE_SAMPLE,
                                           .activation = GN_ACTIVATION_RELU,
                                           .x_type = GN_BF16,
                                           .y_type = GN_F32,
                                           .param_type = GN_BF16,
                                           .x = x,
                                           .gamma = gamma,
                                           .beta = beta,
                                           .dy = dy};
    struct oracle *oracle = oracle_of(&problem);
    (void)state;

    /* z is -1/2, 10, 1/2, 8.5. ReLU makes the first 0. */
    expect_values(oracle, ORACLE_Y, (const long double[]){0, 10, 0.5L, 8.5L}, 4);
    expect_values(oracle, ORACLE_DGAMMA, (const long double[]){0, 1.5L}, 2);
    expect_values(oracle, ORACLE_DBETA, (const long double[]){0, 3}, 2);
    assert_int_equal(oracle_type(oracle, ORACLE_MEAN), GN_F32);
    assert_int_equal(oracle_type(oracle, ORACLE_Y), GN_F32);
    assert_int_equal(oracle_type(oracle, ORACLE_DX), GN_BF16);
    oracle_destroy(oracle);
}

/* gn_normalize uses the mean and rstd that it is given. */
static void test_given(void **state)
{
    static const float mean = 2, rstd = -3;
    const struct oracle_problem problem = {
        .n = 1, .c = 1, .s = 4, .g = 1, .eps = 0.5, .x = ascending, .mean = &mean, .rstd = &rstd};
    struct oracle *oracle = oracle_of(&problem);
    (void)state;

    expect_values(oracle, ORACLE_Y, (const long double[]){3, 0, -3, -12}, 4);
    oracle_destroy(oracle);
}

/* The unit of errors is the bound: one and a half bounds, an infinity, and a NaN. */
static void test_error_units(void **state)
{
    const struct oracle_problem problem = {
        .n = 1, .c = 1, .s = 4, .g = 1, .eps = 0.5, .x = ascending};
    const float unit = 0x1p-24f;
    float y[4] = {-1, -0.5f, 0, 1.5f};
    int64_t where;
    struct oracle *oracle = oracle_of(&problem);
    (void)state;

    assert_true(oracle_error(oracle, ORACLE_Y, ORACLE_INDEPENDENT, y, &where) == 0);
    y[3] = 1.5f + 16 * unit; /* 16 of the 5 * 1.5 + 2 units of the bound */
    const double error = oracle_error(oracle, ORACLE_Y, ORACLE_INDEPENDENT, y, &where);
    assert_true(fabs(error - 16 / 9.5) < 1e-12);
    assert_int_equal(where, 3);
    assert_true(oracle_error(oracle, ORACLE_Y, ORACLE_ALWAYS, y, NULL) < 1);
    y[1] = NAN;
    assert_true(isinf(oracle_error(oracle, ORACLE_Y, ORACLE_ALWAYS, y, &where)));
    assert_int_equal(where, 1);
    y[1] = INFINITY;
    assert_true(isinf(oracle_error(oracle, ORACLE_Y, ORACLE_ALWAYS, y, NULL)));
    oracle_destroy(oracle);
}

/* A group without variance or eps has NaN for everything except dbeta, which is as accurate as
 * ever. A group with a NaN may have anything for dbeta and dgamma. */
static void test_nonfinite(void **state)
{
    static const float equal[4] = {1, 1, 1, 1}, poisoned[4] = {1, NAN, 1, 1}, dy[4] = {1, 2, 3, 4};
    static const float nans[4] = {NAN, NAN, NAN, NAN}, ten = 10, zero = 0, nan = NAN;
    struct oracle_problem problem = {.n = 1, .c = 1, .s = 4, .g = 1, .x = equal, .dy = dy};
    struct oracle *oracle = oracle_of(&problem);
    (void)state;

    assert_true(oracle_error(oracle, ORACLE_Y, ORACLE_ALWAYS, nans, NULL) == 0);
    assert_true(isinf(oracle_error(oracle, ORACLE_Y, ORACLE_ALWAYS, equal, NULL)));
    assert_true(isinf(oracle_error(oracle, ORACLE_DGAMMA, ORACLE_ALWAYS, &zero, NULL)));
    assert_true(oracle_error(oracle, ORACLE_DGAMMA, ORACLE_ALWAYS, &nan, NULL) == 0);
    assert_true(isinf(oracle_error(oracle, ORACLE_DBETA, ORACLE_ALWAYS, &nan, NULL)));
    assert_true(oracle_error(oracle, ORACLE_DBETA, ORACLE_ALWAYS, &ten, NULL) == 0);
    oracle_destroy(oracle);

    problem.x = poisoned;
    oracle = oracle_of(&problem);
    assert_true(oracle_error(oracle, ORACLE_DX, ORACLE_ALWAYS, nans, NULL) == 0);
    assert_true(isinf(oracle_error(oracle, ORACLE_DX, ORACLE_ALWAYS, equal, NULL)));
    assert_true(oracle_error(oracle, ORACLE_DBETA, ORACLE_ALWAYS, &nan, NULL) == 0);
    assert_true(oracle_error(oracle, ORACLE_DBETA, ORACLE_ALWAYS, &ten, NULL) == 0);
    oracle_destroy(oracle);
}

/* An infinity is right if the exact value, plus or minus the bound, is too large for the type. */
static void test_overflow(void **state)
{
    static const float most = FLT_MAX;
    const struct oracle_problem problem = {
        .n = 1, .c = 1, .s = 4, .g = 1, .eps = 0.5, .x = ascending, .gamma = &most};
    float y[4] = {-FLT_MAX, -FLT_MAX / 2, 0, INFINITY};
    struct oracle *oracle = oracle_of(&problem);
    (void)state;

    assert_true(oracle_error(oracle, ORACLE_Y, ORACLE_INDEPENDENT, y, NULL) == 0);
    y[0] = -INFINITY;
    assert_true(oracle_error(oracle, ORACLE_Y, ORACLE_INDEPENDENT, y, NULL) == 0);
    y[1] = -INFINITY;
    assert_true(isinf(oracle_error(oracle, ORACLE_Y, ORACLE_INDEPENDENT, y, NULL)));
    y[1] = -FLT_MAX / 2;
    y[3] = -INFINITY;
    assert_true(isinf(oracle_error(oracle, ORACLE_Y, ORACLE_INDEPENDENT, y, NULL)));
    oracle_destroy(oracle);
}

/* The bound grows by the rounding to a coarse type, or by one unit of the subnormals. */
static void test_rounding(void **state)
{
    static const float tiny = 0x1p-148f;
    /* -1, -1/2, 0 and the number after 3/2 in bfloat16. */
    static const uint16_t coarse[4] = {0xbf80, 0xbf00, 0, 0x3fc1};
    float y[4] = {-0x1p-148f, 0, 0, 0x1p-147f};
    struct oracle_problem problem = {.n = 1, .c = 1, .s = 4, .g = 1, .eps = 0.5, .x = ascending};
    struct oracle *oracle;
    (void)state;

    problem.y_type = GN_BF16;
    oracle = oracle_of(&problem);
    const double error = oracle_error(oracle, ORACLE_Y, ORACLE_INDEPENDENT, coarse, NULL);
    assert_true(fabs(error - 0x1p-7 / (1.5 * 0x1p-8 + 9.5 * 0x1p-24)) < 1e-12);
    oracle_destroy(oracle);

    problem.y_type = GN_F32;
    problem.gamma = &tiny;
    oracle = oracle_of(&problem);
    assert_true(oracle_error(oracle, ORACLE_Y, ORACLE_INDEPENDENT, y, NULL) <= 1);
    y[3] = 0x1p-149f;
    assert_true(oracle_error(oracle, ORACLE_Y, ORACLE_INDEPENDENT, y, NULL) > 1.9);
    oracle_destroy(oracle);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_hand),   cmocka_unit_test(test_layout_and_types),
        cmocka_unit_test(test_given),     cmocka_unit_test(test_error_units),
        cmocka_unit_test(test_nonfinite), cmocka_unit_test(test_overflow),
        cmocka_unit_test(test_rounding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
