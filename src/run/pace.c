/* SPDX-License-Identifier: MIT */
#include "run/pace.h"

/*
 * A window of calls and a comparison are so long that a pause of a thread now and then, a few
 * milliseconds, does not make the mean twice as large. A comparison ends after two calls of each if
 * one thread is clearly slower.
 */
static const int64_t WINDOW = 64000000;
enum { WINDOW_CALLS = 8, LEAST_CALLS = 2 };

/* The next comparison comes so late that the cost of this one does not matter. */
static const int64_t LEAST_PATIENCE = 500000000, MOST_PATIENCE = 8000000000;
enum { COST_FACTOR = 32 };

static int64_t mean(struct gn_pace_calls calls)
{
    return calls.time / calls.count;
}

static void enter(struct gn_pace *pace, enum gn_pace_mode mode)
{
    pace->all = pace->one = (struct gn_pace_calls){0, 0};
    if (mode == GN_PACE_COMPARE)
        pace->least = 0;
    atomic_store(&pace->mode, mode);
}

static void begin_anew(struct gn_pace *pace, int threads, int64_t now)
{
    pace->threads = threads;
    pace->prefers_one = false;
    pace->least = 0;
    pace->compared = now;
    pace->patience = LEAST_PATIENCE;
    enter(pace, GN_PACE_ALL);
}

/*
 * At the end of a window on all threads. On an idle machine its mean is near the fastest call; cold
 * caches and pauses of threads make it larger, and a comparison tells one from the other.
 */
static void judge_window(struct gn_pace *pace, int64_t now)
{
    bool slow = mean(pace->all) / 3 * 2 > pace->least;
    bool due = now - pace->compared >= pace->patience;
    enter(pace, slow && due ? GN_PACE_COMPARE : GN_PACE_ALL);
}

/* How much longer the slower calls of a comparison took than as many of the faster ones. */
static int64_t cost(struct gn_pace_calls slower, struct gn_pace_calls faster)
{
    return slower.time - slower.count * mean(faster);
}

/* If nothing has changed, the next comparison comes later. */
static void judge_comparison(struct gn_pace *pace, int64_t now)
{
    bool prefers_one = mean(pace->one) < mean(pace->all) / 10 * 9;
    int64_t lost = prefers_one ? cost(pace->all, pace->one) : cost(pace->one, pace->all);
    int64_t twice = 2 * pace->patience < MOST_PATIENCE ? 2 * pace->patience : MOST_PATIENCE;
    pace->patience = prefers_one == pace->prefers_one ? twice : LEAST_PATIENCE;
    if (pace->patience < COST_FACTOR * lost)
        pace->patience = COST_FACTOR * lost;
    pace->prefers_one = prefers_one;
    pace->compared = now;
    enter(pace, prefers_one ? GN_PACE_ONE : GN_PACE_ALL);
}

static bool is_decided(const struct gn_pace *pace)
{
    int64_t all = pace->all.count, one = pace->one.count;
    if (all < LEAST_CALLS || one < LEAST_CALLS || pace->all.time + pace->one.time < WINDOW)
        return false;
    return (all >= WINDOW_CALLS && one >= WINDOW_CALLS) || mean(pace->one) > 2 * mean(pace->all);
}

static void judge(struct gn_pace *pace, int64_t now)
{
    switch ((enum gn_pace_mode)atomic_load(&pace->mode)) {
    case GN_PACE_ALL:
        if (pace->all.count >= WINDOW_CALLS && pace->all.time >= WINDOW)
            judge_window(pace, now);
        return;
    case GN_PACE_ONE:
        if (now - pace->compared >= pace->patience)
            enter(pace, GN_PACE_COMPARE);
        return;
    case GN_PACE_COMPARE:
        if (is_decided(pace))
            judge_comparison(pace, now);
        return;
    }
    __builtin_unreachable();
}

int gn_pace_threads(struct gn_pace *pace, int threads)
{
    switch ((enum gn_pace_mode)atomic_load_explicit(&pace->mode, memory_order_relaxed)) {
    case GN_PACE_ALL:
        return threads;
    case GN_PACE_ONE:
        return 1;
    case GN_PACE_COMPARE:
        /* The turns have no period, because the calls may have one: two layers may share the plan.
         */
        return __builtin_parity(atomic_fetch_add(&pace->turn, 1)) ? 1 : threads;
    }
    __builtin_unreachable();
}

void gn_pace_record(struct gn_pace *pace, int threads, bool on_one, int64_t start, int64_t end)
{
    int64_t time = end - start;
    if (time <= 0 || atomic_exchange(&pace->recording, true))
        return;
    if (threads != pace->threads)
        begin_anew(pace, threads, end);
    struct gn_pace_calls *calls = on_one ? &pace->one : &pace->all;
    calls->count++;
    calls->time += time;
    if (!on_one && (!pace->least || time < pace->least))
        pace->least = time;
    judge(pace, end);
    atomic_store(&pace->recording, false);
}

void gn_pace_reset(struct gn_pace *pace)
{
    if (atomic_exchange(&pace->recording, true))
        return;
    begin_anew(pace, 0, 0);
    atomic_store(&pace->recording, false);
}
