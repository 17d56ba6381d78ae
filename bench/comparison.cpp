// SPDX-License-Identifier: MIT
#include "comparison.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include "bursts.h"
#include "tensors.h"
#include "workload.h"

namespace bench
{

static constexpr size_t FEWEST_ROUNDS = 7;

static double shortest_call(Workload &work)
{
    double shortest = BURST_SECONDS;
    for (int i = 0; i < 3; i++)
        shortest = std::min(shortest, burst(1, 1, [&] { work.call(); }));
    return shortest;
}

Comparison compare(const Library &older, const Library &newer, const Case &wanted, double seconds)
{
    using Clock = std::chrono::steady_clock;
    Tensors tensors(wanted);
    Workload before(older, wanted, tensors), after(newer, wanted, tensors);
    const int calls = calls_in_burst(std::min(shortest_call(before), shortest_call(after)));
    const int settling = settling_calls(wanted);
    const auto time = [&](Workload &work) { return burst(calls, settling, [&] { work.call(); }); };

    std::vector<double> olds, news, ratios;
    const Clock::time_point end = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                                     std::chrono::duration<double>(seconds));
    // Which comes first is reversed every round: what one leaves in the caches serves both alike.
    for (bool reversed = false; ratios.size() < FEWEST_ROUNDS || Clock::now() < end;
         reversed = !reversed) {
        if (reversed)
            news.push_back(time(after));
        olds.push_back(time(before));
        if (!reversed)
            news.push_back(time(after));
        ratios.push_back(news.back() / olds.back());
    }
    return {median(olds),           median(news),           median(ratios),
            quantile(ratios, 0.25), quantile(ratios, 0.75), quantile(news, 0) / quantile(olds, 0)};
}

} // namespace bench
