/* SPDX-License-Identifier: MIT */
/* Gamma and beta that differ from sample to sample, checked against the oracle and against calls on
 * single samples with their own gamma and beta, whose bits must be the same. */
#include "check.h"
#include "patterns.h"

#include <stdio.h>
#include <string.h>

/* Shapes whose work is divided in every way: by groups, samples and tiles, and small groups. */
static const struct {
    int64_t dims[3];
    int64_t groups;
} cases[] = {
    {{1, 6, 35}, 2},    {{3, 6, 35}, 3},   {{70, 12, 16}, 4}, {{5, 64, 49}, 32}, {{2, 3, 9000}, 1},
    {{3, 8, 20000}, 2}, {{9, 128, 1}, 32}, {{70, 64, 1}, 32}, {{11, 40, 1}, 5},  {{130, 33, 1}, 3},
    {{4, 7, 1}, 7},     {{2, 9000, 3}, 3}, {{2, 9000, 1}, 1}, {{40, 48, 4}, 1},  {{1, 4, 70000}, 4},
};
enum { CASES = sizeof(cases) / sizeof(cases[0]) };

static struct shape shape_of(int i, int layout)
{
    struct shape shape = {.rank = 3,
                          .groups = cases[i].groups,
                          .layout = (gn_layout)layout,
                          .eps = DEFAULT_EPS,
                          .affine = GN_AFFINE_SAMPLE};

    memcpy(shape.dims, cases[i].dims, sizeof(cases[i].dims));
    return shape;
}

static bool skipped(const struct shape *shape)
{
    return quick() && shape_elements(shape) > 20000;
}

/* Without an input, and then also without an output. */
static int check_absent(struct check *check, float *const tensors[TENSORS], enum tensor input,
                        enum tensor output)
{
    check->absent = 1u << input;
    const int wrong = check_against_oracle(check, tensors);
    check->absent |= 1u << output;
    return wrong + check_variants(check, tensors);
}

static void test_oracle(void **state)
{
    int wrong = 0;
    (void)state;

    for (int i = 0; i < 2 * CASES; i++) {
        struct check check = {
            .shape = shape_of(i / 2, i % 2), .bound = ORACLE_INDEPENDENT, .label = "normal"};
        float *tensors[TENSORS];

        if (skipped(&check.shape))
            continue;
        tensors_create(&check.shape, tensors);
        tensors_fill(&check.shape, (uint64_t)i, tensors);
        wrong += check_all(&check, tensors);
        wrong += check_absent(&check, tensors, GAMMA, DBETA);
        wrong += check_absent(&check, tensors, BETA, DGAMMA);
        tensors_destroy(tensors);
    }
    assert_int_equal(wrong, 0);
}

/* In every third sample from `first` on, sets a gamma or a beta for which float is not accurate
 * enough. */
static void add_extremes(const struct shape *shape, int64_t first, float *const tensors[TENSORS])
{
    static const float extremes[] = {1e30f, 1e-40f, -1e-8f, 3e7f};

    for (int64_t n = first; n < shape->dims[0]; n += 3) {
        const int64_t c = n * shape->dims[1] + n % shape->dims[1];
        tensors[n % 5 == 4 ? BETA : GAMMA][c] = n % 5 == 4 ? 1e35f : extremes[n % 4];
    }
}

/* In every other sample, the data needs f64. */
static void test_hard(void **state)
{
    int wrong = 0;
    (void)state;

    for (int i = 0; i < 2 * CASES; i++) {
        const struct shape shape = shape_of(i / 2, i % 2);
        const int64_t sample = shape_elements(&shape) / shape.dims[0];
        struct check check = {
            .shape = shape, .bound = ORACLE_ALWAYS, .label = "extreme parameters"};
        float *tensors[TENSORS];

        if (skipped(&shape))
            continue;
        tensors_create(&shape, tensors);
        tensors_fill(&shape, (uint64_t)i, tensors);
        for (int64_t n = 0; n < shape.dims[0]; n += 2) {
            for (int64_t k = n * sample; k < (n + 1) * sample; k++)
                tensors[X][k] = 1e4f + 1e-2f * tensors[X][k];
            for (int64_t c = 0; c < shape.dims[1]; c++)
                tensors[GAMMA][n * shape.dims[1] + c] *= n % 4 ? 1e-40f : 1e30f;
        }
        wrong += check_all(&check, tensors);
        tensors_fill(&shape, (uint64_t)i, tensors);
        add_extremes(&shape, 1, tensors);
        check.label = "extreme parameters except in sample 0";
        wrong += check_all(&check, tensors);
        tensors_destroy(tensors);
    }
    assert_int_equal(wrong, 0);
}

/* The tensors of sample n among those of all samples. */
static void sample_of(const struct shape *shape, float *const all[TENSORS], int64_t n,
                      float *one[TENSORS])
{
    for (int t = 0; t < TENSORS; t++)
        one[t] = all[t] + n * (tensor_count(shape, (enum tensor)t) / shape->dims[0]);
}

