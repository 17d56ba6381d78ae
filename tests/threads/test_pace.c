/* SPDX-License-Identifier: MIT */
/* Checks what src/run/pace.c decides for calls of simulated times: the sum of their times. */
#include "run/pace.h"
#include "support.h"

/* A machine, in microseconds: the time of a call on all threads and on one, and how many of 1000
 * calls on all threads wait for a thread that does not run, and for how long. One call in 15 finds
 * cold caches, whatever the number of threads. */
struct machine {
    int all, one, waits, wait, cold;
};

/* The mean time of a call, from the time `from` of a simulation to its end, both in microseconds.
 */
static double mean_time(struct gn_pace *pace, struct machine machine, uint64_t *random, double end)
{
    double now = 0;
    int64_t calls = 0;

    for (; now < end; calls++) {
        const int threads = gn_pace_threads(pace, 4);
        double time = threads == 1 ? machine.one : machine.all;

        assert_true(threads == 1 || threads == 4);
        time *= 1 + 0.15 * (double)random_uniform(random);
        if (calls % 15 == 0)
            time += machine.cold;
        if (threads != 1 && random_range(random, 1, 1000) <= machine.waits)
            time += machine.wait;
        gn_pace_record(pace, 4, threads == 1, (int64_t)(1000 * time));
        now += time;
    }
    return now / (double)calls;
}

/* On an idle machine all calls use all threads, whether one thread would be faster or not. */
static void test_idle(void **state)
{
    static const struct machine machines[] = {
        {30, 42, 0, 0, 0}, {9000, 16000, 0, 0, 0}, {5, 3, 0, 0, 0}};
    uint64_t random = 1;

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct gn_pace pace = {0};
        /* The first call wakes the threads. */
        gn_pace_record(&pace, 4, false, (int64_t)machines[i].all * 10000);
        for (int k = 0; k < 10000; k++) {
            const double noise = 1 + 0.15 * (double)random_uniform(&random);
            assert_int_equal(gn_pace_threads(&pace, 4), 4);
            gn_pace_record(&pace, 4, false, (int64_t)(1000 * machines[i].all * noise));
        }
    }
}

/* Beside another program, calls take at most 1.3 times the better of one thread and all. */
static void test_busy(void **state)
{
    static const struct machine machines[] = {
        {20, 39, 1, 8000, 0},          {26, 42, 40, 8000, 0},     {26, 42, 5, 8000, 0},
        {1000, 3200, 900, 7000, 0},    {900, 1500, 100, 4000, 0}, {7000, 14000, 1000, 9000, 0},
        {7000, 100000, 1000, 9000, 0},
    };
    uint64_t random = 2;

    (void)state;
    for (int i = 0; i < 7; i++) {
        const struct machine m = machines[i], idle = {m.all, m.one, 0, 0, 0};
        const double all = m.all + m.waits * 1e-3 * m.wait, better = all < m.one ? all : m.one;
        struct gn_pace pace = {0};

        mean_time(&pace, idle, &random, 1e5);
        mean_time(&pace, m, &random, 1e6);
        const double busy = mean_time(&pace, m, &random, 1e7);
        mean_time(&pace, idle, &random, 1e7);
        const double after = mean_time(&pace, idle, &random, 1e6);
        print_message("all %.0f us, one %d us: %.0f us, %.2f of the better; idle again %.2f\n", all,
                      m.one, busy, busy / better, after / m.all);
        assert_true(busy <= 1.3 * better);
        assert_true(after <= 1.1 * m.all);
    }
}

/* Times on another number of threads are not compared with those before. */
static void test_other_threads(void **state)
{
    struct gn_pace pace = {0};

    (void)state;
    for (int i = 0; i < 100000; i++)
        gn_pace_record(&pace, 8, false, 1000);
    for (int i = 0; i < 100000; i++) {
        gn_pace_record(&pace, 2, false, 4000);
        assert_int_equal(gn_pace_threads(&pace, 2), 2);
    }
}

/* Cold caches are no reason to use one thread. */
static void test_cold(void **state)
{
    const struct machine machine = {51, 98, 0, 0, 900};
    struct gn_pace pace = {0};
    uint64_t random = 4;

    (void)state;
    assert_true(mean_time(&pace, machine, &random, 2e7) <= 1.05 * (51 + 900 / 15));
}

/* Where a call on one thread takes very long, it is tried rarely. */
static void test_costly_trial(void **state)
{
    const struct machine idle = {100, 5000, 0, 0, 0}, busy = {100, 5000, 20, 8000, 0};
    struct gn_pace pace = {0};
    uint64_t random = 3;

    (void)state;
    mean_time(&pace, idle, &random, 1e5);
    assert_true(mean_time(&pace, busy, &random, 1e7) <= 1.1 * (100 + 160));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_idle), cmocka_unit_test(test_busy),
                                       cmocka_unit_test(test_other_threads),
                                       cmocka_unit_test(test_cold),
                                       cmocka_unit_test(test_costly_trial)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
