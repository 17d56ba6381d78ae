// SPDX-License-Identifier: MIT
// Timing by bursts of calls, and the statistics of their times.
#ifndef GN_BENCH_BURSTS_H
#define GN_BENCH_BURSTS_H

#include <chrono>
#include <vector>

#include "cases.h"

namespace bench
{

// The least duration of a burst of calls. The cost of reading the clock is then negligible.
constexpr double BURST_SECONDS = 20e-6;

// The number of calls in a burst, if the shortest call so far took this many seconds.
int calls_in_burst(double shortest);

// The number of calls of a case after which the caches and the threads are in the state that calls
// of this case leave, not in that of another case. After non-temporal stores, several calls pass
// until the output is back in the last-level cache.
int settling_calls(const Case &wanted);

// Seconds per call, in a burst that follows `settling` calls that are not timed.
template <typename Call> double burst(int calls, int settling, Call call)
{
    using Clock = std::chrono::steady_clock;
    for (int i = 0; i < settling; i++)
        call();
    const Clock::time_point start = Clock::now();
    for (int i = 0; i < calls; i++)
        call();
    return std::chrono::duration<double>(Clock::now() - start).count() / calls;
}

// The value below which this fraction of the values lies, interpolated.
double quantile(std::vector<double> values, double fraction);

inline double median(const std::vector<double> &values)
{
    return quantile(values, 0.5);
}

} // namespace bench

#endif
