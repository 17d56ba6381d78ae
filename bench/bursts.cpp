// SPDX-License-Identifier: MIT
#include "bursts.h"

#include <algorithm>
#include <cmath>

namespace bench
{

static constexpr int MOST_CALLS = 4096;

// A larger tensor fits no cache, so that more calls would not bring it back there.
static constexpr int64_t LARGE_BYTES = 64 << 20;

int calls_in_burst(double shortest)
{
    return std::clamp(static_cast<int>(std::ceil(BURST_SECONDS / std::max(shortest, 1e-9))), 1,
                      MOST_CALLS);
}

int settling_calls(const Case &wanted)
{
    return wanted.bytes() <= LARGE_BYTES ? 4 : 1;
}

double quantile(std::vector<double> values, double fraction)
{
    std::sort(values.begin(), values.end());
    const double at = fraction * static_cast<double>(values.size() - 1);
    const size_t below = static_cast<size_t>(at), above = std::min(below + 1, values.size() - 1);
    return values[below] + (values[above] - values[below]) * (at - static_cast<double>(below));
}

} // namespace bench
