/* SPDX-License-Identifier: MIT */
/* One plan on many threads at once, in a forked child, and with more threads than it was made for.
 * Also threads that share the groups of a sample. */
#define _GNU_SOURCE

#include "check.h"
#include "expect.h"
#include "kind.h"

#include <omp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct shape shapes[] = {
    {3, {2, 32, 4097}, 8, GN_CHANNELS_FIRST, DEFAULTS},
    {3, {2, 32, 4097}, 8, GN_CHANNELS_LAST, DEFAULTS},
    {3, {1, 1, 400001}, 1, GN_CHANNELS_FIRST, DEFAULTS},
    {2, {300, 96}, 32, GN_CHANNELS_LAST, DEFAULTS},
};
enum { SHAPES = sizeof(shapes) / sizeof(shapes[0]), CALLERS = 8 };

static int rounds(void)
{
    return quick() ? 2 : 20;
}

/* Computes the result that every caller must get. */
static void reference(const struct shape *shape, float *tensors[TENSORS])
{
    gn_plan *plan = make_plan(shape, GN_ISA_GENERIC, 1);

    tensors_create(shape, tensors);
    tensors_fill(shape, 31, tensors);
    assert_int_equal(call_forward(plan, tensors), GN_OK);
    assert_int_equal(call_backward(plan, tensors), GN_OK);
    gn_plan_destroy(plan);
}

struct caller {
    const struct shape *shape;
    const gn_plan *plan;
    float *const *expected;
    float *tensors[TENSORS];
    int wrong;
};

static void clear_outputs(struct caller *caller)
{
    for (int t = FIRST_OUTPUT; t < TENSORS; t++)
        memset(caller->tensors[t], 0xff,
               (size_t)tensor_count(caller->shape, (enum tensor)t) * sizeof(float));
}

/* It makes no assertions, because cmocka's must not be used outside of the main thread. */
static void execute(struct caller *caller)
{
    clear_outputs(caller);
    caller->wrong += call_forward(caller->plan, caller->tensors) != GN_OK;
    caller->wrong += call_backward(caller->plan, caller->tensors) != GN_OK;
    for (int t = FIRST_OUTPUT; t < TENSORS; t++) {
        int64_t where;
        caller->wrong += !same_bits(caller->expected[t], caller->tensors[t],
                                    tensor_count(caller->shape, (enum tensor)t), &where);
    }
}

static void *execute_rounds(void *caller)
{
    for (int i = 0; i < rounds(); i++)
        execute(caller);
    return NULL;
}

static void create_caller(struct caller *caller, const struct shape *shape, const gn_plan *plan,
                          float *const *expected)
{
    *caller = (struct caller){.shape = shape, .plan = plan, .expected = expected};
    tensors_create(shape, caller->tensors);
    tensors_fill(shape, 31, caller->tensors);
}

static void check_callers(const struct shape *shape, int threads)
{
    float *expected[TENSORS];
    struct caller callers[CALLERS];
    pthread_t ids[CALLERS];

    reference(shape, expected);
    gn_plan *plan = make_plan(shape, GN_ISA_AUTO, threads);
    for (int i = 0; i < CALLERS; i++)
        create_caller(&callers[i], shape, plan, expected);
    for (int i = 0; i < CALLERS; i++)
        assert_int_equal(pthread_create(&ids[i], NULL, execute_rounds, &callers[i]), 0);
    for (int i = 0; i < CALLERS; i++) {
        assert_int_equal(pthread_join(ids[i], NULL), 0);
        assert_int_equal(callers[i].wrong, 0);
        tensors_destroy(callers[i].tensors);
    }
    gn_plan_destroy(plan);
    tensors_destroy(expected);
}

static void test_one_plan_many_threads(void **state)
{
    (void)state;

    for (int i = 0; i < SHAPES; i++) {
        check_callers(&shapes[i], 1);
        check_callers(&shapes[i], 3);
    }
}

static void test_parallel_region(void **state)
{
    (void)state;

    for (int i = 0; i < SHAPES; i++) {
        float *expected[TENSORS];
        struct caller callers[CALLERS];

        reference(&shapes[i], expected);
        gn_plan *plan = make_plan(&shapes[i], GN_ISA_AUTO, 4);
        for (int k = 0; k < CALLERS; k++)
            create_caller(&callers[k], &shapes[i], plan, expected);
#pragma omp parallel for num_threads(CALLERS) schedule(static, 1)
        for (int k = 0; k < CALLERS; k++)
            execute_rounds(&callers[k]);
        for (int k = 0; k < CALLERS; k++) {
            assert_int_equal(callers[k].wrong, 0);
            tensors_destroy(callers[k].tensors);
        }
        gn_plan_destroy(plan);
        tensors_destroy(expected);
    }
}

