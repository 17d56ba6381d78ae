/* SPDX-License-Identifier: MIT */
/* The library's allocations: there are none in the steady state, any of them can fail without harm,
 * and nothing is left over. test_alloc_concurrent.c checks the same for simultaneous calls. */
#define _POSIX_C_SOURCE 200809L

#include "interpose.h"
#include "support.h"

#include <omp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct shape shapes[] = {
    {3, {2, 32, 4097}, 8, GN_CHANNELS_FIRST, DEFAULTS},
    {3, {2, 32, 4097}, 8, GN_CHANNELS_LAST, DEFAULTS},
    {3, {1, 1, 100001}, 1, GN_CHANNELS_FIRST, DEFAULTS},
    {2, {300, 96}, 32, GN_CHANNELS_LAST, DEFAULTS},
};
enum { SHAPES = sizeof(shapes) / sizeof(shapes[0]) };

/* Whether allocations are counted and can be made to fail. */
static bool counted;

/* Runs both passes. Other tests check the results. */
static void execute(const gn_plan *plan, float *tensors[TENSORS])
{
    assert_int_equal(call_forward(plan, tensors), GN_OK);
    assert_int_equal(call_backward(plan, tensors), GN_OK);
}

static void test_steady_state(void **state)
{
    (void)state;

    for (int i = 0; i < SHAPES; i++) {
        for (int threads = 0; threads <= 2; threads++) {
            float *tensors[TENSORS];
            gn_plan *plan = make_plan(&shapes[i], GN_ISA_AUTO, threads);

            tensors_create(&shapes[i], tensors);
            tensors_fill(&shapes[i], 1, tensors);
            execute(plan, tensors); /* OpenMP starts its threads */
            interpose_arm(0);
            for (int round = 0; round < 5; round++)
                execute(plan, tensors);
            const struct interposed seen = interpose_disarm();
            assert_int_equal(seen.by_library, 0);
            assert_int_equal(seen.by_all, 0);
            gn_plan_destroy(plan);
            tensors_destroy(tensors);
        }
    }
    assert_int_equal(interpose_live(), 0);
}

/* The memory of a plan that was made for several threads is enough for fewer, although they divide
 * the work in another way. */
static void test_fewer_threads(void **state)
{
    const int before = omp_get_max_threads();
    const struct shape large = {4, {1, 64, 64, 1024}, 2, GN_CHANNELS_FIRST, DEFAULTS};
    (void)state;

    for (int i = 0; i <= SHAPES; i++) {
        const struct shape *shape = i < SHAPES ? &shapes[i] : &large;
        float *tensors[TENSORS];

        omp_set_num_threads(4);
        gn_plan *plan = make_plan(shape, GN_ISA_AUTO, 0);
        tensors_create(shape, tensors);
        tensors_fill(shape, 1, tensors);
        for (int threads = 4; threads > 0; threads--) {
            omp_set_num_threads(threads);
            interpose_arm(1);
            execute(plan, tensors);
            assert_int_equal(interpose_disarm().by_library, 0);
        }
        gn_plan_destroy(plan);
        tensors_destroy(tensors);
    }
    omp_set_num_threads(before);
    assert_int_equal(interpose_live(), 0);
}

static gn_status create_both(const struct shape *shape, gn_desc **desc, gn_plan **plan)
{
    gn_status status = gn_desc_create(desc, shape->rank, shape->dims);

    if (status != GN_OK)
        return status;
    gn_desc_set_groups(*desc, shape->groups);
    gn_desc_set_layout(*desc, shape->layout);
    return gn_plan_create(plan, *desc);
}

/* Each allocation of a descriptor and a plan fails in turn, until there is none left. */
static void test_creation(void **state)
{
    (void)state;

    for (int i = 0; i < SHAPES; i++) {
        for (int failing = 1;; failing++) {
            gn_desc *desc = NULL;
            gn_plan *plan = NULL;

            assert_in_range(failing, 1, 100);
            interpose_arm(failing);
            const gn_status status = create_both(&shapes[i], &desc, &plan);
            const struct interposed seen = interpose_disarm();
            gn_desc_destroy(desc);
            gn_plan_destroy(plan);
            assert_int_equal(interpose_live(), 0);
            if (!counted || !seen.failed) {
                assert_int_equal(status, GN_OK);
                assert_true(!counted || failing > 2); /* two handles are two allocations */
                break;
            }
            assert_int_equal(status, GN_OUT_OF_MEMORY);
            assert_true(strlen(gn_last_error()) > 0);
            assert_null(plan);
        }
    }
}

