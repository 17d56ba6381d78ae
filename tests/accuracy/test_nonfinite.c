/* SPDX-License-Identifier: MIT */
/* A NaN or an infinity affects all of its group and no other group. */
#include "kind.h"
#include "patterns.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct shape shapes[] = {
    {3, {3, 12, 37}, 4, GN_CHANNELS_FIRST, DEFAULTS},
    {3, {3, 12, 37}, 4, GN_CHANNELS_LAST, DEFAULTS},
    {2, {3, 64}, 16, GN_CHANNELS_FIRST, DEFAULTS},
    {3, {2, 2, 8209}, 2, GN_CHANNELS_FIRST, DEFAULTS},
    {3, {2, 4, 4099}, 2, GN_CHANNELS_LAST, DEFAULTS},
    {3, {2, 3, 5}, 3, GN_CHANNELS_LAST, DEFAULTS},
};
enum { SHAPES = sizeof(shapes) / sizeof(shapes[0]) };

/* The group that contains the value. */
enum { BAD_N = 1, BAD_G = 1 };

static void run(const struct shape *shape, gn_isa isa, float *tensors[TENSORS])
{
    gn_plan *plan = make_plan(shape, isa, 2);

    assert_int_equal(call_forward(plan, tensors), GN_OK);
    assert_int_equal(call_backward(plan, tensors), GN_OK);
    gn_plan_destroy(plan);
}

/* Outside of the bad group nothing may differ. Inside, y and dx are NaN; only if just dy was bad,
 * dx may be infinite. */
static void compare(const struct shape *shape, float *const before[TENSORS],
                    float *const after[TENSORS], bool bad_x)
{
    const int64_t groups = shape->groups, d = shape->dims[1] / groups;
    const int64_t m = d * shape_spatial(shape);

    for (int64_t n = 0; n < shape->dims[0]; n++) {
        for (int64_t g = 0; g < groups; g++) {
            const bool bad = n == BAD_N && g == BAD_G;
            for (int t = MEAN; t <= RSTD; t++) {
                const int64_t i = n * groups + g;
                if (bad && bad_x)
                    assert_true(isnan(after[t][i]));
                else
                    assert_memory_equal(&before[t][i], &after[t][i], sizeof(float));
            }
            for (int64_t k = 0; k < m; k++) {
                const int64_t i = group_index(shape, n, g, k);
                if (bad && bad_x)
                    assert_true(isnan(after[Y][i]) && isnan(after[DX][i]));
                else
                    assert_memory_equal(&before[Y][i], &after[Y][i], sizeof(float));
                if (bad)
                    assert_true(!isfinite(after[DX][i]));
                else
                    assert_memory_equal(&before[DX][i], &after[DX][i], sizeof(float));
            }
        }
    }
    for (int64_t c = 0; c < shape->dims[1]; c++) {
        if (c / d == BAD_G)
            continue;
        assert_memory_equal(&before[DGAMMA][c], &after[DGAMMA][c], sizeof(float));
        assert_memory_equal(&before[DBETA][c], &after[DBETA][c], sizeof(float));
    }
}

static void check_value(const struct shape *shape, gn_isa isa, float value, enum tensor where)
{
    float *clean[TENSORS], *spoilt[TENSORS];
    const int64_t m = shape->dims[1] / shape->groups * shape_spatial(shape);
    const int64_t places[] = {0, m / 2, m - 1, m / 3};

    tensors_create(shape, clean);
    tensors_create(shape, spoilt);
    tensors_fill(shape, 3, clean);
    tensors_fill(shape, 3, spoilt);
    run(shape, isa, clean);
    for (int i = 0; i < 4; i++) {
        const int64_t at = group_index(shape, BAD_N, BAD_G, places[i]);

        spoilt[where][at] = value;
        run(shape, isa, spoilt);
        compare(shape, clean, spoilt, where == X);
        /* The channel's gradient sums are not finite. */
        const int64_t c =
            BAD_G * (shape->dims[1] / shape->groups) + places[i] / shape_spatial(shape);
        assert_true(!isfinite(spoilt[DGAMMA][c]));
        if (where == DY)
            assert_true(!isfinite(spoilt[DBETA][c]));
        spoilt[where][at] = clean[where][at];
    }
    tensors_destroy(clean);
    tensors_destroy(spoilt);
}

static void check_everywhere(enum tensor where)
{
    static const float values[] = {NAN, INFINITY, -INFINITY};
    gn_isa isas[ISAS];
    const int count = available_isas(isas);

    for (int i = 0; i < SHAPES; i++) {
        for (int isa = 0; isa < count; isa++) {
            for (int v = 0; v < 3; v++)
                check_value(&shapes[i], isas[isa], values[v], where);
        }
    }
}

