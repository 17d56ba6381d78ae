// SPDX-License-Identifier: MIT
// One benchmark: the library and the copy, in turns.
#ifndef GN_BENCH_MEASURE_H
#define GN_BENCH_MEASURE_H

#include <benchmark/benchmark.h>

#include "cases.h"

namespace bench
{

// Runs a case for Google Benchmark. Its time is that of one call of the library. The counters come
// from medians: copy_us, ratio, efficiency, GB/s and allocs (bench/NOTES.md). A call that fails is
// an error of the benchmark. with_loops adds loops_us and loops_efficiency, for the fastest variant
// of run_loops.
void measure(benchmark::State &state, const Case &wanted, bool with_loops);

// Whether a call has failed in any benchmark.
bool any_failed();

} // namespace bench

#endif
