// SPDX-License-Identifier: MIT
// Timing by bursts of calls, and what is made of their times.
#ifndef GN_BENCH_BURSTS_H
#define GN_BENCH_BURSTS_H

#include <chrono>
#include <vector>

#include "cases.h"

namespace bench
{

// A burst of calls lasts about this long at least, so that reading the clock costs nothing.
constexpr double BURST_SECONDS = 20e-6;

// How many calls make a burst, if the shortest seen took so many seconds.
int calls_in_burst(double shortest);

// After how many calls of its own a case finds the caches and the threads as such calls leave them,
// not as another's did. After non-temporal stores it takes several until the output is back in the
// last-level cache.
int settling_calls(const Case &wanted);

// Seconds per call, in a burst after some calls that are not timed.
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

// The value below which so large a fraction of the values lies, interpolated.
double quantile(std::vector<double> values, double fraction);

inline double median(const std::vector<double> &values)
{
    return quantile(values, 0.5);
}

} // namespace bench

#endif
