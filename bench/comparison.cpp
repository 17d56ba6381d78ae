// SPDX-License-Identifier: MIT
#include "comparison.h"

#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <vector>

#include "bursts.h"
#include "tensors.h"
#include "workload.h"

namespace bench
{

static constexpr size_t FEWEST_ROUNDS = 3; // in each place
// Two builds can differ by a tenth by where their scratch memory lies, modulo a page, beside the
// tensors: the plans are made anew in so many places.
static constexpr int PLACES = 4;
static constexpr int PAGE = 4096;
static constexpr int LARGEST_SCRATCH = 1 << 30;

static double shortest_call(Workload &work)
{
    double shortest = BURST_SECONDS;
    for (int i = 0; i < 3; i++)
        shortest = std::min(shortest, burst(1, 1, [&] { work.call(); }));
    return shortest;
}

namespace
{

struct Times {
    std::vector<double> olds, news, ratios;
};

} // namespace

// Rounds of both for so many seconds, with plans of their own.
static void measure(const Library &older, const Library &newer, const Case &wanted,
                    Tensors &tensors, double seconds, Times &times)
{
    using Clock = std::chrono::steady_clock;
    Workload before(older, wanted, tensors), after(newer, wanted, tensors);
    const int calls = calls_in_burst(std::min(shortest_call(before), shortest_call(after)));
    const int settling = settling_calls(wanted);
    const auto time = [&](Workload &work) { return burst(calls, settling, [&] { work.call(); }); };
    const Clock::time_point end = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                                     std::chrono::duration<double>(seconds));
    // The order is reversed every round, so that both profit equally from what the other leaves in
    // the caches.
    bool reversed = false;
    for (size_t round = 0; round < FEWEST_ROUNDS || Clock::now() < end; round++) {
        if (reversed)
            times.news.push_back(time(after));
        times.olds.push_back(time(before));
        if (!reversed)
            times.news.push_back(time(after));
        times.ratios.push_back(times.news.back() / times.olds.back());
        reversed = !reversed;
    }
}

Comparison compare(const Library &older, const Library &newer, const Case &wanted, double seconds)
{
    // Scratch memory that the kernel gives lies at the same place in a page each time.
    mallopt(M_MMAP_THRESHOLD, LARGEST_SCRATCH);
    Tensors tensors(wanted);
    Times times;
    std::vector<std::unique_ptr<char[]>> before;
    for (int place = 0; place < PLACES; place++) {
        before.push_back(std::make_unique<char[]>(PAGE / PLACES + 64));
        measure(older, newer, wanted, tensors, seconds / PLACES, times);
    }
    return {median(times.olds),           median(times.news),
            median(times.ratios),         quantile(times.ratios, 0.25),
            quantile(times.ratios, 0.75), quantile(times.news, 0) / quantile(times.olds, 0)};
}

} // namespace bench
