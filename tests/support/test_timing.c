/* SPDX-License-Identifier: MIT */
/* How the demo judges times: those of an idle machine, of a busy machine, and of this one. */
#include "timing.h"

#include <omp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the headers above and this one before it. */
#include <setjmp.h>
#include <cmocka.h>

enum { COUNT = 101 };

/* The spread of times that are `usual`, except that each `every`th is `late`. */
static double spread_of(double usual, double late, int every)
{
    double times[COUNT];

    for (int i = 0; i < COUNT; i++)
        times[i] = i % every == every - 1 ? late : usual + i * usual / (4 * COUNT);
    return spread(times, COUNT);
}

static void test_median(void **state)
{
    double odd[] = {3, 1, 2}, one[] = {7}, even[] = {4, 1, 3, 2};
    (void)state;

    assert_true(median(odd, 3) == 2);
    assert_true(median(one, 1) == 7);
    assert_true(median(even, 4) == 3);
    assert_true(spread(odd, 3) == 2 && spread(one, 1) == 1);
}

/* The share of time that a thread loses if it reads the clock each microsecond, except for `gap`
 * seconds after every `run` seconds. */
static double lost_of(double run, double gap)
{
    struct watch watch;
    double now = 5, since = 0;

    watch_start(&watch, now);
    while (now < 6) {
        const double step = since < run ? 1e-6 : gap;
        since = since < run ? since + step : 0;
        watch_read(&watch, now += step);
    }
    return watch_lost(&watch);
}

static void test_idle(void **state)
{
    struct watch watch;
    (void)state;

    watch_start(&watch, 3);
    assert_true(watch_lost(&watch) == 0);
    /* 250 interrupts per second, and a daemon that runs for 2 ms twice per second. */
    assert_true(lost_of(4e-3, 20e-6) == 0);
    assert_false(is_busy(lost_of(0.5, 2e-3), spread_of(0.5e-3, 2.5e-3, 20)));
    assert_false(is_busy(0, spread_of(20e-6, 100e-6, 3)));
    assert_false(is_busy(0, spread_of(9e-3, 9e-3, 2)));
}

static void test_busy(void **state)
{
    (void)state;
    /* Two processes share a processor in turns of 4 ms. All repetitions may take equally long: 8
     * ms. */
    const double half = lost_of(4e-3, 4e-3);
    assert_true(half > 0.45 && half < 0.55);
    assert_true(is_busy(half, spread_of(8e-3, 8e-3, 2)));
    /* A container uses up its processor time 20 ms before the end of each 100 ms. */
    assert_true(is_busy(lost_of(80e-3, 20e-3), 1));
    /* No time is lost while the clock is read, but most of the repetitions are disturbed. */
    assert_true(is_busy(0, spread_of(8e-3, 0.5e-3, 3)));
}

/* The machine may be busy. The test checks only that the result is a share and that the measurement
 * takes as long as asked for. */
static void test_real(void **state)
{
    const double start = omp_get_wtime(), lost = processor_lost(0.02);
    (void)state;

    assert_true(omp_get_wtime() - start >= 0.02);
    assert_true(lost >= 0 && lost < 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_median),
        cmocka_unit_test(test_idle),
        cmocka_unit_test(test_busy),
        cmocka_unit_test(test_real),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
