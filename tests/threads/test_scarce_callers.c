/* SPDX-License-Identifier: MIT */
/*
 * Callers in a control group that gives the process few threads: several of them at once, or one
 * that is first refused threads and then loses some. OpenMP ends the process if it does not get a
 * thread that it wants. The argument says which test to run.
 */
#define _GNU_SOURCE

#include "process_limits.h"
#include "support.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CALLERS = 8, THREADS = 4, ROUNDS = 10 };

static const struct shape shape = {3, {2, 32, 4097}, 8, GN_CHANNELS_FIRST, DEFAULTS};
static const gn_plan *plan;
static float *x;

/* Each caller has its own y. */
static bool call(void)
{
    float *y = malloc((size_t)shape_elements(&shape) * sizeof(float));
    const bool right = y && gn_forward(plan, x, NULL, NULL, y, NULL, NULL) == GN_OK;

    free(y);
    return right;
}

static void limit(void)
{
    const char *why_not = limit_group();

    if (why_not)
        fail_msg("%s", why_not);
}

static pthread_barrier_t begin;

static void *call_together(void *failed)
{
    pthread_barrier_wait(&begin);
    for (int i = 0; i < 3; i++)
        if (!call())
            *(bool *)failed = true;
    return NULL;
}

/* If one caller has found a thread to be available, no other may take it before OpenMP does. */
static void test_callers(void **state)
{
    (void)state;

    limit();
    for (int round = 0; round < ROUNDS; round++) {
        pthread_t ids[CALLERS];
        bool failed[CALLERS] = {false};

        wait_for_threads(1);
        assert_int_equal(pthread_barrier_init(&begin, NULL, CALLERS), 0);
        for (int i = 0; i < CALLERS; i++)
            assert_int_equal(pthread_create(&ids[i], NULL, call_together, &failed[i]), 0);
        for (int i = 0; i < CALLERS; i++) {
            assert_int_equal(pthread_join(ids[i], NULL), 0);
            assert_false(failed[i]);
        }
        assert_int_equal(pthread_barrier_destroy(&begin), 0);
    }
}

static void *sleep_long(void *over)
{
    pthread_barrier_wait(over);
    return NULL;
}

/* A number of threads that was available once may not be available later. */
static void test_refused(void **state)
{
    pthread_t ids[2];
    int found = 0;
    (void)state;

    limit();
    assert_true(call());
#pragma omp parallel num_threads(2) reduction(+ : found)
    found++;
    assert_int_equal(found, 2);
    wait_for_threads(2);
    assert_int_equal(pthread_barrier_init(&begin, NULL, 3), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&ids[i], NULL, sleep_long, &begin), 0);
    for (int i = 0; i < 10; i++)
        assert_true(call());
    pthread_barrier_wait(&begin);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_join(ids[i], NULL), 0);
}

static void *call_cancelled(void *returned)
{
    pthread_cancel(pthread_self());
    *(bool *)returned = call();
    return NULL;
}

/* A call is not a cancellation point, and a thread is not cancelled in the middle of it. */
static void test_cancelled(void **state)
{
    pthread_t id;
    bool returned = false;
    (void)state;

    assert_int_equal(pthread_create(&id, NULL, call_cancelled, &returned), 0);
    assert_int_equal(pthread_join(id, NULL), 0);
    assert_true(returned);
}

static const struct {
    const char *name;
    int most, threads; /* of the group (0: there is none), of the plan */
    struct CMUnitTest test;
} cases[] = {
    {"callers", CALLERS + 1 + 3, THREADS, cmocka_unit_test(test_callers)},
    {"refused", 4, 8, cmocka_unit_test(test_refused)},
    {"cancelled", 0, THREADS, cmocka_unit_test(test_cancelled)},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (strcmp(argv[1], cases[i].name) != 0)
            continue;
        if (cases[i].most && !make_group(cases[i].most))
            return SKIPPED;
        const struct CMUnitTest tests[] = {cases[i].test};
        gn_plan *made = make_plan(&shape, GN_ISA_AUTO, cases[i].threads);
        plan = made;
        x = calloc((size_t)shape_elements(&shape), sizeof(float));
        const int failed = x ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
        free(x);
        gn_plan_destroy(made);
        return failed;
    }
    fprintf(stderr, "usage: %s callers|refused|cancelled\n", argv[0]);
    return 2;
}
