/* SPDX-License-Identifier: MIT */
/*
 * gn_normalize, which gets mean and rstd from its caller, against the formula in long double, for
 * the statistics of x and for any others. Every instruction set and number of threads must give the
 * same bits, in place or not.
 */
#include "kind.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    int64_t dims[3];
    int64_t groups;
} cases[] = {
    {{3, 6, 35}, 3}, {{5, 64, 49}, 32}, {{1, 3, 40000}, 1}, {{9, 128, 1}, 32}, {{40, 33, 1}, 3},
    {{4, 7, 1}, 7},  {{2, 9000, 3}, 3}, {{70, 12, 16}, 4},  {{2, 20, 333}, 4}, {{17, 64, 1}, 32},
};
enum { CASES = sizeof(cases) / sizeof(cases[0]) };

static struct shape shape_of(int i)
{
    struct shape shape = {.rank = 3,
                          .groups = cases[i / 4].groups,
                          .layout = (gn_layout)(i % 2),
                          .eps = DEFAULT_EPS,
                          .affine = (gn_affine)(i / 2 % 2)};

    memcpy(shape.dims, cases[i / 4].dims, sizeof(cases[0].dims));
    return shape;
}

static gn_status call_normalize(const gn_plan *plan, float *const t[TENSORS], float *y)
{
    return gn_normalize(plan, t[X], t[MEAN], t[RSTD], t[GAMMA], t[BETA], y);
}

/* Whether y is right. It is also right if the exact value is too large for float or is not a
 * number. */
static bool right(float y, long double product, long double gamma, long double beta)
{
    const long double exact = product + beta;
    const long double size = 5 * fabsl(product) + 2 * fabsl(gamma) + 2 * fabsl(beta);
    const long double allowed = size * 0x1p-24L + (fabsl(exact) < FLT_MIN ? 0x1p-149L : 0);

    if (isnan(exact))
        return isnan(y);
    if (isinf(y))
        return isinf(exact) ? (y > 0) == (exact > 0)
                            : (y > 0 ? exact : -exact) + allowed > (long double)FLT_MAX;
    return fabsl(y - exact) <= allowed;
}

static int check_formula(const struct shape *shape, float *const t[TENSORS], const char *label)
{
    const int64_t n = shape->dims[0], c = shape->dims[1], s = shape_spatial(shape);
    int wrong = 0;

    for (int64_t i = 0; i < n * c * s && wrong < 3; i++) {
        const bool last = shape->layout == GN_CHANNELS_LAST;
        const int64_t sample = i / (c * s), channel = last ? i % c : i / s % c;
        const int64_t group = sample * shape->groups + channel / (c / shape->groups);
        const int64_t at = shape->affine == GN_AFFINE_SAMPLE ? sample * c + channel : channel;
        const long double gamma = t[GAMMA] ? t[GAMMA][at] : 1, beta = t[BETA] ? t[BETA][at] : 0;
        const long double off = (long double)t[X][i] - t[MEAN][group];
        const long double rstd = isinf(t[RSTD][group]) ? NAN : t[RSTD][group];
        char text[160];

        if (right(t[Y][i], gamma * (off * rstd), gamma, beta))
            continue;
        print_error("%s, %s: y[%lld] = %a of x = %a, mean %a, rstd %a, gamma %Lg, beta %Lg\n",
                    shape_text(shape, text), label, (long long)i, (double)t[Y][i], (double)t[X][i],
                    (double)t[MEAN][group], (double)t[RSTD][group], gamma, beta);
        wrong++;
    }
    return wrong;
}

/* Compares the bits of tensors[Y] with those of every instruction set, of several threads, and of y
 * in the place of x. */
static int check_bits(const struct shape *shape, float *const t[TENSORS], const char *label)
{
    const int64_t elements = shape_elements(shape);
    float *x = malloc((size_t)elements * sizeof(float));
    gn_isa isas[ISAS];
    const int count = available_isas(isas);
    int wrong = 0;

    assert_non_null(x);
    for (int i = 0; i < 3 * count; i++) {
        gn_plan *plan = make_plan(shape, isas[i / 3], 1 + i % 3);
        float *in_place[TENSORS];
        int64_t where;
        char text[160];

        memcpy(in_place, t, sizeof(in_place));
        memcpy(x, t[X], (size_t)elements * sizeof(float));
        in_place[X] = x;
        assert_int_equal(call_normalize(plan, in_place, x), GN_OK);
        gn_plan_destroy(plan);
        if (same_bits(x, t[Y], elements, &where))
            continue;
        print_error("%s, %s, %s, %d threads: y[%lld] is %a, not %a\n", shape_text(shape, text),
                    label, isa_name(isas[i / 3]), 1 + i % 3, (long long)where, (double)x[where],
                    (double)t[Y][where]);
        wrong++;
    }
    free(x);
    return wrong;
}

