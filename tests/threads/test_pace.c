/* SPDX-License-Identifier: MIT */
/* Checks what src/run/pace.c decides for calls of simulated times: the mean of their times. */
#include "run/pace.h"
#include "support.h"

/* A machine, in microseconds: the time of a call on all threads and on one, and how many of 1000
 * calls on all threads wait for a thread that does not run, and for how long. One call in 15 finds
 * cold caches, whatever the number of threads. */
struct machine {
    int all, one, waits, wait, cold;
};

/* A plan on a machine. Time is in microseconds. */
struct simulation {
    struct gn_pace pace;
    double now;
    uint64_t random;
};

enum { THREADS = 4 };

static void record(struct simulation *s, int threads, double time)
{
    const double start = s->now;

    s->now += time;
    gn_pace_record(&s->pace, THREADS, threads == 1, (int64_t)(1000 * start),
                   (int64_t)(1000 * s->now));
}

/* The mean time of a call in so many microseconds. */
static double mean_time(struct simulation *s, struct machine machine, double duration)
{
    const double end = s->now + duration, start = s->now;
    int64_t calls = 0;

    for (; s->now < end; calls++) {
        const int threads = gn_pace_threads(&s->pace, THREADS);
        double time = threads == 1 ? machine.one : machine.all;

        assert_true(threads == 1 || threads == THREADS);
        time *= 1 + 0.15 * (double)random_uniform(&s->random);
        if (calls % 15 == 0)
            time += machine.cold;
        if (threads != 1 && random_range(&s->random, 1, 1000) <= machine.waits)
            time += machine.wait;
        record(s, threads, time);
    }
    return (s->now - start) / (double)calls;
}

/* On an idle machine all calls use all threads, whether one thread would be faster or not. */
static void test_idle(void **state)
{
    static const struct machine machines[] = {
        {30, 42, 0, 0, 0}, {9000, 16000, 0, 0, 0}, {5, 3, 0, 0, 0}};

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct simulation s = {.now = 1e9, .random = 1};
        record(&s, THREADS, machines[i].all * 10); /* the first call wakes the threads */
        for (int k = 0; k < 10000; k++) {
            const double noise = 1 + 0.15 * (double)random_uniform(&s.random);
            assert_int_equal(gn_pace_threads(&s.pace, THREADS), THREADS);
            record(&s, THREADS, machines[i].all * noise);
        }
    }
}

/* Beside another program, calls take at most 1.3 times the better of one thread and all, from the
 * first second on. */
static void test_busy(void **state)
{
    static const struct machine machines[] = {
        {20, 39, 1, 8000, 0},          {26, 42, 40, 8000, 0},        {26, 42, 5, 8000, 0},
        {1000, 3200, 900, 7000, 0},    {900, 1500, 100, 4000, 0},    {7000, 14000, 1000, 9000, 0},
        {7000, 100000, 1000, 9000, 0}, {10000, 640000, 900, 8000, 0}};

    (void)state;
    for (int i = 0; i < 8; i++) {
        const struct machine m = machines[i], idle = {m.all, m.one, 0, 0, 0};
        const double all = m.all + m.waits * 1e-3 * m.wait, better = all < m.one ? all : m.one;
        struct simulation s = {.now = 1e9, .random = 2};

        mean_time(&s, idle, 1e5);
        mean_time(&s, m, 1e6);
        const double busy = mean_time(&s, m, 3e7);
        mean_time(&s, idle, 1e7);
        const double after = mean_time(&s, idle, 1e6);
        print_message("all %.0f us, one %d us: %.0f us, %.2f of the better; idle again %.2f\n", all,
                      m.one, busy, busy / better, after / m.all);
        assert_true(busy <= 1.3 * better);
        assert_true(after <= 1.1 * m.all);
        /* Comparisons with a much slower thread are rare. */
        if (m.one > 10 * all)
            assert_true(busy <= 1.07 * better);
    }
}

/* Cold caches are no reason to use one thread. */
static void test_cold(void **state)
{
    const struct machine machine = {51, 98, 0, 0, 900};
    struct simulation s = {.now = 1e9, .random = 4};

    (void)state;
    assert_true(mean_time(&s, machine, 2e7) <= 1.05 * (51 + 900 / 15));
}

/* Nor are calls that take turns with shorter ones. */
static void test_two_kinds(void **state)
{
    (void)state;
    for (int first = 0; first < 2; first++) {
        struct simulation s = {.now = 1e9, .random = 5};
        int64_t on_one = 0, calls = 0;

        atomic_init(&s.pace.turn, (unsigned)first);
        for (; s.now < 1e9 + 3e7; calls++) {
            const int threads = gn_pace_threads(&s.pace, THREADS);
            record(&s, threads, (threads == 1 ? 155 : 126) * (calls % 2 ? 1.0 : 0.3));
            on_one += threads == 1;
        }
        assert_true(on_one * 20 < calls);
    }
}

/* Times on another number of threads are not compared with those before. */
static void test_other_threads(void **state)
{
    struct gn_pace pace = {0};
    int64_t now = 1;

    (void)state;
    for (int i = 0; i < 1000000; i++, now += 1000)
        gn_pace_record(&pace, 8, false, now, now + 1000);
    for (int i = 0; i < 1000000; i++, now += 4000) {
        gn_pace_record(&pace, 2, false, now, now + 4000);
        assert_int_equal(gn_pace_threads(&pace, 2), 2);
    }
}

/* Without the threads, or with a clock that does not go on, all threads are asked for again. */
static void test_begins_anew(void **state)
{
    const struct machine busy = {26, 42, 40, 8000, 0};
    struct simulation s = {.now = 1e9, .random = 6};

    (void)state;
    mean_time(&s, busy, 2e6);
    gn_pace_reset(&s.pace);
    assert_int_equal(gn_pace_threads(&s.pace, THREADS), THREADS);
    for (int i = 0; i < 1000000; i++) {
        gn_pace_record(&s.pace, THREADS, false, 5000, 0);
        assert_int_equal(gn_pace_threads(&s.pace, THREADS), THREADS);
    }
    gn_pace_reset(&s.pace);
    record(&s, THREADS, -5);
    for (int i = 0; i < 100000; i++) {
        assert_int_equal(gn_pace_threads(&s.pace, THREADS), THREADS);
        record(&s, THREADS, i % 100 ? 30 : -5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_idle),          cmocka_unit_test(test_busy),
        cmocka_unit_test(test_cold),          cmocka_unit_test(test_two_kinds),
        cmocka_unit_test(test_other_threads), cmocka_unit_test(test_begins_anew)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
