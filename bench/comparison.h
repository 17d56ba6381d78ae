// SPDX-License-Identifier: MIT
// Two builds of the library on one case, called in turns on the same buffers.
#ifndef GN_BENCH_COMPARISON_H
#define GN_BENCH_COMPARISON_H

#include "cases.h"
#include "library.h"

namespace bench
{

struct Comparison {
    double old_seconds, new_seconds; // medians of a call
    double ratio, lower, upper;      // new over old, round by round: median and quartiles
    double ratio_of_minima;
};

// Throws UsageError if a library cannot make the plan, std::bad_alloc, and std::runtime_error if a
// call fails.
Comparison compare(const Library &older, const Library &newer, const Case &wanted, double seconds);

} // namespace bench

#endif
