/* SPDX-License-Identifier: MIT */
/* The stack that a call uses, which must not exceed what groupnorm.h states. */
#define _GNU_SOURCE

#include "kind.h"
#include "typed.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* The limit in groupnorm.h, the size of the stack that is filled, and the byte that fills it. */
enum { PROMISED = 48 << 10, WHOLE = 1 << 20, PAINT = 0xa5 };

static const struct shape shapes[] = {
    {3, {2, 8, 9000}, 2, GN_CHANNELS_FIRST, DEFAULTS},
    {3, {2, 64, 49}, 8, GN_CHANNELS_FIRST, DEFAULTS},
    {3, {2, 64, 700}, 8, GN_CHANNELS_LAST, DEFAULTS},
    {2, {30, 64}, 16, GN_CHANNELS_FIRST, DEFAULTS},
    {2, {30, 70}, 2, GN_CHANNELS_FIRST, DEFAULTS},
};
static const gn_type types[] = {GN_F32, GN_F64, GN_BF16, GN_F16};
enum { SHAPES = sizeof(shapes) / sizeof(shapes[0]), TYPES = sizeof(types) / sizeof(types[0]) };

struct call {
    const gn_plan *plan;
    void *data[9]; /* x, gamma, beta, y, mean, rstd, dy, dx, dgamma: each is large enough */
    int failed;
};

static void *make_call(void *argument)
{
    struct call *c = argument;
    void **d = c->data;

    c->failed = gn_forward_add(c->plan, d[0], d[0], d[1], d[2], d[7], d[3], d[4], d[5]) != GN_OK;
    c->failed += gn_backward_add(c->plan, d[6], d[7], d[4], d[5], d[1], d[2], d[3], NULL, d[8],
                                 NULL) != GN_OK;
    return NULL;
}

static void *do_nothing(void *argument)
{
    return argument;
}

/* The number of bytes of a stack that a thread with this function writes. */
static size_t used_by(void *(*function)(void *), void *argument, unsigned char *stack)
{
    pthread_attr_t attributes;
    pthread_t id;
    size_t clean = 0;

    memset(stack, PAINT, WHOLE);
    assert_int_equal(pthread_attr_init(&attributes), 0);
    assert_int_equal(pthread_attr_setstack(&attributes, stack, WHOLE), 0);
    assert_int_equal(pthread_create(&id, &attributes, function, argument), 0);
    assert_int_equal(pthread_join(id, NULL), 0);
    assert_int_equal(pthread_attr_destroy(&attributes), 0);
    while (clean < WHOLE && stack[clean] == PAINT)
        clean++;
    return WHOLE - clean;
}

static void test_stack(void **state)
{
    enum { BYTES = 8 * 2 * 64 * 9000 };
    unsigned char *stack =
        mmap(NULL, WHOLE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct call call = {0};
    gn_isa isas[ISAS];
    const int isa_count = available_isas(isas);
    size_t most = 0;
    (void)state;

    assert_true(stack != MAP_FAILED);
    for (int i = 0; i < 9; i++) {
        call.data[i] = calloc(1, BYTES);
        assert_non_null(call.data[i]);
    }
    const size_t nothing = used_by(do_nothing, NULL, stack);
    for (int i = 0; i < SHAPES * TYPES * ACTIVATIONS * isa_count; i++) {
        const gn_type type = types[i / isa_count % TYPES];
        const struct kind kind = {
            type, type, type, (gn_activation)(i / isa_count / TYPES % ACTIVATIONS), GN_SKIP_TENSOR};
        gn_plan *plan = make_plan_of(&shapes[i / isa_count / TYPES / ACTIVATIONS], &kind,
                                     isas[i % isa_count], 1);
        call.plan = plan;
        const size_t used = used_by(make_call, &call, stack);
        assert_int_equal(call.failed, 0);
        most = used > most ? used : most;
        gn_plan_destroy(plan);
    }
    print_message("%zu bytes of stack, %zu of them a thread's own\n", most, nothing);
    assert_in_range(most - nothing, 0, PROMISED);
    for (int i = 0; i < 9; i++)
        free(call.data[i]);
    munmap(stack, WHOLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_stack)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
