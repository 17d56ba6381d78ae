/* SPDX-License-Identifier: MIT */
/*
 * If a process may have no more threads, calls must continue with fewer, print nothing, and give
 * the same bits. The argument names the limit. Each limit applies to the whole process and cannot
 * be undone.
 */
#define _GNU_SOURCE

#include "expect.h"
#include "process_limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 4 };

static const char *limit;

/* How the process uses OpenMP, directly or by a call, before the limit is set. */
enum history { NOTHING, TEAM_OF_TWO, TEAM_THAT_SHRANK, CALL_ON_TWO, HISTORIES };
static const char *const history_names[HISTORIES] = {"", "two", "shrank", "call"};
static enum history history;

static const struct shape shape = {3, {2, 32, 4097}, 8, GN_CHANNELS_FIRST, DEFAULTS};

/* The memory limit allows tensors, scratch memory and stacks of the default size, but not stacks of
 * the size in OMP_STACKSIZE. */
static const char *set_limit(void)
{
    if (strcmp(limit, "processes") == 0)
        return limit_processes();
    if (strcmp(limit, "memory") == 0)
        return limit_memory(getenv("OMP_STACKSIZE") || getenv("GOMP_STACKSIZE") ? 64ul << 20
                                                                                : 4ul << 20);
    return limit_group();
}

static int team_of(int threads)
{
    int found = 0;
#pragma omp parallel num_threads(threads)
#pragma omp atomic
    found++;
    return found;
}

/* A smaller team lets the other threads of the previous team exit, which takes a while. */
static void use_openmp(const gn_plan *plan, float *tensors[TENSORS])
{
    if (history == NOTHING)
        return;
    if (history == TEAM_THAT_SHRANK)
        assert_int_equal(call_forward(plan, tensors), GN_OK);
    if (history == CALL_ON_TWO) {
        gn_plan *two = make_plan(&shape, GN_ISA_AUTO, 2);
        assert_int_equal(call_forward(two, tensors), GN_OK);
        gn_plan_destroy(two);
    } else {
        assert_int_equal(team_of(2), 2);
    }
    wait_for_threads(2);
}

static void fill(float *tensors[TENSORS])
{
    tensors_create(&shape, tensors);
    tensors_fill(&shape, 31, tensors);
}

static int count_differences(float *const a[TENSORS], float *const b[TENSORS])
{
    int wrong = 0;

    for (int t = FIRST_OUTPUT; t < TENSORS; t++) {
        int64_t where;
        wrong += !same_bits(a[t], b[t], tensor_count(&shape, (enum tensor)t), &where);
    }
    return wrong;
}

static void test_limit(void **state)
{
    float *expected[TENSORS], *tensors[TENSORS];
    (void)state;

    fill(expected);
    fill(tensors);
    gn_plan *one = make_plan(&shape, GN_ISA_AUTO, 1);
    gn_plan *plan = make_plan(&shape, GN_ISA_AUTO, THREADS);
    assert_int_equal(call_forward(one, expected), GN_OK);
    assert_int_equal(call_backward(one, expected), GN_OK);
    use_openmp(plan, tensors);
    const char *why_not = set_limit();
    if (why_not)
        fail_msg("%s", why_not);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(call_forward(plan, tensors), GN_OK);
        assert_int_equal(call_backward(plan, tensors), GN_OK);
        assert_int_equal(count_differences(tensors, expected), 0);
    }
    /* If the process may have three threads, it has three, unless OpenMP uses one of them for
     * something else. */
    if (strcmp(limit, "three") == 0)
        assert_int_equal(threads_alive(), history == NOTHING || history == CALL_ON_TWO ? 3 : 2);
    gn_plan_destroy(one);
    gn_plan_destroy(plan);
    tensors_destroy(expected);
    tensors_destroy(tensors);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {silent_test(test_limit)};

    if (argc < 2) {
        fprintf(stderr, "usage: %s processes|memory|group|three [two|shrank|call]\n", argv[0]);
        return 2;
    }
    limit = argv[1];
    for (int i = 0; argc > 2 && i < HISTORIES; i++)
        if (strcmp(argv[2], history_names[i]) == 0)
            history = (enum history)i;
    const bool three = strcmp(limit, "three") == 0;
    const int most = three ? 3 : history == NOTHING ? 1 : 2;
    if ((three || strcmp(limit, "group") == 0) && !make_group(most))
        return SKIPPED;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