static int check(const struct shape *shape, float *const t[TENSORS], const char *label)
{
    gn_plan *plan = make_plan(shape, GN_ISA_GENERIC, 1);
    int wrong;

    assert_int_equal(call_normalize(plan, t, t[Y]), GN_OK);
    gn_plan_destroy(plan);
    wrong = check_formula(shape, t, label);
    return wrong + check_bits(shape, t, label);
}

/* Uses the statistics that gn_forward stored, with and without gamma and beta. */
static void test_stored(void **state)
{
    int wrong = 0;
    (void)state;

    for (int i = 0; i < 4 * CASES; i++) {
        const struct shape shape = shape_of(i);
        float *tensors[TENSORS], *call[TENSORS];
        gn_plan *plan = make_plan(&shape, GN_ISA_AUTO, 2);

        tensors_create(&shape, tensors);
        tensors_fill(&shape, (uint64_t)i, tensors);
        assert_int_equal(call_forward(plan, tensors), GN_OK);
        gn_plan_destroy(plan);
        for (int absent = 0; absent < 4; absent++) {
            memcpy(call, tensors, sizeof(call));
            call[GAMMA] = absent & 1 ? NULL : tensors[GAMMA];
            call[BETA] = absent & 2 ? NULL : tensors[BETA];
            wrong += check(&shape, call, "stored");
        }
        tensors_destroy(tensors);
    }
    assert_int_equal(wrong, 0);
}

static float any_of(const float *values, int count, uint64_t *random)
{
    return values[random_range(random, 0, count - 1)];
}

/* Statistics that belong to none of these x: nothing may overflow unless its exact value does, and
 * no group may affect another. */
static void test_any(void **state)
{
    static const float means[] = {0,     1,         -3e38f,   3e38f,    1e-40f, 1e38f,
                                  1e30f, -0x1p102f, 0x1p103f, INFINITY, NAN};
    static const float rstds[] = {1, 0, 1e-38f, 1e-44f, 3e38f, -2, 1e10f, 1e20f, INFINITY, NAN};
    static const float factors[] = {1, 0, -1e-30f, 1e30f, 1e-42f, -2, 1e-10f};
    static const float xs[] = {1, 0, 3e38f, -3e38f, 1e-44f, -7, 1e20f, 1e-20f};
    int wrong = 0;
    (void)state;

    for (int i = 0; i < 4 * CASES; i++) {
        const struct shape shape = shape_of(i);
        uint64_t random = (uint64_t)i + 1;
        float *tensors[TENSORS];

        tensors_create(&shape, tensors);
        for (int64_t k = 0; k < tensor_count(&shape, MEAN); k++) {
            tensors[MEAN][k] = any_of(means, 11, &random);
            tensors[RSTD][k] = any_of(rstds, 10, &random);
        }
        for (int64_t k = 0; k < tensor_count(&shape, GAMMA); k++) {
            tensors[GAMMA][k] = any_of(factors, 7, &random);
            tensors[BETA][k] = any_of(factors, 7, &random);
        }
        for (int64_t k = 0; k < shape_elements(&shape); k++)
            tensors[X][k] = any_of(xs, 8, &random);
        wrong += check(&shape, tensors, "any");
        tensors_destroy(tensors);
    }
    assert_int_equal(wrong, 0);
}

/* z is infinite and y = act(z): if the activation has a limit, y is that limit. */
static void test_infinite_mean(void **state)
{
    static const struct shape shapes[] = {{3, {1, 4, 100}, 2, GN_CHANNELS_FIRST, DEFAULTS},
                                          {3, {1, 4, 100}, 2, GN_CHANNELS_LAST, DEFAULTS},
                                          {2, {100, 4}, 2, GN_CHANNELS_FIRST, DEFAULTS}};
    static const float means[] = {INFINITY, -INFINITY, NAN};
    (void)state;

    for (int i = 0; i < 3 * 3 * ACTIVATIONS; i++) {
        const struct shape *shape = &shapes[i / ACTIVATIONS / 3];
        const gn_activation activation = (gn_activation)(i % ACTIVATIONS);
        const float mean = means[i / ACTIVATIONS % 3];
        const struct kind kind = {GN_F32, GN_F32, GN_F32, activation, GN_SKIP_TENSOR};
        gn_plan *plan = make_plan_of(shape, &kind, GN_ISA_AUTO, 1);
        float *tensors[TENSORS];

        tensors_create(shape, tensors);
        tensors_fill(shape, 4, tensors);
        for (int64_t k = 0; k < tensor_count(shape, MEAN); k++) {
            tensors[MEAN][k] = mean;
            tensors[RSTD][k] = 1;
        }
        assert_int_equal(gn_normalize(plan, tensors[X], tensors[MEAN], tensors[RSTD],
                                      tensors[GAMMA], tensors[BETA], tensors[Y]),
                         GN_OK);
        for (int64_t k = 0; k < shape_elements(shape); k++) {
            const float y = tensors[Y][k];
            if (isnan(mean))
                assert_true(isnan(y));
            else if (mean < 0)
                assert_true(y > FLT_MAX);
            else if (activation == GN_ACTIVATION_IDENTITY)
                assert_true(y < -FLT_MAX);
            else
                assert_true(y == 0 && !!signbit(y) == (activation == GN_ACTIVATION_SILU));
        }
        tensors_destroy(tensors);
        gn_plan_destroy(plan);
    }
}

