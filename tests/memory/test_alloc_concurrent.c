/* SPDX-License-Identifier: MIT */
/*
 * Simultaneous calls of one plan. Only one of them can use the plan's scratch memory. The test
 * checks what the others allocate, what happens if an allocation fails, and what remains
 * afterwards.
 */
#define _DEFAULT_SOURCE

#include "interpose.h"
#include "memory.h"
#include "support.h"

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

/* Whether allocations are counted and can be made to fail. */
static bool counted;

/* Runs both passes. */
static void execute(const gn_plan *plan, float *tensors[TENSORS])
{
    assert_int_equal(call_forward(plan, tensors), GN_OK);
    assert_int_equal(call_backward(plan, tensors), GN_OK);
}

/* A call that stops in the middle while it holds scratch memory: the first page of x cannot be read
 * at first, and the signal handler waits before it makes the page readable. */
enum { GATES = 2 };
static struct gate {
    char *memory;
    size_t mapped;
    atomic_int waiting, released;
} gates[GATES];
static size_t page;

static void pause_briefly(void)
{
    const struct timespec pause = {0, 1000000};

    nanosleep(&pause, NULL);
}

static void wait_and_release(int number, siginfo_t *info, void *context)
{
    const char *address = info->si_addr;
    (void)context;

    for (int i = 0; i < GATES; i++) {
        struct gate *gate = &gates[i];
        if (!gate->memory || address < gate->memory || address >= gate->memory + page)
            continue;
        atomic_store(&gate->waiting, 1);
        while (!atomic_load(&gate->released))
            pause_briefly();
        mprotect(gate->memory, page, PROT_READ | PROT_WRITE);
        return;
    }
    signal(number, SIG_DFL);
}

struct blocked_call {
    const struct shape *shape;
    gn_plan *plan;
    float *tensors[TENSORS], *own_x;
    bool backward;
    struct gate *gate;
    pthread_t thread;
    gn_status status;
};

static void *call_and_block(void *argument)
{
    struct blocked_call *call = argument;

    call->status = call->backward ? call_backward(call->plan, call->tensors)
                                  : call_forward(call->plan, call->tensors);
    return NULL;
}

/* Makes the call's own tensors and executes both passes on them. */
static void prepare_call(struct blocked_call *call)
{
    tensors_create(call->shape, call->tensors);
    tensors_fill(call->shape, 2, call->tensors);
    execute(call->plan, call->tensors);
}

