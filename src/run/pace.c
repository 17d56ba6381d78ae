/* SPDX-License-Identifier: MIT */
#include "run/pace.h"

/*
 * A window of calls: so long that a pause of a thread now and then, a few milliseconds, does not
 * make the mean twice as large. A trial of the slower way ends earlier if it is clearly slower.
 */
static const int64_t WINDOW = 64000000, TRIAL = 16000000;
enum { WINDOW_CALLS = 8, TRIAL_CALLS = 4 };

static const int64_t LEAST_PATIENCE = 500000000, MOST_PATIENCE = 8000000000;

static void start_window(struct gn_pace *pace, bool on_one)
{
    pace->calls = pace->time = 0;
    atomic_store(&pace->on_one, on_one);
}

/* Changes to the other way, or tries it. */
static void change(struct gn_pace *pace, bool to_one)
{
    pace->waited = 0;
    start_window(pace, to_one);
}

/* The other way was tried, and is slower still: the next trial comes later. */
static void be_patient(struct gn_pace *pace)
{
    int64_t twice = 2 * pace->patience;
    pace->patience = twice < MOST_PATIENCE ? twice : MOST_PATIENCE;
}

/*
 * At the end of a window on all threads. A few pauses more than usual must not make one thread the
 * better choice.
 */
static void judge_all(struct gn_pace *pace)
{
    bool slower = pace->one && pace->all / 5 * 4 > pace->one;
    bool disturbed = pace->all / 3 * 2 > pace->least;
    if (!disturbed) {
        pace->patience = LEAST_PATIENCE;
        pace->one = 0;
        start_window(pace, false);
    } else if (slower) {
        be_patient(pace);
        change(pace, true);
    } else if (!pace->one || pace->waited >= pace->patience) {
        change(pace, true);
    } else {
        start_window(pace, false);
    }
}

static void record_all(struct gn_pace *pace, int64_t time)
{
    if (!pace->least || time < pace->least)
        pace->least = time;
    int64_t mean = pace->time / pace->calls;
    bool clearly_slower = pace->one && mean > 2 * pace->one && pace->time >= TRIAL;
    if (pace->calls < WINDOW_CALLS || (pace->time < WINDOW && !clearly_slower))
        return;
    /* The first window includes the time in which the threads are made. */
    bool first = pace->all == 0;
    pace->all = mean;
    if (first)
        start_window(pace, false);
    else
        judge_all(pace);
}

static void record_one(struct gn_pace *pace)
{
    int64_t mean = pace->time / pace->calls;
    if (mean > 2 * pace->all || (pace->calls >= TRIAL_CALLS && mean > pace->all)) {
        pace->one = mean;
        be_patient(pace);
        change(pace, false);
    } else if (pace->calls >= TRIAL_CALLS && pace->waited >= pace->patience) {
        pace->one = mean;
        change(pace, false);
    }
}

int gn_pace_threads(struct gn_pace *pace, int threads)
{
    return atomic_load_explicit(&pace->on_one, memory_order_relaxed) ? 1 : threads;
}

void gn_pace_record(struct gn_pace *pace, int threads, bool on_one, int64_t time)
{
    if (atomic_exchange(&pace->recording, true))
        return;
    if (threads != pace->threads) {
        pace->threads = threads;
        pace->least = pace->all = pace->one = 0;
        pace->patience = LEAST_PATIENCE;
        change(pace, false);
    }
    if (on_one == atomic_load(&pace->on_one)) {
        pace->calls++;
        pace->time += time;
        pace->waited += time;
        if (on_one)
            record_one(pace);
        else
            record_all(pace, time);
    }
    atomic_store(&pace->recording, false);
}
