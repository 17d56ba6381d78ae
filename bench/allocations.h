// SPDX-License-Identifier: MIT
// Counts the process's calls of malloc and related functions, which this program replaces.
#ifndef GN_BENCH_ALLOCATIONS_H
#define GN_BENCH_ALLOCATIONS_H

#include <cstdint>

namespace bench
{

// Whether calls are counted: only with glibc and without a sanitizer.
bool allocations_counted();

// The number of calls so far, of all threads.
int64_t allocations();

} // namespace bench

#endif
