/* SPDX-License-Identifier: MIT */
/*
 * Tensors of more than 2^31 elements in little memory: two short files, one for each half of the
 * tensor, are mapped over and over. Each group contains a whole number of repetitions of them, so
 * that a short problem has the same statistics and the same results, and elements of y that share
 * memory are equal.
 */
#define _GNU_SOURCE

#include "problem.h"
#include "progress.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* 2477260800 elements, which is 480 periods. A group of 4 channels is 15 periods in channels first,
 * and a part of each pixel in channels last. */
enum { CHANNELS = 128, GROUPS = 32, PERIODS = 480, PERIOD = 16384 * 315 };
static const int64_t dims[4] = {1, CHANNELS, 16128, 1200};

/* A tensor of the full size, and the two periods that it repeats. */
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
        assert_true(mmap(base + i * bytes, bytes, PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_FIXED | MAP_POPULATE, file, half) != MAP_FAILED);
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

/* Shared by both layouts, because mapping them takes as long as a pass. */
static struct repeated x, dy, out;

/* The short problem. In channels first it has one group per half. In channels last it has all
 * groups in few pixels, half of them from each half. */
static struct problem short_problem(gn_layout layout)
{
    struct shape shape = {3, {1, 2, PERIOD}, 2, layout, DEFAULTS};
    float *const tensors[TENSORS] = {[X] = x.periods, [DY] = dy.periods};
    struct problem problem;

    if (layout == GN_CHANNELS_LAST) {
        shape.dims[1] = CHANNELS;
        shape.dims[2] = 2 * PERIOD / CHANNELS;
        shape.groups = GROUPS;
    }
    problem_given(&problem, &shape, tensors, "large");
    problem.bound = ORACLE_INDEPENDENT;
    problem.no_gamma = problem.no_beta = true;
    return problem;
}

/* A problem of the full size, its result, and the statistics for gn_backward. */
struct large {
    struct problem problem; /* the short one */
    struct oracle *oracle;
    gn_plan *plan;
    float mean[GROUPS], rstd[GROUPS];
};

/* Compares the statistics of all groups with those of the short problem, which has fewer groups in
 * channels first. */
static int check_statistics(const struct large *large, enum role role, const float *values)
{
    int wrong = 0;

    if (large->problem.shape.layout == GN_CHANNELS_LAST)
        return problem_compare(&large->problem, large->oracle, role, values);
    for (int g = 0; g < GROUPS / 2; g++) {
        const float pair[2] = {values[g], values[g + GROUPS / 2]};
        wrong += problem_compare(&large->problem, large->oracle, role, pair);
    }
    return wrong;
}

static void large_create(struct large *large, gn_layout layout)
{
    const struct shape shape = {4, {dims[0], dims[1], dims[2], dims[3]}, GROUPS, layout, DEFAULTS};

    *large = (struct large){.problem = short_problem(layout)};
    assert_int_equal(shape_elements(&shape), (int64_t)PERIODS * PERIOD);
    large->plan = make_plan(&shape, GN_ISA_AUTO, 2);
    large->oracle = problem_oracle(&large->problem, false);
}

static void large_destroy(struct large *large)
{
    oracle_destroy(large->oracle);
    gn_plan_destroy(large->plan);
}

static void clear_output(void)
{
    memset(out.periods, 0xff, (size_t)2 * PERIOD * sizeof(float));
}

static int check_forward(struct large *large)
{
    clear_output();
    assert_int_equal(
        gn_forward(large->plan, x.whole, NULL, NULL, out.whole, large->mean, large->rstd), GN_OK);
    return problem_compare(&large->problem, large->oracle, R_Y, out.periods) +
           check_statistics(large, R_MEAN, large->mean) +
           check_statistics(large, R_RSTD, large->rstd);
}

static int check_backward(struct large *large)
{
    clear_output();
    assert_int_equal(gn_backward(large->plan, dy.whole, x.whole, large->mean, large->rstd, NULL,
                                 NULL, out.whole, NULL, NULL),
                     GN_OK);
    return problem_compare(&large->problem, large->oracle, R_DX, out.periods);
}

/* Computes what gn_forward would store, if the short problem has all groups. */
static void exact_statistics(struct large *large)
{
    assert_int_equal(oracle_count(large->oracle, ORACLE_MEAN), GROUPS);
    for (int g = 0; g < GROUPS; g++) {
        large->mean[g] = (float)oracle_at(large->oracle, ORACLE_MEAN, g).value;
        large->rstd[g] = (float)oracle_at(large->oracle, ORACLE_RSTD, g).value;
    }
}

/* Whether to do half of the work: forward in channels first, and backward in channels last. */
static bool in_short;

static bool too_much(void)
{
    return quick() || sizeof(void *) < 8;
}

static int map_tensors(void **state)
{
    uint64_t random = 12;
    (void)state;

    if (too_much())
        return 0;
    x = repeat();
    dy = repeat();
    out = repeat();
    for (int64_t i = 0; i < 2 * PERIOD; i++) {
        x.periods[i] = (i < PERIOD ? 1 : 3) * random_normal(&random) + (i < PERIOD ? 0 : 5);
        dy.periods[i] = random_normal(&random);
    }
    return 0;
}

static int unmap_tensors(void **state)
{
    (void)state;
    if (too_much())
        return 0;
    unmap(x);
    unmap(dy);
    unmap(out);
    return 0;
}

static void test_channels_first(void **state)
{
    struct large large;
    int wrong = 0;
    (void)state;

    if (too_much())
        skip();
    progress("pass", 1, in_short ? 2 : 4);
    large_create(&large, GN_CHANNELS_FIRST);
    wrong += check_forward(&large);
    if (!in_short) {
        progress("pass", 2, 4);
        wrong += check_backward(&large);
    }
    large_destroy(&large);
    assert_int_equal(wrong, 0);
}

static void test_channels_last(void **state)
{
    struct large large;
    int wrong = 0;
    (void)state;

    if (too_much())
        skip();
    progress("pass", in_short ? 2 : 3, in_short ? 2 : 4);
    large_create(&large, GN_CHANNELS_LAST);
    if (in_short) {
        exact_statistics(&large);
    } else {
        wrong += check_forward(&large);
        progress("pass", 4, 4);
    }
    wrong += check_backward(&large);
    large_destroy(&large);
    assert_int_equal(wrong, 0);
}

/* With the argument "short", runs half of the passes. */
int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_channels_first),
        cmocka_unit_test(test_channels_last),
    };
    in_short = argc > 1 && strcmp(argv[1], "short") == 0;
    return cmocka_run_group_tests(tests, map_tensors, unmap_tensors);
}
