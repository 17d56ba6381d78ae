/* SPDX-License-Identifier: MIT */
/* The bits must not depend on the number of threads, the instruction set, the repetition, the
 * caller, the other samples, or the place of the output. */
#include "check.h"
#include "patterns.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Shapes whose work is divided in every way: over samples, groups, rows, and within one group. */
static const struct shape shapes[] = {
    {4, {2, 48, 63, 65}, 6, GN_CHANNELS_FIRST, DEFAULTS},
    {4, {2, 48, 63, 65}, 6, GN_CHANNELS_LAST, DEFAULTS},
    {3, {1, 1, 300007}, 1, GN_CHANNELS_FIRST, DEFAULTS},
    {3, {1, 3, 100003}, 3, GN_CHANNELS_LAST, DEFAULTS},
    {3, {1, 7, 40961}, 1, GN_CHANNELS_FIRST, DEFAULTS},
    {3, {1, 7, 40961}, 1, GN_CHANNELS_LAST, DEFAULTS},
    {2, {700, 128}, 32, GN_CHANNELS_FIRST, DEFAULTS},
    {2, {700, 128}, 32, GN_CHANNELS_LAST, DEFAULTS},
    {3, {5, 320, 65}, 32, GN_CHANNELS_FIRST, DEFAULTS},
    {3, {5, 320, 65}, 32, GN_CHANNELS_LAST, DEFAULTS},
    {3, {2, 1, 2049}, 1, GN_CHANNELS_FIRST, DEFAULTS},
    {3, {3, 6, 16}, 3, GN_CHANNELS_LAST, DEFAULTS},
};
enum { SHAPES = sizeof(shapes) / sizeof(shapes[0]) };

static bool too_large(const struct shape *shape)
{
    return quick() && shape_elements(shape) > 10000;
}

static void execute(const struct shape *shape, gn_isa isa, int threads, float *tensors[TENSORS])
{
    gn_plan *plan = make_plan(shape, isa, threads);

    assert_int_equal(call_forward(plan, tensors), GN_OK);
    assert_int_equal(call_backward(plan, tensors), GN_OK);
    gn_plan_destroy(plan);
}

static int count_differences(const struct shape *shape, float *const a[TENSORS],
                             float *const b[TENSORS], const char *label)
{
    int wrong = 0;

    for (int t = FIRST_OUTPUT; t < TENSORS; t++) {
        int64_t where;
        char text[160];
        if (same_bits(a[t], b[t], tensor_count(shape, (enum tensor)t), &where))
            continue;
        print_error("%s: %s: %s[%lld] is %a or %a\n", label, shape_text(shape, text),
                    tensor_name((enum tensor)t), (long long)where, (double)a[t][where],
                    (double)b[t][where]);
        wrong++;
    }
    return wrong;
}

/* Includes ill-conditioned data: what is computed again or in f64 must not depend on the thread
 * that computes it. */
static void test_threads_and_isas(void **state)
{
    static const char *const names[] = {"normal",      "mean 1e4, deviation 1e-2",
                                        "magnitudes",  "starts of chunks far",
                                        "blocks jump", "near 1e38"};
    gn_isa isas[ISAS];
    const int count = available_isas(isas);
    int wrong = 0;
    (void)state;

    for (int i = 0; i < SHAPES; i++) {
        float *first[TENSORS], *tensors[TENSORS];

        if (too_large(&shapes[i]))
            continue;
        tensors_create(&shapes[i], first);
        tensors_create(&shapes[i], tensors);
        for (size_t p = 0; p < sizeof(names) / sizeof(names[0]); p++) {
            tensors_fill(&shapes[i], p, first);
            tensors_fill(&shapes[i], p, tensors);
            pattern_fill(&shapes[i], pattern_named(names[p])->value, p, first[X]);
            pattern_fill(&shapes[i], pattern_named(names[p])->value, p, tensors[X]);
            execute(&shapes[i], GN_ISA_GENERIC, 1, first);
            for (int threads = 1; threads <= 8; threads += p == 0 ? 1 : 3) {
                for (int isa = 0; isa < count; isa++) {
                    execute(&shapes[i], isas[isa], threads, tensors);
                    wrong += count_differences(&shapes[i], first, tensors, names[p]);
                }
            }
            execute(&shapes[i], GN_ISA_AUTO, 0, tensors);
            wrong += count_differences(&shapes[i], first, tensors, "automatic");
        }
        tensors_destroy(first);
        tensors_destroy(tensors);
    }
    assert_int_equal(wrong, 0);
}

