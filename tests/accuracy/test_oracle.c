/* SPDX-License-Identifier: MIT */
/*
 * The oracle's gradients against finite differences of the oracle's forward pass, so that no
 * formula of the backward pass is trusted for having been written down twice.
 */
#include "support.h"

#include <math.h>
#include <stdlib.h>

enum { MOST = 512 };

struct data {
    float x[MOST], dy[MOST], gamma[MOST], beta[MOST];
};

/* The scalar whose gradients dx, dgamma and dbeta are: sum dy * y. */
static long double loss(const struct oracle_problem *problem)
{
    static long double y[MOST];
    struct oracle_problem forward = *problem;
    long double sum = 0;

    forward.dy = NULL;
    struct oracle *oracle = oracle_create(&forward);
    assert_non_null(oracle);
    oracle_values(oracle, ORACLE_Y, y);
    for (int64_t i = 0; i < oracle_count(oracle, ORACLE_Y); i++)
        sum += problem->dy[i] * y[i];
    oracle_destroy(oracle);
    return sum;
}

/* The five-point difference: its error falls with the fourth power of the step. The steps are exact
 * in float, as the data are multiples of 2^-20 below 8. */
static long double slope(const struct oracle_problem *problem, float *value)
{
    const float kept = *value, step = 0x1p-10f;
    long double at[4];
    static const float steps[4] = {-2, -1, 1, 2};

    for (int i = 0; i < 4; i++) {
        *value = kept + steps[i] * step;
        at[i] = loss(problem);
    }
    *value = kept;
    return (at[0] - 8 * at[1] + 8 * at[2] - at[3]) / (12 * (long double)step);
}

static void compare(const struct oracle_problem *problem, const struct oracle *oracle,
                    enum oracle_output output, float *values)
{
    long double exact[MOST];

    oracle_values(oracle, output, exact);
    for (int64_t i = 0; i < oracle_count(oracle, output); i++) {
        const long double found = slope(problem, &values[i]);
        if (fabsl(found - exact[i]) > 1e-8L * (1 + fabsl(exact[i])))
            fail_msg("output %d [%lld]: difference %.12Lg, gradient %.12Lg", (int)output,
                     (long long)i, found, exact[i]);
    }
}

static void test_gradients(void **state)
{
    static const int64_t shapes[][4] = {/* N, C, S, G */
                                        {2, 6, 5, 1}, {2, 6, 5, 2},  {2, 6, 5, 3}, {2, 6, 5, 6},
                                        {1, 1, 9, 1}, {3, 8, 1, 2},  {1, 4, 2, 4}, {1, 12, 7, 4},
                                        {4, 3, 4, 3}, {1, 16, 1, 4}, {5, 2, 3, 1}};
    (void)state;

    for (size_t k = 0; k < 4 * sizeof(shapes) / sizeof(shapes[0]); k++) {
        static struct data data;
        const int64_t *shape = shapes[k / 4];
        const struct oracle_problem problem = {
            .n = shape[0],
            .c = shape[1],
            .s = shape[2],
            .g = shape[3],
            .channels_last = k % 2,
            .per_sample = k / 2 % 2,
            .eps = 0.5, /* well away from the curve that a group of two elements has at 0 */
            .x = data.x,
            .gamma = data.gamma,
            .beta = data.beta,
            .dy = data.dy,
        };
        uint64_t random = k + 1;

        for (int64_t i = 0; i < shape[0] * shape[1] * shape[2]; i++) {
            data.x[i] = random_normal(&random);
            data.dy[i] = random_normal(&random);
        }
        for (int64_t c = 0; c < shape[0] * shape[1]; c++) {
            data.gamma[c] = 1 + random_uniform(&random);
            data.beta[c] = random_uniform(&random);
        }
        struct oracle *oracle = oracle_create(&problem);
        assert_non_null(oracle);
        compare(&problem, oracle, ORACLE_DX, data.x);
        compare(&problem, oracle, ORACLE_DGAMMA, data.gamma);
        compare(&problem, oracle, ORACLE_DBETA, data.beta);
        oracle_destroy(oracle);
    }
}

/* A group worked out by hand: 1, 2, 3, 6 has the mean 3 and the variance 3.5. */
static void test_by_hand(void **state)
{
    static const float x[4] = {1, 2, 3, 6}, gamma[2] = {2, -1}, beta[2] = {0.5f, 10};
    const struct oracle_problem problem = {
        .n = 1, .c = 2, .s = 2, .g = 1, .eps = 0.5, .x = x, .gamma = gamma, .beta = beta};
    static const long double first[4] = {-1.5L, -0.5L, 10, 8.5L};
    long double y[4], mean, rstd;
    (void)state;

    struct oracle *oracle = oracle_create(&problem);
    assert_non_null(oracle);
    oracle_values(oracle, ORACLE_MEAN, &mean);
    oracle_values(oracle, ORACLE_RSTD, &rstd);
    oracle_values(oracle, ORACLE_Y, y);
    assert_true(mean == 3 && rstd == 0.5L);
    for (int i = 0; i < 4; i++)
        assert_true(y[i] == first[i]);
    oracle_destroy(oracle);
}

/* The error is counted in bounds: one and a half of them, an infinity, and a NaN. */
static void test_error_units(void **state)
{
    static const float x[4] = {1, 2, 3, 6};
    const struct oracle_problem problem = {.n = 1, .c = 1, .s = 4, .g = 1, .eps = 0.5, .x = x};
    const float unit = 0x1p-24f;
    float y[4] = {-1, -0.5f, 0, 1.5f};
    int64_t where;
    (void)state;

    struct oracle *oracle = oracle_create(&problem);
    assert_non_null(oracle);
    assert_true(oracle_error(oracle, ORACLE_Y, ORACLE_INDEPENDENT, y, &where) == 0);
    y[3] = 1.5f + 16 * unit; /* 16 of 5 * 1.5 + 2 */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradients),
        cmocka_unit_test(test_by_hand),
        cmocka_unit_test(test_error_units),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
