// SPDX-License-Identifier: MIT
// Counts the process's calls of malloc and its kin, which this program replaces.
#ifndef GN_BENCH_ALLOCATIONS_H
#define GN_BENCH_ALLOCATIONS_H

#include <cstdint>

namespace bench
{

// Whether they are counted: not where the C library is not glibc, nor under a sanitizer.
bool allocations_counted();

// The number so far, of all threads.
int64_t allocations();

} // namespace bench

#endif