static void test_in_parallel_region(void **state)
{
    enum { CALLERS = 4 };
    int wrong = 0;
    (void)state;

    for (int i = 0; i < SHAPES; i++) {
        float *first[TENSORS], *tensors[CALLERS][TENSORS];
        int statuses[CALLERS] = {0};

        if (too_large(&shapes[i]))
            continue;
        tensors_create(&shapes[i], first);
        tensors_fill(&shapes[i], 8, first);
        execute(&shapes[i], GN_ISA_GENERIC, 1, first);
        for (int k = 0; k < CALLERS; k++) {
            tensors_create(&shapes[i], tensors[k]);
            tensors_fill(&shapes[i], 8, tensors[k]);
        }
        gn_plan *plan = make_plan(&shapes[i], GN_ISA_AUTO, 0);
#pragma omp parallel for num_threads(CALLERS) schedule(static, 1)
        for (int k = 0; k < CALLERS; k++) {
            statuses[k] += call_forward(plan, tensors[k]) != GN_OK;
            statuses[k] += call_backward(plan, tensors[k]) != GN_OK;
        }
        gn_plan_destroy(plan);
        for (int k = 0; k < CALLERS; k++) {
            wrong += statuses[k];
            wrong += count_differences(&shapes[i], first, tensors[k], "in a parallel region");
            tensors_destroy(tensors[k]);
        }
        tensors_destroy(first);
    }
    assert_int_equal(wrong, 0);
}

/* Computes each sample by itself. dgamma and dbeta are not compared, because they are sums over all
 * samples. */
static void test_sample_alone(void **state)
{
    int wrong = 0;
    (void)state;

    for (int i = 0; i < SHAPES; i++) {
        const struct shape *shape = &shapes[i];
        struct shape alone = *shape;
        float *batch[TENSORS], *sample[TENSORS], *view[TENSORS];
        const int64_t step = shape->dims[0] > 100 ? 97 : 1;

        if (too_large(shape))
            continue;
        alone.dims[0] = 1;
        tensors_create(shape, batch);
        tensors_fill(shape, 21, batch);
        execute(shape, GN_ISA_AUTO, 0, batch);
        tensors_create(&alone, sample);
        for (int64_t n = 0; n < shape->dims[0]; n += step) {
            for (int t = 0; t < TENSORS; t++) {
                const int64_t count = tensor_count(&alone, (enum tensor)t);
                const bool by_sample = t != GAMMA && t != BETA && t != DGAMMA && t != DBETA;
                view[t] = batch[t] + (by_sample ? n * count : 0);
                if (t < FIRST_OUTPUT)
                    memcpy(sample[t], view[t], (size_t)count * sizeof(float));
            }
            execute(&alone, GN_ISA_AUTO, 0, sample);
            view[DGAMMA] = sample[DGAMMA];
            view[DBETA] = sample[DBETA];
            wrong += count_differences(&alone, view, sample, "sample alone");
        }
        tensors_destroy(batch);
        tensors_destroy(sample);
    }
    assert_int_equal(wrong, 0);
}

static void test_in_place(void **state)
{
    int wrong = 0;
    (void)state;

    for (int i = 0; i < SHAPES; i++) {
        const struct shape *shape = &shapes[i];
        const size_t bytes = (size_t)shape_elements(shape) * sizeof(float);

        for (int threads = 1; threads <= 2 && !too_large(shape); threads++) {
            float *separate[TENSORS], *within[TENSORS], *call[TENSORS];
            gn_plan *plan = make_plan(shape, GN_ISA_AUTO, threads);

            tensors_create(shape, separate);
            tensors_create(shape, within);
            tensors_fill(shape, 13, separate);
            tensors_fill(shape, 13, within);
            execute(shape, GN_ISA_AUTO, threads, separate);

            memcpy(call, within, sizeof(call));
            call[Y] = within[X];
            assert_int_equal(call_forward(plan, call), GN_OK);
            memcpy(within[Y], within[X], bytes);

            memcpy(within[X], separate[X], bytes);
            call[DX] = within[X];
            assert_int_equal(call_backward(plan, call), GN_OK);
            memcpy(within[DX], within[X], bytes);
            wrong += count_differences(shape, separate, within, "y and dx in x");

            memcpy(within[X], separate[X], bytes);
            call[DX] = within[DY];
            assert_int_equal(call_backward(plan, call), GN_OK);
            memcpy(within[DX], within[DY], bytes);
            wrong += count_differences(shape, separate, within, "dx in dy");

            gn_plan_destroy(plan);
            tensors_destroy(separate);
            tensors_destroy(within);
        }
    }
    assert_int_equal(wrong, 0);
}

/* NULL for gamma and beta must give the same bits as ones and zeros. */
static void test_defaults(void **state)
{
    int wrong = 0;
    (void)state;

    for (int i = 0; i < SHAPES; i++) {
        const struct shape *shape = &shapes[i];
        float *given[TENSORS], *absent[TENSORS], *call[TENSORS];

        if (too_large(shape))
            continue;
        tensors_create(shape, given);
        tensors_create(shape, absent);
        tensors_fill(shape, 17, given);
        tensors_fill(shape, 17, absent);
        for (int64_t c = 0; c < shape->dims[1]; c++) {
            given[GAMMA][c] = 1;
            given[BETA][c] = 0;
        }
        memcpy(call, absent, sizeof(call));
        call[GAMMA] = call[BETA] = NULL;
        execute(shape, GN_ISA_AUTO, 0, given);
        execute(shape, GN_ISA_AUTO, 0, call);
        wrong += count_differences(shape, given, absent, "NULL for ones and zeros");
        tensors_destroy(given);
        tensors_destroy(absent);
    }
    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads_and_isas), cmocka_unit_test(test_in_parallel_region),
        cmocka_unit_test(test_sample_alone),     cmocka_unit_test(test_in_place),
        cmocka_unit_test(test_defaults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