static int check_samples(const struct shape *shape, float *const tensors[TENSORS], gn_isa isa)
{
    struct shape single = *shape;
    float *alone[TENSORS];
    gn_plan *plan;
    int wrong = 0;

    single.dims[0] = 1;
    single.affine = GN_AFFINE_CHANNEL;
    tensors_create(&single, alone);
    plan = make_plan(&single, isa, 1);
    for (int64_t n = 0; n < shape->dims[0]; n++) {
        float *one[TENSORS], *call[TENSORS];

        sample_of(shape, tensors, n, one);
        for (int t = 0; t < TENSORS; t++)
            call[t] = t < FIRST_OUTPUT ? one[t] : alone[t];
        assert_int_equal(call_forward(plan, call), GN_OK);
        assert_int_equal(call_backward(plan, call), GN_OK);
        for (int t = FIRST_OUTPUT; t < TENSORS; t++) {
            int64_t where;
            char text[160];
            if (same_bits(one[t], alone[t], tensor_count(&single, (enum tensor)t), &where))
                continue;
            print_error("%s: sample %lld: %s[%lld] is %a, alone %a\n", shape_text(shape, text),
                        (long long)n, tensor_name((enum tensor)t), (long long)where,
                        (double)one[t][where], (double)alone[t][where]);
            wrong++;
        }
    }
    gn_plan_destroy(plan);
    tensors_destroy(alone);
    return wrong;
}

static void test_samples_alone(void **state)
{
    gn_isa isas[ISAS];
    const int count = available_isas(isas);
    int wrong = 0;
    (void)state;

    for (int i = 0; i < 12 * CASES; i++) {
        const struct shape shape = shape_of(i % (2 * CASES) / 2, i % 2);
        float *tensors[TENSORS];
        gn_plan *plan;

        if (skipped(&shape))
            continue;
        tensors_create(&shape, tensors);
        tensors_fill(&shape, (uint64_t)i + 5, tensors);
        if (i / (2 * CASES) % 3)
            add_extremes(&shape, i / (2 * CASES) % 3 - 1, tensors);
        if (i / 2 % 2)
            pattern_fill(&shape, patterns[i % pattern_count].value, (uint64_t)i, tensors[X]);
        plan = make_plan(&shape, isas[i % count], 1 + i % 3);
        assert_int_equal(call_forward(plan, tensors), GN_OK);
        assert_int_equal(call_backward(plan, tensors), GN_OK);
        gn_plan_destroy(plan);
        wrong += check_samples(&shape, tensors, isas[i % count]);
        tensors_destroy(tensors);
    }
    assert_int_equal(wrong, 0);
}

/* With N = 0 there are no parameters. Without a spatial extent, their gradients are 0. */
static void test_empty(void **state)
{
    const struct shape none = {3, {0, 4, 5}, 2, GN_CHANNELS_FIRST, DEFAULT_EPS, GN_AFFINE_SAMPLE};
    const struct shape flat = {3, {3, 4, 0}, 2, GN_CHANNELS_LAST, DEFAULT_EPS, GN_AFFINE_SAMPLE};
    float *tensors[TENSORS];
    gn_plan *plan = make_plan(&none, GN_ISA_AUTO, 0);
    (void)state;

    assert_int_equal(gn_backward(plan, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
                     GN_OK);
    gn_plan_destroy(plan);
    tensors_create(&flat, tensors);
    plan = make_plan(&flat, GN_ISA_AUTO, 0);
    assert_int_equal(call_backward(plan, tensors), GN_OK);
    for (int i = 0; i < 12; i++) {
        assert_true(tensors[DGAMMA][i] == 0);
        assert_true(tensors[DBETA][i] == 0);
    }
    gn_plan_destroy(plan);
    tensors_destroy(tensors);
}

/* An output may begin where the last sample's gamma ends, but not before. */
static void test_overlap(void **state)
{
    const struct shape shape = {3, {3, 4, 5}, 2, GN_CHANNELS_FIRST, DEFAULT_EPS, GN_AFFINE_SAMPLE};
    gn_plan *plan = make_plan(&shape, GN_ISA_AUTO, 0);
    static float x[60], dy[60], stats[2][6] = {{0}, {1, 1, 1, 1, 1, 1}}, memory[80];
    (void)state;

    assert_int_equal(gn_forward(plan, x, memory, NULL, memory + 12, NULL, NULL), GN_OK);
    assert_int_equal(gn_forward(plan, x, memory, NULL, memory + 11, NULL, NULL),
                     GN_INVALID_ARGUMENT);
    assert_int_equal(
        gn_backward(plan, dy, x, stats[0], stats[1], NULL, NULL, memory + 12, memory, NULL), GN_OK);
    assert_int_equal(
        gn_backward(plan, dy, x, stats[0], stats[1], NULL, NULL, memory + 11, memory, NULL),
        GN_INVALID_ARGUMENT);
    gn_plan_destroy(plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_oracle),        cmocka_unit_test(test_hard),
        cmocka_unit_test(test_samples_alone), cmocka_unit_test(test_empty),
        cmocka_unit_test(test_overlap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
