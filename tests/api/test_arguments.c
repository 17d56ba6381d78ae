/* SPDX-License-Identifier: MIT */
/* The pointers of gn_forward and gn_backward: which may be NULL, which alignment they need, and
 * what they may overlap. A refused call must leave every byte of every tensor unchanged. */
#include "expect.h"

#include <stdlib.h>
#include <string.h>

/* All tensors in one block, with gaps large enough to shift one by its own length, and a copy of
 * the block. */
enum { SPACING = 1024 };
static float block[TENSORS * SPACING], copy[TENSORS * SPACING];
static float *home[TENSORS];

static const struct shape shapes[] = {
    {3, {2, 12, 11}, 4, GN_CHANNELS_FIRST, DEFAULTS},
    {3, {2, 12, 11}, 4, GN_CHANNELS_LAST, DEFAULTS},
};
static gn_plan *plans[2];

static const unsigned forward_arguments =
    1u << X | 1u << GAMMA | 1u << BETA | 1u << Y | 1u << MEAN | 1u << RSTD;
static const unsigned backward_arguments = 1u << DY | 1u << X | 1u << MEAN | 1u << RSTD |
                                           1u << GAMMA | 1u << BETA | 1u << DX | 1u << DGAMMA |
                                           1u << DBETA;
static const unsigned forward_outputs = 1u << Y | 1u << MEAN | 1u << RSTD;
static const unsigned backward_outputs = 1u << DX | 1u << DGAMMA | 1u << DBETA;

static int make_plans(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++)
        plans[i] = make_plan(&shapes[i], GN_ISA_AUTO, 2);
    return 0;
}

static int destroy_plans(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++)
        gn_plan_destroy(plans[i]);
    return 0;
}

static void reset(float *tensors[TENSORS])
{
    uint64_t random = 5;

    for (int i = 0; i < TENSORS * SPACING; i++)
        block[i] = random_normal(&random);
    memcpy(copy, block, sizeof(block));
    for (int t = 0; t < TENSORS; t++)
        tensors[t] = home[t] = block + t * SPACING + SPACING / 3;
}

typedef gn_status call(const gn_plan *plan, float *const tensors[TENSORS]);

/* The call must be refused with an error message that names the tensor, and must change nothing. */
static void refuse(call *function, const gn_plan *plan, float *const tensors[TENSORS],
                   enum tensor culprit)
{
    expect_failure(function(plan, tensors), GN_INVALID_ARGUMENT, tensor_name(culprit));
    assert_memory_equal(block, copy, sizeof(block));
}

static void test_null(void **state)
{
    static const unsigned forward_needs = 1u << X | 1u << Y;
    static const unsigned backward_needs = 1u << DY | 1u << X | 1u << MEAN | 1u << RSTD;
    float *tensors[TENSORS];
    (void)state;

    for (int i = 0; i < 2; i++) {
        for (int t = 0; t < TENSORS; t++) {
            reset(tensors);
            tensors[t] = NULL;
            if (forward_needs & 1u << t)
                refuse(call_forward, plans[i], tensors, (enum tensor)t);
            else
                assert_int_equal(call_forward(plans[i], tensors), GN_OK);
            reset(tensors);
            tensors[t] = NULL;
            if (backward_needs & 1u << t)
                refuse(call_backward, plans[i], tensors, (enum tensor)t);
            else
                assert_int_equal(call_backward(plans[i], tensors), GN_OK);
        }
    }
    reset(tensors);
    expect_failure(call_forward(NULL, tensors), GN_INVALID_ARGUMENT, "plan", "NULL");
    expect_failure(call_backward(NULL, tensors), GN_INVALID_ARGUMENT, "plan", "NULL");
    assert_memory_equal(block, copy, sizeof(block));

    tensors[DX] = tensors[DGAMMA] = tensors[DBETA] = NULL;
    assert_int_equal(call_backward(plans[0], tensors), GN_OK);
    assert_memory_equal(block, copy, sizeof(block));
}

/* A tensor of one element needs a pointer; a tensor of none does not. */
static void test_null_of_one(void **state)
{
    const struct shape one = {2, {1, 1}, 1, GN_CHANNELS_FIRST, DEFAULTS};
    static const enum tensor needed[] = {X, Y, DY, MEAN, RSTD};
    gn_plan *plan = make_plan(&one, GN_ISA_AUTO, 1);
    float *tensors[TENSORS];
    (void)state;

    for (int i = 0; i < 5; i++) {
        reset(tensors);
        tensors[needed[i]] = NULL;
        if (needed[i] == X || needed[i] == Y)
            refuse(call_forward, plan, tensors, needed[i]);
        if (needed[i] != Y)
            refuse(call_backward, plan, tensors, needed[i]);
    }
    gn_plan_destroy(plan);
}