/* The plan is made while OpenMP gives one thread; the call gets eight. */
static void test_more_threads_later(void **state)
{
    const int before = omp_get_max_threads();
    (void)state;

    for (int i = 0; i < SHAPES; i++) {
        float *expected[TENSORS];
        struct caller caller;

        reference(&shapes[i], expected);
        omp_set_num_threads(1);
        gn_plan *plan = make_plan(&shapes[i], GN_ISA_AUTO, 0);
        create_caller(&caller, &shapes[i], plan, expected);
        for (int threads = 8; threads > 0; threads -= 3) {
            omp_set_num_threads(threads);
            execute(&caller);
        }
        assert_int_equal(caller.wrong, 0);
        tensors_destroy(caller.tensors);
        gn_plan_destroy(plan);
        tensors_destroy(expected);
    }
    omp_set_num_threads(before);
}

/*
 * All threads share one group. It has an activation and a mean so far from 0 that the rounding of
 * the mean is computed from x before the sums. The test detects, though not every time, a thread
 * that continues before all have reached a barrier.
 */
static void test_shared_group(void **state)
{
    static const struct shape large[] = {{3, {1, 1, 400001}, 1, GN_CHANNELS_FIRST, DEFAULTS},
                                         {3, {1, 8, 50001}, 1, GN_CHANNELS_LAST, DEFAULTS}};
    const struct kind kinds[] = {{GN_F32, GN_F32, GN_F32, GN_ACTIVATION_SILU, GN_SKIP_TENSOR},
                                 {GN_F32, GN_F32, GN_F32, GN_ACTIVATION_IDENTITY, GN_SKIP_TENSOR}};
    int wrong = 0;
    (void)state;

    for (int i = 0; i < 4; i++) {
        const struct shape *shape = &large[i % 2];
        float *expected[TENSORS];
        struct caller caller;

        tensors_create(shape, expected);
        tensors_fill(shape, 31, expected);
        for (int64_t k = 0; k < shape_elements(shape); k++)
            expected[X][k] += 1000;
        gn_plan *one = make_plan_of(shape, &kinds[i / 2], GN_ISA_AUTO, 1);
        assert_int_equal(call_forward(one, expected), GN_OK);
        assert_int_equal(call_backward(one, expected), GN_OK);
        gn_plan_destroy(one);

        gn_plan *plan = make_plan_of(shape, &kinds[i / 2], GN_ISA_AUTO, 5);
        create_caller(&caller, shape, plan, expected);
        memcpy(caller.tensors[X], expected[X], (size_t)shape_elements(shape) * sizeof(float));
        for (int k = 0; k < 5 * rounds(); k++)
            execute(&caller);
        wrong += caller.wrong;
        tensors_destroy(caller.tensors);
        gn_plan_destroy(plan);
        tensors_destroy(expected);
    }
    assert_int_equal(wrong, 0);
}

static void expect_threads(int set, int expected)
{
    char text[40];
    gn_desc *desc = make_desc(&shapes[0]);

    assert_int_equal(gn_desc_set_threads(desc, set), GN_OK);
    char *description = description_of(desc);
    snprintf(text, sizeof(text), "\"threads\":%d,", expected);
    if (!strstr(description, text))
        fail_msg("%s has not %s", description, text);
    free(description);
    gn_desc_destroy(desc);
}

/* The automatic number of threads is at most the number of processors that the process may use. */
static void test_processors(void **state)
{
    const int before = omp_get_max_threads(), processors = omp_get_num_procs();
    cpu_set_t all, one;
    (void)state;

    omp_set_num_threads(100000);
    expect_threads(0, processors < 17 ? processors : 17); /* 262208 elements are worth 17 threads */
    assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
    CPU_ZERO(&one);
    for (size_t cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; cpu++)
        if (CPU_ISSET(cpu, &all))
            CPU_SET(cpu, &one);
    assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
    expect_threads(0, omp_get_num_procs()); /* 1, except with LLVM's OpenMP, which asks only once */
    expect_threads(3, 3);
    assert_int_equal(sched_setaffinity(0, sizeof(all), &all), 0);
    omp_set_num_threads(1);
    expect_threads(0, 1);
    omp_set_num_threads(before);
}

