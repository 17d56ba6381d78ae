/* SPDX-License-Identifier: MIT */
/* OMP_THREAD_LIMIT, with which this test runs, lets OpenMP make fewer threads than the process may
 * have. The library must test the number of threads once, not in every call. */
#define _GNU_SOURCE

#include "support.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

typedef int create(pthread_t *id, const pthread_attr_t *attributes, void *(*run)(void *),
                   void *argument);

static atomic_int created;

/* Replaces the C library's function, also for the library under test. */
int pthread_create(pthread_t *id, const pthread_attr_t *attributes, void *(*run)(void *),
                   void *argument)
{
    static create *real;

    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
    atomic_fetch_add(&created, 1);
    return real(id, attributes, run, argument);
}

enum { THREADS = 8 };

static void test_trials(void **state)
{
    const struct shape shape = {3, {2, 32, 4097}, 8, GN_CHANNELS_FIRST, DEFAULTS};
    gn_plan *plan = make_plan(&shape, GN_ISA_AUTO, THREADS);
    float *tensors[TENSORS];
    (void)state;

    tensors_create(&shape, tensors);
    tensors_fill(&shape, 1, tensors);
    assert_int_equal(call_forward(plan, tensors), GN_OK);
    const int first = atomic_load(&created);
    assert_in_range(first, 1, 2 * (THREADS - 1));
    for (int i = 0; i < 100; i++)
        assert_int_equal(call_backward(plan, tensors), GN_OK);
    assert_int_equal(atomic_load(&created), first);
    tensors_destroy(tensors);
    gn_plan_destroy(plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_trials)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
