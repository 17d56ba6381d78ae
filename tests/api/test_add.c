/* SPDX-License-Identifier: MIT */
/* gn_forward_add and gn_backward_add: which calls they refuse, what a missing tensor or argument
 * means, and empty tensors. test_fuzz.c checks their values. */
#include "expect.h"
#include "kind.h"

#include <math.h>
#include <string.h>

enum { N = 2, C = 4, S = 6, ALL = N * C * S, G = 2 };

static const struct shape shape = {3, {N, C, S}, G, GN_CHANNELS_FIRST, DEFAULTS};

/* Every tensor of a call. A copy of the struct is a copy of all of them. */
struct tensors {
    float x[ALL], skip[ALL], sum[ALL], y[ALL], dx[ALL], dskip[N * C], mean[N * G], rstd[N * G];
};

static void fill(struct tensors *t)
{
    uint64_t random = 4;
    float *all = (float *)t;

    for (size_t i = 0; i < sizeof(*t) / sizeof(*all); i++)
        all[i] = random_normal(&random);
}

static gn_plan *plan_with(gn_skip skip)
{
    const struct kind kind = {GN_F32, GN_F32, GN_F32, GN_ACTIVATION_IDENTITY, skip};
    return make_plan_of(&shape, &kind, GN_ISA_AUTO, 1);
}

static void test_refused(void **state)
{
    struct tensors t, saved;
    gn_plan *plan = plan_with(GN_SKIP_TENSOR), *channels = plan_with(GN_SKIP_CHANNEL);
    (void)state;

    fill(&t);
    saved = t;
    expect_failure(gn_forward_add(NULL, t.x, t.skip, NULL, NULL, t.sum, t.y, NULL, NULL),
                   GN_INVALID_ARGUMENT, "plan is NULL");
    expect_failure(gn_forward_add(plan, t.x, NULL, NULL, NULL, t.sum, t.y, NULL, NULL),
                   GN_INVALID_ARGUMENT, "skip is NULL");
    expect_failure(gn_forward_add(plan, t.x, t.skip, NULL, NULL, t.sum, NULL, NULL, NULL),
                   GN_INVALID_ARGUMENT, "y is NULL");
    expect_failure(gn_forward_add(plan, t.x, t.skip, NULL, NULL, t.sum, t.sum, NULL, NULL),
                   GN_INVALID_ARGUMENT, "sum", "overlaps y");
    expect_failure(gn_forward_add(plan, t.x, t.skip + 1, NULL, NULL, t.skip, t.y, NULL, NULL),
                   GN_INVALID_ARGUMENT, "sum", "overlaps skip");
    /* A skip of [N, C] is not a tensor in whose place y or sum can be. */
    expect_failure(gn_forward_add(channels, t.x, t.y, NULL, NULL, t.sum, t.y, NULL, NULL),
                   GN_INVALID_ARGUMENT, "y", "overlaps skip");
    expect_failure(
        gn_forward_add(plan, (char *)t.x + 1, t.skip, NULL, NULL, t.sum, t.y, NULL, NULL),
        GN_INVALID_ARGUMENT, "x", "aligned");
    expect_failure(
        gn_backward_add(plan, t.y, NULL, t.mean, t.rstd, NULL, NULL, t.dx, NULL, NULL, NULL),
        GN_INVALID_ARGUMENT, "sum is NULL");
    expect_failure(
        gn_backward_add(plan, t.y, t.sum, t.mean, t.rstd, NULL, NULL, t.dx, t.dx, NULL, NULL),
        GN_INVALID_ARGUMENT, "dskip", "overlaps");
    expect_failure(
        gn_backward_add(plan, t.y, t.sum, t.mean, t.rstd, NULL, NULL, t.dx, t.y, NULL, NULL),
        GN_INVALID_ARGUMENT, "dskip", "overlaps dy");
    assert_memory_equal(&t, &saved, sizeof(t));
    gn_plan_destroy(plan);
    gn_plan_destroy(channels);
}

/* A y that is narrower than x cannot hold the sum. */
static void test_narrow(void **state)
{
    const struct kind kind = {GN_F32, GN_BF16, GN_F32, GN_ACTIVATION_IDENTITY, GN_SKIP_TENSOR};
    gn_plan *plan = make_plan_of(&shape, &kind, GN_ISA_AUTO, 1);
    struct tensors t, saved;
    (void)state;

    fill(&t);
    saved = t;
    expect_failure(gn_forward_add(plan, t.x, t.skip, NULL, NULL, NULL, t.y, NULL, NULL),
                   GN_UNSUPPORTED, "sum is NULL", "bf16", "supported");
    assert_memory_equal(&t, &saved, sizeof(t));
    assert_int_equal(gn_forward_add(plan, t.x, t.skip, NULL, NULL, t.sum, t.y, NULL, NULL), GN_OK);
    gn_plan_destroy(plan);
}