static void test_in_x(void **state)
{
    (void)state;
    check_everywhere(X);
}

static void test_in_dy(void **state)
{
    (void)state;
    check_everywhere(DY);
}

/* Groups that consist of infinities, of infinities of both signs, or of NaNs. */
static void test_whole_groups(void **state)
{
    static const float pairs[][2] = {
        {INFINITY, INFINITY}, {INFINITY, -INFINITY}, {NAN, NAN}, {NAN, INFINITY}};
    (void)state;

    for (int i = 0; i < SHAPES; i++) {
        const struct shape *shape = &shapes[i];
        const int64_t m = shape->dims[1] / shape->groups * shape_spatial(shape);
        float *clean[TENSORS], *spoilt[TENSORS];

        tensors_create(shape, clean);
        tensors_create(shape, spoilt);
        tensors_fill(shape, 4, clean);
        tensors_fill(shape, 4, spoilt);
        run(shape, GN_ISA_AUTO, clean);
        for (int p = 0; p < 4; p++) {
            for (int64_t k = 0; k < m; k++)
                spoilt[X][group_index(shape, BAD_N, BAD_G, k)] = pairs[p][k % 2];
            run(shape, GN_ISA_AUTO, spoilt);
            compare(shape, clean, spoilt, true);
        }
        tensors_destroy(clean);
        tensors_destroy(spoilt);
    }
}

/* Without variance and eps, rstd is infinite. The statistics of other groups do not change. */
static void test_no_variance(void **state)
{
    (void)state;

    for (int i = 0; i < SHAPES; i++) {
        struct shape shape = shapes[i];
        const int64_t m = shape.dims[1] / shape.groups * shape_spatial(&shape);
        float *tensors[TENSORS];

        shape.eps = 0;
        tensors_create(&shape, tensors);
        tensors_fill(&shape, 6, tensors);
        for (int64_t k = 0; k < m; k++)
            tensors[X][group_index(&shape, BAD_N, BAD_G, k)] = 0.3f;
        run(&shape, GN_ISA_AUTO, tensors);
        for (int64_t k = 0; k < shape.dims[0] * shape.groups; k++) {
            const bool bad = k == BAD_N * shape.groups + BAD_G;
            assert_true(bad ? tensors[MEAN][k] == 0.3f : isfinite(tensors[MEAN][k]));
            assert_true(isinf(tensors[RSTD][k]) == bad);
        }
        tensors_destroy(tensors);
    }
}

static bool is_same(float a, float b)
{
    return a == b || (isnan(a) && isnan(b));
}

/* With SiLU and an infinite gamma, g = dy * act'(z) is 0 where z is -infinity. Vector lanes beyond
 * the end of a row must add nothing to that, whatever the length of the vectors. */
static void test_infinite_gamma(void **state)
{
    const struct kind kind = {.activation = GN_ACTIVATION_SILU};
    gn_isa isas[ISAS];
    const int count = available_isas(isas);
    (void)state;

    for (int64_t length = 2; length <= 40; length++) {
        const struct shape shape = {3, {1, 2, length}, 1, GN_CHANNELS_FIRST, DEFAULTS};
        float *tensors[TENSORS], dgamma = 0, dbeta = 0;

        tensors_create(&shape, tensors);
        tensors_fill(&shape, 8, tensors);
        tensors[GAMMA][0] = INFINITY;
        tensors[GAMMA][1] = 1;
        for (int64_t i = 0; i < length; i++) {
            tensors[X][i] = -11 - (float)i / 7;
            tensors[X][length + i] = -5;
        }
        for (int isa = 0; isa < count; isa++) {
            gn_plan *plan = make_plan_of(&shape, &kind, isas[isa], 1);

            assert_int_equal(call_forward(plan, tensors), GN_OK);
            assert_int_equal(call_backward(plan, tensors), GN_OK);
            gn_plan_destroy(plan);
            dgamma = isa ? dgamma : tensors[DGAMMA][0];
            dbeta = isa ? dbeta : tensors[DBETA][0];
            assert_true(is_same(tensors[DGAMMA][0], dgamma));
            assert_true(is_same(tensors[DBETA][0], dbeta));
        }
        tensors_destroy(tensors);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_x),           cmocka_unit_test(test_in_dy),
        cmocka_unit_test(test_whole_groups),   cmocka_unit_test(test_no_variance),
        cmocka_unit_test(test_infinite_gamma),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