/* Starts the call, and returns when it waits. */
static void start_blocked(struct blocked_call *call, int which)
{
    const size_t bytes = (size_t)shape_elements(call->shape) * sizeof(float);
    struct gate *gate = &gates[which];

    gate->mapped = (bytes + page - 1) / page * page;
    gate->memory =
        mmap(NULL, gate->mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(gate->memory != MAP_FAILED);
    memcpy(gate->memory, call->tensors[X], bytes);
    call->gate = gate;
    call->own_x = call->tensors[X];
    call->tensors[X] = (float *)(void *)gate->memory;
    atomic_store(&gate->waiting, 0);
    atomic_store(&gate->released, 0);
    assert_int_equal(mprotect(gate->memory, page, PROT_NONE), 0);
    assert_int_equal(pthread_create(&call->thread, NULL, call_and_block, call), 0);
    while (!atomic_load(&gate->waiting))
        pause_briefly();
}

/* Lets the call end, and compares its results with `tensors`. */
static void end_blocked(struct blocked_call *call, float *const tensors[TENSORS])
{
    atomic_store(&call->gate->released, 1);
    assert_int_equal(pthread_join(call->thread, NULL), 0);
    assert_int_equal(call->status, GN_OK);
    for (int t = FIRST_OUTPUT; t < TENSORS; t++)
        assert_memory_equal(call->tensors[t], tensors[t],
                            (size_t)tensor_count(call->shape, (enum tensor)t) * sizeof(float));
    munmap(call->gate->memory, call->gate->mapped);
    call->gate->memory = NULL;
    call->tensors[X] = call->own_x;
    tensors_destroy(call->tensors);
}

/* While another call holds the plan's scratch memory, makes every allocation of this call fail in
 * turn. Returns how many allocations there were. */
static int fail_each(const struct shape *shape, const gn_plan *plan, float *const tensors[TENSORS],
                     bool backward)
{
    int failures = 0;

    for (int failing = 1;; failing++) {
        struct memory outputs = {0};
        float *call[TENSORS];

        assert_in_range(failing, 1, 100);
        for (int t = 0; t < TENSORS; t++) {
            const bool output = backward ? t >= DX : t >= Y && t < DX;
            const size_t bytes = (size_t)tensor_count(shape, (enum tensor)t) * sizeof(float);
            call[t] = output ? memory_take(&outputs, bytes, sizeof(float), AT_END) : tensors[t];
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
            memory_free(&outputs);
            return failures;
        }
        failures++;
        assert_int_equal(status, GN_OUT_OF_MEMORY);
        assert_true(strlen(gn_last_error()) > 0);
        assert_true(memory_free(&outputs));
    }
}

/* A plan, and tensors with the results of both passes. */
static gn_plan *make_executed(const struct shape *shape, float *tensors[TENSORS])
{
    gn_plan *plan = make_plan(shape, GN_ISA_AUTO, 1);

    tensors_create(shape, tensors);
    tensors_fill(shape, 2, tensors);
    execute(plan, tensors);
    return plan;
}

/* Runs fail_each while a call waits, whose direction is `backward`; fail_each uses `beside`. */
static int check_overlapping(const struct shape *shape, bool backward, bool beside)
{
    float *tensors[TENSORS];
    gn_plan *plan = make_executed(shape, tensors);
    struct blocked_call blocked = {.shape = shape, .plan = plan, .backward = backward};

    prepare_call(&blocked);
    const int before = interpose_live();
    start_blocked(&blocked, 0);
    const int failures = fail_each(shape, plan, tensors, beside);
    end_blocked(&blocked, tensors);
    assert_int_equal(interpose_live(), before);
    tensors_destroy(tensors);
    gn_plan_destroy(plan);
    return failures;
}

/* Two calls wait, and the second ends last. The memory that it leaves must be enough for either
 * direction. */
static void check_left_behind(const struct shape *shape, bool backward)
{
    float *tensors[TENSORS];
    gn_plan *plan = make_executed(shape, tensors);
    struct blocked_call first = {.shape = shape, .plan = plan, .backward = !backward};
    struct blocked_call second = {.shape = shape, .plan = plan, .backward = backward};

    prepare_call(&first);
    prepare_call(&second);
    start_blocked(&first, 0);
    start_blocked(&second, 1);
    end_blocked(&first, tensors);
    end_blocked(&second, tensors);
    interpose_arm(0);
    execute(plan, tensors);
    assert_int_equal(interpose_disarm().by_library, 0);
    tensors_destroy(tensors);
    gn_plan_destroy(plan);
}

static void test_overlapping_calls(void **state)
{
    const struct sigaction action = {.sa_sigaction = wait_and_release, .sa_flags = SA_SIGINFO};
    struct sigaction saved;
    int failures = 0;
    (void)state;

    /* Under valgrind, not all registers are restored when a signal handler returns. */
    if (quick())
        skip();
    page = (size_t)sysconf(_SC_PAGESIZE);
    assert_int_equal(sigaction(SIGSEGV, &action, &saved), 0);
    for (int i = 0; i < (int)(sizeof(shapes) / sizeof(shapes[0])); i++) {
        for (int way = 0; way < 4; way++)
            failures += check_overlapping(&shapes[i], way & 1, way & 2);
        check_left_behind(&shapes[i], false);
        check_left_behind(&shapes[i], true);
    }
    assert_int_equal(sigaction(SIGSEGV, &saved, NULL), 0);
    /* dgamma and dbeta need sums per sample, so there is always something to allocate. */
    assert_true(!counted || failures > 0);
    assert_int_equal(interpose_live(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_overlapping_calls)};

    counted = interpose_start();
    if (!counted)
        print_message("the allocator is not ours: calls are made, none is counted or failed\n");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
