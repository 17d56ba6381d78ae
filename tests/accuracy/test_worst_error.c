/* SPDX-License-Identifier: MIT */
/*
 * Searches by optimization for the largest error in units of the first column of bounds. The groups
 * have three different values and 2 to 2^24 elements, in an arrangement for which rounding errors
 * are large. The search changes them a little at a time as long as some error grows. With three
 * values, an exact result is a sum of three terms.
 *
 * GN_TEST_SEARCH_SECONDS is the duration of the search, 3 by default. Its seed is fixed.
 */
#define _POSIX_C_SOURCE 200809L

#include "worst.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const char *const names[RESULTS] = {"mean", "rstd", "y", "dx", "dgamma", "dbeta"};

struct found {
    double error;
    struct problem problem;
};

/* 0, or within 2^-30 to 2^30, because errors below the normal numbers have other bounds. */
static float limited(float value)
{
    const float size = fabsf(value);
    return size == 0 || (size >= 0x1p-30f && size <= 0x1p30f) ? value : 1;
}

static float nudged(float value, uint64_t *random)
{
    switch (random_range(random, 0, 6)) {
    case 0:
        return nextafterf(value, INFINITY);
    case 1:
        return nextafterf(value, -INFINITY);
    case 2:
        return -value;
    case 3:
        return ldexpf(value, (int)random_range(random, -3, 3));
    case 4:
        return value * (1 + 0.1f * random_uniform(random));
    case 5:
        return 0;
    default:
        return random_uniform(random);
    }
}

static struct problem changed(struct problem p, uint64_t *random)
{
    const int64_t m = INT64_C(1) << p.log2_m;
    const int which = (int)random_range(random, 0, 9);

    if (which < 3)
        p.x[which] = limited(nudged(p.x[which], random));
    else if (which < 6)
        p.dy[which - 3] = limited(nudged(p.dy[which - 3], random));
    else if (which == 6)
        p.at = random_range(random, 0, m - 1);
    else if (which == 7)
        p.duty = (int)random_range(random, 0, p.period);
    else if (which == 8)
        p.period = (int)random_range(random, 1, 16);
    else /* moves all values by the same, which changes |mean * rstd| */
        for (int c = 0, k = (int)random_range(random, -4, 4); c < CLASSES; c++)
            p.x[c] += ldexpf(random_uniform(random) > 0 ? 1 : -1, k);
    return p;
}

/* The start of a search: one outlier, for which |mean * rstd| is about 1, or far below or above. */
static struct problem start(int log2_m, uint64_t *random)
{
    struct problem p = {.log2_m = log2_m,
                        .f64 = random_range(random, 0, 3) == 0,
                        .period = 8,
                        .duty = 1,
                        .last = random_range(random, 0, 1)};
    const float far = ldexpf(1, (int)random_range(random, -6, 1 + log2_m / 2));

    p.x[0] = 1 + random_uniform(random);
    p.x[1] =
        random_range(random, 0, 1) ? p.x[0] : p.x[0] + ldexpf(1, (int)random_range(random, -24, 3));
    p.x[2] = p.x[0] * far;
    for (int c = 0; c < CLASSES; c++)
        p.dy[c] = random_range(random, 0, 2) ? 1 : 0;
    return p;
}

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void keep_worst(struct found found[RESULTS], const struct problem *p,
                       const double errors[RESULTS])
{
    for (int k = 0; k < RESULTS; k++)
        if (!(errors[k] <= found[k].error)) {
            found[k].error = errors[k];
            found[k].problem = *p;
        }
}

/* Starts at a random problem and increases the error of one result until it has not grown for a
 * while. */
static void climb(int log2_m, int result, uint64_t *random, struct found found[RESULTS],
                  double deadline)
{
    double errors[RESULTS];
    struct problem best = start(log2_m, random);

    worst_evaluate(&best, errors);
    keep_worst(found, &best, errors);
    double height = errors[result];
    for (int idle = 0; idle < 60 && seconds() < deadline; idle++) {
        const struct problem next = changed(best, random);
        worst_evaluate(&next, errors);
        keep_worst(found, &next, errors);
        if (errors[result] > height) {
            height = errors[result];
            best = next;
            idle = 0;
        }
    }
}

static void print_found(const struct found *f, const char *name)
{
    const struct problem *p = &f->problem;

    print_message("%-6s %.3f bounds: %s, m = 2^%d, channels %s, element %lld, %d of %d, "
                  "x = %a %a %a, dy = %a %a %a\n",
                  name, f->error, p->f64 ? "f64" : "f32", p->log2_m, p->last ? "last" : "first",
                  (long long)p->at, p->duty, p->period, (double)p->x[0], (double)p->x[1],
                  (double)p->x[2], (double)p->dy[0], (double)p->dy[1], (double)p->dy[2]);
}

static void test_search(void **state)
{
    const char *text = getenv("GN_TEST_SEARCH_SECONDS");
    const double budget = text ? atof(text) : quick() ? 1 : 3, begin = seconds();
    struct found found[RESULTS] = {{0}};
    uint64_t random = 5;
    int wrong = 0;
    (void)state;

    /* Each size gets a fixed share of the time, so that the largest get theirs. */
    for (int log2_m = 1; log2_m <= MOST_LOG; log2_m++) {
        const double deadline = begin + budget * log2_m / MOST_LOG;
        int result = 0;
        do
            climb(log2_m, result++ % RESULTS, &random, found, deadline);
        while (seconds() < deadline);
    }
    for (int k = 0; k < RESULTS; k++) {
        print_found(&found[k], names[k]);
        wrong += !(found[k].error <= 1);
    }
    assert_int_equal(wrong, 0);
}

/* Known bad cases, which do not depend on the search. */
static void test_known(void **state)
{
    const struct problem outlier = {
        24, 0, 8, 8, {1.33433f, 1.33433f, 1.33433f * 1.2f * 4096}, {1, 1, 1}, false, false};
    /* The moments cause this error. It would be 3.0 bounds without the term of |xhat| p. */
    const struct problem moments = {14,
                                    0,
                                    16,
                                    1,
                                    {-0x1.50f81ep-3f, -0x1.30d57p-5f, 0x1.03f2d2p+7f},
                                    {0, 0x1.090fb6p+0f, 0},
                                    true,
                                    false};
    double errors[RESULTS];
    int wrong = 0;
    (void)state;

    for (int i = 0; i < 8; i++) {
        struct problem p = i / 2 % 2 ? moments : outlier;
        p.last = i % 2;
        p.f64 = i >= 4;
        worst_evaluate(&p, errors);
        print_message("%s, channels %s, %s: dx %.4f bounds\n", p.f64 ? "f64" : "f32",
                      p.last ? "last" : "first", i / 2 % 2 ? "moments" : "outlier", errors[3]);
        for (int k = 0; k < RESULTS; k++)
            wrong += !(errors[k] <= 1);
    }
    assert_int_equal(wrong, 0);
}

static int allocate(void **state)
{
    (void)state;
    return worst_allocate() ? 0 : -1;
}

static int release(void **state)
{
    (void)state;
    worst_release();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known),
        cmocka_unit_test(test_search),
    };
    return cmocka_run_group_tests(tests, allocate, release);
}
