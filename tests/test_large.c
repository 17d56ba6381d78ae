/* SPDX-License-Identifier: MIT */
/*
 * Tensors of more than 2^31 elements in little memory: two short files, one for the first half of
 * the tensor and one for the second, are mapped over and over. What the files hold is repeated a
 * whole number of times in each group, so that a short problem has the same statistics and the
 * same answers, and elements of y that share memory are equal.
 */
#define _GNU_SOURCE

#include "check.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* 2477260800 elements, 480 times the period; a group of 4 channels is 15 periods, or, channels
 * last, a part of each pixel. */
enum { CHANNELS = 128, GROUPS = 32, PERIODS = 480, PERIOD = 16384 * 315 };
static const int64_t dims[4] = {1, CHANNELS, 16128, 1200};

/* A tensor of the full size, and the two periods that it is made of. */
struct repeated {
    float *whole, *periods;
};

static struct repeated repeat(void)
{
    const size_t bytes = (size_t)PERIOD * sizeof(float);
    const int file = memfd_create("periods", 0);
    struct repeated repeated;

    assert_true(file >= 0 && ftruncate(file, (off_t)(2 * bytes)) == 0);
    char *base =
        mmap(NULL, PERIODS * bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_true(base != MAP_FAILED);
    for (size_t i = 0; i < PERIODS; i++) {
        const off_t half = i < PERIODS / 2 ? 0 : (off_t)bytes;
        assert_true(mmap(base + i * bytes, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
                         file, half) != MAP_FAILED);
    }
    repeated.whole = (float *)(void *)base;
    repeated.periods = mmap(NULL, 2 * bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    assert_true(repeated.periods != MAP_FAILED);
    close(file);
    return repeated;
}

static void unmap(struct repeated repeated)
{
    munmap(repeated.whole, (size_t)PERIODS * PERIOD * sizeof(float));
    munmap(repeated.periods, (size_t)2 * PERIOD * sizeof(float));
}

/* The short problem: channels first a group for each half; channels last all groups in few pixels,
 * half of them from each half. */
static struct oracle_problem short_problem(gn_layout layout, const float *x, const float *dy)
{
    const bool last = layout == GN_CHANNELS_LAST;

    return (struct oracle_problem){.n = 1,
                                   .c = last ? CHANNELS : 2,
                                   .s = last ? 2 * PERIOD / CHANNELS : PERIOD,
                                   .g = last ? GROUPS : 2,
                                   .channels_last = last,
                                   .eps = DEFAULT_EPS,
                                   .x = x,
                                   .dy = dy};
}

/* The statistics of all groups as those of the short problem's, which are fewer channels first. */
static int check_statistics(const struct oracle *oracle, gn_layout layout, enum tensor tensor,
                            const float *values)
{
    int wrong = 0;

    if (layout == GN_CHANNELS_LAST)
        return check_output(oracle, tensor, ORACLE_INDEPENDENT, values, "large");
    for (int g = 0; g < GROUPS / 2; g++) {
        const float pair[2] = {values[g], values[g + GROUPS / 2]};
        wrong += check_output(oracle, tensor, ORACLE_INDEPENDENT, pair, "large");
    }
    return wrong;
}

static void check_layout(gn_layout layout)
{
    const struct shape shape = {4, {dims[0], dims[1], dims[2], dims[3]}, GROUPS, layout, DEFAULTS};
    struct repeated x = repeat(), dy = repeat(), out = repeat();
    float mean[GROUPS], rstd[GROUPS];
    uint64_t random = 12;
    int wrong = 0;

    assert_int_equal(shape_elements(&shape), (int64_t)PERIODS * PERIOD);
    for (int64_t i = 0; i < 2 * PERIOD; i++) {
        x.periods[i] = (i < PERIOD ? 1 : 3) * random_normal(&random) + (i < PERIOD ? 0 : 5);
        dy.periods[i] = random_normal(&random);
    }
    gn_plan *plan = make_plan(&shape, GN_ISA_AUTO, 2);
    const struct oracle_problem problem = short_problem(layout, x.periods, dy.periods);
    struct oracle *oracle = oracle_create(&problem);
    assert_non_null(oracle);

    assert_int_equal(gn_forward(plan, x.whole, NULL, NULL, out.whole, mean, rstd), GN_OK);
    wrong += check_output(oracle, Y, ORACLE_INDEPENDENT, out.periods, "large");
    wrong += check_statistics(oracle, layout, MEAN, mean);
    wrong += check_statistics(oracle, layout, RSTD, rstd);

    memset(out.periods, 0xff, (size_t)2 * PERIOD * sizeof(float));
    assert_int_equal(
        gn_backward(plan, dy.whole, x.whole, mean, rstd, NULL, NULL, out.whole, NULL, NULL), GN_OK);
    wrong += check_output(oracle, DX, ORACLE_INDEPENDENT, out.periods, "large");

    oracle_destroy(oracle);
    gn_plan_destroy(plan);
    unmap(x);
    unmap(dy);
    unmap(out);
    assert_int_equal(wrong, 0);
}

static void test_channels_first(void **state)
{
    (void)state;
    if (quick() || sizeof(void *) < 8)
        skip();
    check_layout(GN_CHANNELS_FIRST);
}

static void test_channels_last(void **state)
{
    (void)state;
    if (quick() || sizeof(void *) < 8)
        skip();
    check_layout(GN_CHANNELS_LAST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_channels_first),
        cmocka_unit_test(test_channels_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