/* Makes one call on two threads. */
static void *execute_once(void *plan)
{
    float *tensors[TENSORS];

    tensors_create(&shapes[0], tensors);
    tensors_fill(&shapes[0], 1, tensors);
    const bool failed = call_forward(plan, tensors) != GN_OK;
    tensors_destroy(tensors);
    return failed ? plan : NULL;
}

/* A thread that makes calls on several threads allocates memory once. It is freed when that thread
 * and OpenMP's threads exit. */
static void test_callers_exit(void **state)
{
    const struct timespec millisecond = {0, 1000000};
    (void)state;

    gn_plan *plan = make_plan(&shapes[0], GN_ISA_AUTO, 2);
    for (int i = 0; i < 20; i++) {
        pthread_t id;
        void *failed;
        assert_int_equal(pthread_create(&id, NULL, execute_once, plan), 0);
        assert_int_equal(pthread_join(id, &failed), 0);
        assert_null(failed);
    }
    gn_plan_destroy(plan);
    /* libgomp's threads exit some time after the thread for which they worked. LLVM's thread stays
     * for the next caller, and keeps what it has from the last one until then. */
    for (int i = 0; i < 3000 && interpose_live() > 0; i++)
        nanosleep(&millisecond, NULL);
    assert_in_range(interpose_live(), 0, 1);
}

/* Lets this thread make its one-time allocations before anything is counted. */
static void start_team(void)
{
    gn_plan *plan = make_plan(&shapes[0], GN_ISA_AUTO, 2);
    assert_null(execute_once(plan));
    gn_plan_destroy(plan);
}

/* A plan that is refused after its creation has begun, because of the environment. */
static void test_refused(void **state)
{
    static const char *const wrong[][2] = {{"GN_ISA", "sse9"}, {"GN_CACHE", "-1"}};
    (void)state;

    for (int i = 0; i < 2; i++) {
        gn_desc *desc = make_desc(&shapes[0]);
        gn_plan *plan;

        assert_int_equal(setenv(wrong[i][0], wrong[i][1], 1), 0);
        assert_int_equal(gn_plan_create(&plan, desc), GN_INVALID_ARGUMENT);
        assert_int_equal(unsetenv(wrong[i][0]), 0);
        gn_desc_destroy(desc);
        assert_int_equal(interpose_live(), 0);
    }
}

/* A call on more threads than the plan was made for needs more scratch memory. If it cannot be
 * allocated, the plan keeps what it had, for the next call on fewer threads. */
static void test_larger_scratch(void **state)
{
    const int before = omp_get_max_threads();
    int failures = 0;
    (void)state;

    for (int i = 0; i < 2 * SHAPES; i++) {
        const struct shape *shape = &shapes[i / 2];
        const bool backward = i % 2;
        float *tensors[TENSORS];

        omp_set_num_threads(1);
        gn_plan *plan = make_plan(shape, GN_ISA_AUTO, 0);
        tensors_create(shape, tensors);
        tensors_fill(shape, 1, tensors);
        execute(plan, tensors);
        const int live = interpose_live();

        omp_set_num_threads(4);
        interpose_arm(1);
        const gn_status status =
            backward ? call_backward(plan, tensors) : call_forward(plan, tensors);
        const struct interposed seen = interpose_disarm();
        assert_int_equal(status, counted && seen.failed ? GN_OUT_OF_MEMORY : GN_OK);
        failures += seen.failed;
        assert_int_equal(interpose_live(), live);

        omp_set_num_threads(1);
        interpose_arm(0);
        execute(plan, tensors);
        assert_int_equal(interpose_disarm().by_library, 0);
        gn_plan_destroy(plan);
        tensors_destroy(tensors);
        assert_int_equal(interpose_live(), 0);
    }
    assert_true(!counted || failures > 0 || omp_get_num_procs() == 1);
    omp_set_num_threads(before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steady_state),   cmocka_unit_test(test_fewer_threads),
        cmocka_unit_test(test_creation),       cmocka_unit_test(test_refused),
        cmocka_unit_test(test_larger_scratch), cmocka_unit_test(test_callers_exit),
    };

    start_team();
    counted = interpose_start();
    if (!counted)
        print_message("the allocator is not ours: calls are made, none is counted or failed\n");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
