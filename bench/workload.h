// SPDX-License-Identifier: MIT
// A workload calls one library for one case; the benchmarks time these calls.
#ifndef GN_BENCH_WORKLOAD_H
#define GN_BENCH_WORKLOAD_H

#include "cases.h"
#include "library.h"
#include "tensors.h"

namespace bench
{

// Both must outlive it. Throws UsageError where there is no such plan.
class Workload
{
  public:
    Workload(const Library &of, const Case &wanted, Tensors &given);

    // Throws std::runtime_error with the library's sentence.
    void call();

  private:
    void forward();
    void backward();
    void check(gn_status status) const;

    const Library &library;
    Direction direction;
    Tensors &tensors;
    Plan own_plan;
};

} // namespace bench

#endif