/* y is the difference of two numbers that are too large for float, or close to it in size.
 * Otherwise float is accurate enough for these groups, which have every shape. */
static void test_cancelling(void **state)
{
    static const struct {
        float x, rstd, gamma, beta;
    } sums[] = {{4, 1, 1e38f, -2e38f},   {-4, 1, 1e38f, 3e38f},    {8, 0.5f, 1e38f, -3e38f},
                {2, 1, 3e38f, -3.4e38f}, {3e38f, 1, 1.5f, -2e38f}, {1e20f, 1e19f, 1, -3.3e38f},
                {4, 1e38f, 1, -2e38f}};
    int wrong = 0;
    (void)state;

    for (int i = 0; i < 4 * CASES * 7; i++) {
        const struct shape shape = shape_of(i / 7);
        float *tensors[TENSORS];

        if (shape_elements(&shape) > 20000)
            continue;
        tensors_create(&shape, tensors);
        tensors_fill(&shape, (uint64_t)i, tensors);
        for (int64_t k = 0; k < tensor_count(&shape, MEAN); k++) {
            tensors[MEAN][k] = 0;
            tensors[RSTD][k] = sums[i % 7].rstd;
        }
        for (int64_t k = 0; k < tensor_count(&shape, GAMMA); k++) {
            tensors[GAMMA][k] = sums[i % 7].gamma;
            tensors[BETA][k] = sums[i % 7].beta;
        }
        for (int64_t k = 0; k < shape_elements(&shape); k++)
            tensors[X][k] = k % 3 ? sums[i % 7].x : tensors[X][k];
        wrong += check(&shape, tensors, "cancelling");
        tensors_destroy(tensors);
    }
    assert_int_equal(wrong, 0);
}

static void test_arguments(void **state)
{
    const struct shape shape = {3, {2, 4, 5}, 2, GN_CHANNELS_FIRST, DEFAULTS};
    const struct shape none = {3, {2, 4, 0}, 2, GN_CHANNELS_LAST, DEFAULTS};
    gn_plan *plan = make_plan(&shape, GN_ISA_AUTO, 0);
    static float x[40], y[50] = {7}, mean[4], rstd[4] = {1, 1, 1, 1};
    (void)state;

    assert_int_equal(gn_normalize(NULL, x, mean, rstd, NULL, NULL, y), GN_INVALID_ARGUMENT);
    assert_int_equal(gn_normalize(plan, NULL, mean, rstd, NULL, NULL, y), GN_INVALID_ARGUMENT);
    assert_int_equal(gn_normalize(plan, x, NULL, rstd, NULL, NULL, y), GN_INVALID_ARGUMENT);
    assert_non_null(strstr(gn_last_error(), "mean"));
    assert_int_equal(gn_normalize(plan, x, mean, NULL, NULL, NULL, y), GN_INVALID_ARGUMENT);
    assert_non_null(strstr(gn_last_error(), "rstd"));
    assert_int_equal(gn_normalize(plan, x, mean, rstd, NULL, NULL, NULL), GN_INVALID_ARGUMENT);
    assert_int_equal(gn_normalize(plan, x, y + 39, rstd, NULL, NULL, y), GN_INVALID_ARGUMENT);
    assert_int_equal(gn_normalize(plan, x, mean, rstd, NULL, NULL, (char *)y + 1),
                     GN_INVALID_ARGUMENT);
    assert_true(y[0] == 7);
    assert_int_equal(gn_normalize(plan, x, y + 40, rstd, NULL, NULL, y), GN_OK);
    assert_true(y[0] == 0);
    gn_plan_destroy(plan);
    plan = make_plan(&none, GN_ISA_AUTO, 0);
    assert_int_equal(gn_normalize(plan, NULL, mean, rstd, NULL, NULL, NULL), GN_OK);
    gn_plan_destroy(plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stored),        cmocka_unit_test(test_any),
        cmocka_unit_test(test_infinite_mean), cmocka_unit_test(test_cancelling),
        cmocka_unit_test(test_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
