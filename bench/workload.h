// SPDX-License-Identifier: MIT
// A workload calls one library for one case; the benchmarks time these calls.
#ifndef GN_BENCH_WORKLOAD_H
#define GN_BENCH_WORKLOAD_H

#include "cases.h"
#include "library.h"
#include "tensors.h"

namespace bench
{

// The library and the tensors must outlive it. Throws UsageError if the plan cannot be made.
class Workload
{
  public:
    Workload(const Library &of, const Case &wanted, Tensors &given);

    // Throws std::runtime_error with the text of gn_last_error.
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
