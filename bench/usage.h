// SPDX-License-Identifier: MIT
#ifndef GN_BENCH_USAGE_H
#define GN_BENCH_USAGE_H

#include <stdexcept>

namespace bench
{

// The request cannot be served: what() is a sentence for the user, and the exit code is 2.
class UsageError : public std::runtime_error
{
  public:
    using std::runtime_error::runtime_error;
};

} // namespace bench

#endif