static void test_misaligned(void **state)
{
    float *tensors[TENSORS];
    (void)state;

    for (int t = 0; t < TENSORS; t++) {
        for (int bytes = 1; bytes < 4; bytes++) {
            reset(tensors);
            /* Copies the pointer as bytes, because a misaligned float pointer is undefined
             * behaviour. */
            void *shifted = (char *)home[t] + bytes;
            memcpy(&tensors[t], &shifted, sizeof(shifted));
            if (forward_arguments & 1u << t)
                refuse(call_forward, plans[0], tensors, (enum tensor)t);
            if (backward_arguments & 1u << t)
                refuse(call_backward, plans[0], tensors, (enum tensor)t);
        }
    }
}

/* Whether the output may be in the same place as the other tensor. */
static bool may_be(enum tensor output, enum tensor other)
{
    return (output == Y && other == X) || (output == DX && (other == DY || other == X));
}

static void check_overlaps(call *function, unsigned arguments, unsigned outputs, int which)
{
    const gn_plan *plan = plans[which];
    float *tensors[TENSORS];

    for (int output = 0; output < TENSORS; output++) {
        for (int other = 0; other < TENSORS; other++) {
            if (output == other || !(outputs & 1u << output) || !(arguments & 1u << other))
                continue;
            const int64_t count = tensor_count(&shapes[which], (enum tensor)output);
            const int64_t other_count = tensor_count(&shapes[which], (enum tensor)other);
            const int64_t shifts[] = {1, -1, other_count - 1, 1 - count, 0};

            for (int i = 0; i < 5; i++) {
                reset(tensors);
                tensors[output] = home[other] + shifts[i];
                if (shifts[i] == 0 && may_be((enum tensor)output, (enum tensor)other))
                    assert_int_equal(function(plan, tensors), GN_OK);
                else
                    refuse(function, plan, tensors, (enum tensor)output);
            }
            /* Adjacent tensors do not overlap. */
            for (int i = 0; i < 2; i++) {
                reset(tensors);
                tensors[output] = home[other] + (i ? other_count : -count);
                assert_int_equal(function(plan, tensors), GN_OK);
            }
        }
    }
}

static void test_overlap(void **state)
{
    float *tensors[TENSORS];
    (void)state;

    for (int i = 0; i < 2; i++) {
        check_overlaps(call_forward, forward_arguments, forward_outputs, i);
        check_overlaps(call_backward, backward_arguments, backward_outputs, i);
    }
    /* Inputs may overlap each other, and both outputs of one call may be in place. */
    reset(tensors);
    tensors[BETA] = tensors[GAMMA];
    tensors[Y] = tensors[X];
    assert_int_equal(call_forward(plans[0], tensors), GN_OK);
    tensors[DX] = tensors[DY] = tensors[X];
    assert_int_equal(call_backward(plans[0], tensors), GN_OK);
}

/* A caller that ignores a failed creation passes NULL to the next function. */
static void test_after_failure(void **state)
{
    float *tensors[TENSORS];
    gn_desc *desc;
    gn_plan *plan;
    char text[8] = "intact";
    (void)state;

    reset(tensors);
    assert_int_equal(gn_desc_create(&desc, 0, NULL), GN_INVALID_ARGUMENT);
    assert_int_equal(gn_desc_set_groups(desc, 4), GN_INVALID_ARGUMENT);
    assert_int_equal(gn_plan_create(&plan, desc), GN_INVALID_ARGUMENT);
    assert_int_equal(call_forward(plan, tensors), GN_INVALID_ARGUMENT);
    assert_int_equal(call_backward(plan, tensors), GN_INVALID_ARGUMENT);
    assert_int_equal(gn_plan_describe(plan, text, sizeof(text)), -1);
    assert_string_equal(text, "intact");
    gn_plan_destroy(plan);
    gn_desc_destroy(desc);
    assert_memory_equal(block, copy, sizeof(block));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        silent_test(test_null),    silent_test(test_null_of_one),   silent_test(test_misaligned),
        silent_test(test_overlap), silent_test(test_after_failure),
    };
    return cmocka_run_group_tests(tests, make_plans, destroy_plans);
}
