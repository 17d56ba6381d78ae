/* SPDX-License-Identifier: MIT */
/*
 * What the library allocates, and when it cannot: nothing in the steady state, every allocation
 * failed in turn, nothing left over.
 */
#define _DEFAULT_SOURCE

#include "guard.h"
#include "interpose.h"
#include "support.h"

#include <omp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static const struct shape shapes[] = {
    {3, {2, 32, 4097}, 8, GN_CHANNELS_FIRST, DEFAULTS},
    {3, {2, 32, 4097}, 8, GN_CHANNELS_LAST, DEFAULTS},
    {3, {1, 1, 100001}, 1, GN_CHANNELS_FIRST, DEFAULTS},
    {2, {300, 96}, 32, GN_CHANNELS_LAST, DEFAULTS},
};
enum { SHAPES = sizeof(shapes) / sizeof(shapes[0]) };

/* Allocations are counted and can be made to fail. */
static bool counted;

/* Runs both passes; the outputs are right by other tests, here they are only made. */
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

/* What a plan took for some threads does for fewer, which share the work out otherwise. */
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

/* Each allocation of creating a descriptor and a plan fails in turn, until none is left to fail. */
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

/*
 * A call that stops in the middle, holding the plan's scratch memory: its input lies on a page that
 * cannot be read yet, and the signal handler waits before it makes that page readable.
 */
static char *blocked_page;
static size_t page;
static atomic_int waiting, released;

static void wait_and_release(int number, siginfo_t *info, void *context)
{
    const struct timespec pause = {0, 1000000};
    const char *address = info->si_addr;
    (void)context;

    if (address < blocked_page || address >= blocked_page + page) {
        signal(number, SIG_DFL);
        return;
    }
    atomic_store(&waiting, 1);
    while (!atomic_load(&released))
        nanosleep(&pause, NULL);
    mprotect(blocked_page, page, PROT_READ | PROT_WRITE);
}

struct blocked_call {
    gn_plan *plan;
    float *tensors[TENSORS];
    bool backward;
    gn_status status;
};

static void *call_and_block(void *argument)
{
    struct blocked_call *call = argument;

    call->status = call->backward ? call_backward(call->plan, call->tensors)
                                  : call_forward(call->plan, call->tensors);
    return NULL;
}

/* While another call has the plan's scratch, every allocation of this one fails in turn. Returns
 * how many there were. */
static int fail_each(const struct shape *shape, const gn_plan *plan, float *const tensors[TENSORS],
                     bool backward)
{
    static struct guarded outputs[TENSORS];
    int failures = 0;

    for (int failing = 1;; failing++) {
        float *call[TENSORS];

        assert_in_range(failing, 1, 100);
        for (int t = 0; t < TENSORS; t++) {
            const bool output = backward ? t >= DX : t >= Y && t < DX;
            call[t] = tensors[t];
            if (!output)
                continue;
            guard_place(&outputs[t], (size_t)tensor_count(shape, (enum tensor)t), AT_END);
            call[t] = outputs[t].data;
        }
        interpose_arm(failing);
        const gn_status status = backward ? call_backward(plan, call) : call_forward(plan, call);
        const struct interposed seen = interpose_disarm();
        if (!counted || !seen.failed) {
            assert_int_equal(status, GN_OK);
            for (int t = FIRST_OUTPUT; t < TENSORS; t++) {
                if (call[t] != tensors[t])
                    assert_memory_equal(call[t], tensors[t],
                                        (size_t)tensor_count(shape, (enum tensor)t) *
                                            sizeof(float));
            }
            return failures;
        }
        failures++;
        assert_int_equal(status, GN_OUT_OF_MEMORY);
        assert_true(strlen(gn_last_error()) > 0);
        for (int t = FIRST_OUTPUT; t < TENSORS; t++)
            assert_true(call[t] == tensors[t] || guard_untouched(&outputs[t]));
    }
}

/* Starts a call that blocks in x's first page, runs fail_each beside it, and lets it end. */
static int check_overlapping(const struct shape *shape, bool backward)
{
    const size_t bytes = (size_t)shape_elements(shape) * sizeof(float);
    const size_t mapped = (bytes + page - 1) / page * page;
    struct blocked_call blocked = {.plan = make_plan(shape, GN_ISA_AUTO, 1), .backward = backward};
    float *tensors[TENSORS], *own_x;
    const struct timespec pause = {0, 1000000};
    pthread_t thread;

    tensors_create(shape, tensors);
    tensors_create(shape, blocked.tensors);
    tensors_fill(shape, 2, tensors);
    tensors_fill(shape, 2, blocked.tensors);
    execute(blocked.plan, tensors);
    execute(blocked.plan, blocked.tensors);
    const int before = interpose_live();

    blocked_page = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(blocked_page != MAP_FAILED);
    memcpy(blocked_page, tensors[X], bytes);
    own_x = blocked.tensors[X];
    blocked.tensors[X] = (float *)(void *)blocked_page;
    atomic_store(&waiting, 0);
    atomic_store(&released, 0);
    assert_int_equal(mprotect(blocked_page, page, PROT_NONE), 0);
    assert_int_equal(pthread_create(&thread, NULL, call_and_block, &blocked), 0);
    while (!atomic_load(&waiting))
        nanosleep(&pause, NULL);

    const int failures = fail_each(shape, blocked.plan, tensors, backward);
    atomic_store(&released, 1);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(blocked.status, GN_OK);
    for (int t = FIRST_OUTPUT; t < TENSORS; t++)
        assert_memory_equal(blocked.tensors[t], tensors[t],
                            (size_t)tensor_count(shape, (enum tensor)t) * sizeof(float));
    assert_int_equal(interpose_live(), before);

    blocked.tensors[X] = own_x;
    munmap(blocked_page, mapped);
    tensors_destroy(tensors);
    tensors_destroy(blocked.tensors);
    gn_plan_destroy(blocked.plan);
    return failures;
}

static void test_overlapping_calls(void **state)
{
    const struct sigaction action = {.sa_sigaction = wait_and_release, .sa_flags = SA_SIGINFO};
    struct sigaction kept;
    int failures = 0;
    (void)state;

    /* Valgrind does not have all registers in order when a signal handler returns. */
    if (quick())
        skip();
    page = (size_t)sysconf(_SC_PAGESIZE);
    assert_int_equal(sigaction(SIGSEGV, &action, &kept), 0);
    for (int i = 0; i < SHAPES; i++) {
        failures += check_overlapping(&shapes[i], false);
        failures += check_overlapping(&shapes[i], true);
    }
    assert_int_equal(sigaction(SIGSEGV, &kept, NULL), 0);
    /* dgamma and dbeta need sums by sample: there is always something to allocate. */
    assert_true(!counted || failures > 0);
    assert_int_equal(interpose_live(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steady_state),
        cmocka_unit_test(test_fewer_threads),
        cmocka_unit_test(test_creation),
        cmocka_unit_test(test_overlapping_calls),
    };

    counted = interpose_start();
    if (!counted)
        print_message("the allocator is not ours: calls are made, none is counted or failed\n");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