/* dskip is the same with and without dx, also if channels have one element. */
static void test_dskip_alone(void **state)
{
    const struct shape shapes[] = {
        shape, {3, {N, C, S}, G, GN_CHANNELS_LAST, DEFAULTS}, {2, {N, C}, G, 0, DEFAULTS}};
    (void)state;

    for (int i = 0; i < 3; i++) {
        const struct kind kind = {GN_F32, GN_F32, GN_F32, GN_ACTIVATION_SILU, GN_SKIP_CHANNEL};
        gn_plan *plan = make_plan_of(&shapes[i], &kind, GN_ISA_AUTO, 1);
        float alone[N * C];
        struct tensors t;

        fill(&t);
        assert_int_equal(gn_forward_add(plan, t.x, t.skip, NULL, NULL, t.sum, t.y, t.mean, t.rstd),
                         GN_OK);
        assert_int_equal(gn_backward_add(plan, t.y, t.sum, t.mean, t.rstd, NULL, NULL, t.dx,
                                         t.dskip, NULL, NULL),
                         GN_OK);
        assert_int_equal(
            gn_backward_add(plan, t.y, t.sum, t.mean, t.rstd, NULL, NULL, NULL, alone, NULL, NULL),
            GN_OK);
        assert_memory_equal(alone, t.dskip, sizeof(alone));
        gn_plan_destroy(plan);
    }
}

/*
 * A sum of shorter floats that is not stored is computed in a y of floats, in pieces: every element
 * gets its own channel's skip. All x are 0, so the mean of a channel's sums is its skip.
 */
static void test_skip_of_long_channels(void **state)
{
    enum { LONG = 1500, CHANNELS = 2 };
    const struct shape long_rows = {3, {2, CHANNELS, LONG}, CHANNELS, GN_CHANNELS_FIRST, DEFAULTS};
    const struct kind kind = {GN_BF16, GN_F32, GN_F32, GN_ACTIVATION_IDENTITY, GN_SKIP_CHANNEL};
    static const uint16_t x[2 * CHANNELS * LONG];
    static const uint16_t skip[2 * CHANNELS] = {0x3f80, 0x4000, 0xc000, 0x4080}; /* 1, 2, -2, 4 */
    static const float means[2 * CHANNELS] = {1, 2, -2, 4};
    static float y[2 * CHANNELS * LONG];
    float mean[2 * CHANNELS];
    gn_plan *plan = make_plan_of(&long_rows, &kind, GN_ISA_AUTO, 1);
    (void)state;

    assert_int_equal(gn_forward_add(plan, x, skip, NULL, NULL, NULL, y, mean, NULL), GN_OK);
    assert_memory_equal(mean, means, sizeof(means));
    for (int i = 0; i < 2 * CHANNELS * LONG; i++)
        assert_true(y[i] == 0);
    gn_plan_destroy(plan);
}

static void test_empty(void **state)
{
    const struct shape empty[] = {{3, {0, C, S}, G, GN_CHANNELS_FIRST, DEFAULTS},
                                  {3, {N, C, 0}, G, GN_CHANNELS_LAST, DEFAULTS}};
    const struct kind kind = {GN_F64, GN_F64, GN_F64, GN_ACTIVATION_SILU, GN_SKIP_CHANNEL};
    (void)state;

    for (int i = 0; i < 2; i++) {
        gn_plan *plan = make_plan_of(&empty[i], &kind, GN_ISA_AUTO, 1);
        double skip[N * C] = {0}, mean[N * G], rstd[N * G], dskip[N * C], dgamma[C];

        memset(dskip, 1, sizeof(dskip));
        memset(dgamma, 1, sizeof(dgamma));
        assert_int_equal(gn_forward_add(plan, NULL, skip, NULL, NULL, NULL, NULL, mean, rstd),
                         GN_OK);
        assert_int_equal(
            gn_backward_add(plan, NULL, NULL, mean, rstd, NULL, NULL, NULL, dskip, dgamma, NULL),
            GN_OK);
        for (int c = 0; c < C; c++)
            assert_true(dgamma[c] == 0);
        for (int c = 0; i == 1 && c < N * C; c++)
            assert_true(dskip[c] == 0);
        for (int g = 0; i == 1 && g < N * G; g++)
            assert_true(isnan(mean[g]) && isnan(rstd[g]));
        gn_plan_destroy(plan);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        silent_test(test_refused),          silent_test(test_narrow),
        cmocka_unit_test(test_dskip_alone), cmocka_unit_test(test_skip_of_long_channels),
        cmocka_unit_test(test_empty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
