/* SPDX-License-Identifier: MIT */
#include "run/pace.h"

/*
 * Windows and trials are so long that a pause of a thread now and then, a few milliseconds, does
 * not make the mean twice as large.
 */
static const int64_t WINDOW = 64000000;
enum { WINDOW_CALLS = 8 };

static const int64_t LEAST_PATIENCE = 500000000, MOST_PATIENCE = 8000000000;

static int64_t mean(struct gn_pace_calls calls)
{
    return calls.time / calls.count;
}

static void enter(struct gn_pace *pace, enum gn_pace_mode mode)
{
    pace->all = pace->one = (struct gn_pace_calls){0, 0};
    atomic_store(&pace->mode, mode);
}

static void begin_anew(struct gn_pace *pace, int threads)
{
    pace->threads = threads;
    pace->prefers_one = false;
    pace->least = pace->waited = 0;
    pace->patience = LEAST_PATIENCE;
    enter(pace, GN_PACE_ALL);
}

/*
 * At the end of a window on all threads. On an idle machine its mean is near the fastest call; cold
 * caches and pauses of threads make it larger, and a trial tells one from the other.
 */
static void judge_window(struct gn_pace *pace)
{
    bool slow = mean(pace->all) / 3 * 2 > pace->least;
    enter(pace, slow && pace->waited >= pace->patience ? GN_PACE_TRIAL : GN_PACE_ALL);
}

/* At the end of a trial. If nothing has changed, the next one comes later. */
static void judge_trial(struct gn_pace *pace)
{
    bool prefers_one = mean(pace->one) < mean(pace->all) / 10 * 9;
    int64_t twice = 2 * pace->patience;
    if (prefers_one != pace->prefers_one)
        pace->patience = LEAST_PATIENCE;
    else
        pace->patience = twice < MOST_PATIENCE ? twice : MOST_PATIENCE;
    pace->prefers_one = prefers_one;
    pace->waited = 0;
    enter(pace, prefers_one ? GN_PACE_ONE : GN_PACE_ALL);
}

static void judge(struct gn_pace *pace)
{
    switch ((enum gn_pace_mode)atomic_load(&pace->mode)) {
    case GN_PACE_ALL:
        if (pace->all.count >= WINDOW_CALLS && pace->all.time >= WINDOW)
            judge_window(pace);
        return;
    case GN_PACE_ONE:
        if (pace->waited >= pace->patience)
            enter(pace, GN_PACE_TRIAL);
        return;
    case GN_PACE_TRIAL:
        if (pace->all.count >= WINDOW_CALLS && pace->one.count >= WINDOW_CALLS &&
            pace->all.time + pace->one.time >= WINDOW)
            judge_trial(pace);
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
    case GN_PACE_TRIAL:
        return atomic_fetch_add(&pace->trial, 1) % 2 ? 1 : threads;
    }
    __builtin_unreachable();
}

void gn_pace_record(struct gn_pace *pace, int threads, bool on_one, int64_t time)
{
    if (atomic_exchange(&pace->recording, true))
        return;
    if (threads != pace->threads)
        begin_anew(pace, threads);
    struct gn_pace_calls *calls = on_one ? &pace->one : &pace->all;
    calls->count++;
    calls->time += time;
    pace->waited += time;
    if (!on_one && (!pace->least || time < pace->least))
        pace->least = time;
    judge(pace);
    atomic_store(&pace->recording, false);
}