/* Also in a parallel region of one thread, which OpenMP does not call active. If a call there used
 * several threads, OpenMP would make a new team each time. */
static void test_region_of_one(void **state)
{
    (void)state;
#pragma omp parallel num_threads(1)
    expect_threads(3, 1);
    expect_threads(3, 3);
}

/* If a process has used OpenMP, its child has none of OpenMP's threads. A call that waits for them
 * never returns, and the alarm ends it. */
static void check_child(struct caller *caller, bool new_plan)
{
    const pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0) {
        alarm(20);
        if (new_plan)
            caller->plan = make_plan(caller->shape, GN_ISA_AUTO, 4);
        execute(caller);
        execute(caller);
        _exit(caller->wrong);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_false(WIFSIGNALED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_fork(void **state)
{
    (void)state;

    for (int i = 0; i < SHAPES; i++) {
        float *expected[TENSORS];
        struct caller caller;

        reference(&shapes[i], expected);
        gn_plan *plan = make_plan(&shapes[i], GN_ISA_AUTO, 4);
        create_caller(&caller, &shapes[i], plan, expected);
        execute(&caller);
        check_child(&caller, false);
        check_child(&caller, true);
        execute(&caller); /* the parent must continue as before */
        assert_int_equal(caller.wrong, 0);
        tensors_destroy(caller.tensors);
        gn_plan_destroy(plan);
        tensors_destroy(expected);
    }
}

/* Groups whose coefficients are computed separately, beside others that another thread computes.
 * The test detects, though not every time, a thread that writes outside of its own groups. */
static void test_neighbours_in_f64(void **state)
{
    static const int64_t channels[] = {160, 264, 320, 1056};
    int wrong = 0;
    (void)state;

    for (int i = 0; i < 8; i++) {
        const struct shape shape = {3,
                                    {1, channels[i / 2], 1 + 131072 / channels[i / 2]},
                                    32 - i / 2 % 2 * 8,
                                    GN_CHANNELS_LAST,
                                    DEFAULTS};
        const struct check check = {
            .shape = shape, .bound = ORACLE_ALWAYS, .label = "neighbours in f64"};
        float *tensors[TENSORS];

        tensors_create(&shape, tensors);
        tensors_fill(&shape, 3, tensors);
        for (int64_t c = 0; c < channels[i / 2]; c += 90)
            tensors[i % 2 ? GAMMA : BETA][c] = i % 2 ? 1e-39f : 1e35f;
        wrong += check_against_oracle(&check, tensors);
        for (int k = 0; k < (quick() ? 1 : 20); k++)
            wrong += check_variants(&check, tensors);
        tensors_destroy(tensors);
    }
    assert_int_equal(wrong, 0);
}

/*
 * A call that needs more threads than there were tries with all signals blocked whether they can be
 * made. Afterwards the calling thread's signals are as before: some blocked, others not.
 */
static void test_signals(void **state)
{
    sigset_t blocked, after;
    float *tensors[TENSORS];
    gn_plan *plan = make_plan(&shapes[0], GN_ISA_AUTO, 3);
    (void)state;

    tensors_create(&shapes[0], tensors);
    tensors_fill(&shapes[0], 1, tensors);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    assert_int_equal(pthread_sigmask(SIG_BLOCK, &blocked, NULL), 0);
    assert_int_equal(call_forward(plan, tensors), GN_OK);
    assert_int_equal(pthread_sigmask(SIG_UNBLOCK, &blocked, &after), 0);
    assert_int_equal(sigismember(&after, SIGUSR1), 1);
    for (int number = 1; number < 32; number++)
        if (number != SIGUSR1)
            assert_int_equal(sigismember(&after, number), 0);
    tensors_destroy(tensors);
    gn_plan_destroy(plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signals), /* the first, as the threads are then still to be made */
        cmocka_unit_test(test_one_plan_many_threads),
        cmocka_unit_test(test_parallel_region),
        cmocka_unit_test(test_more_threads_later),
        cmocka_unit_test(test_processors),
        cmocka_unit_test(test_region_of_one),
        cmocka_unit_test(test_shared_group),
        cmocka_unit_test(test_neighbours_in_f64),
        cmocka_unit_test(test_fork),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
