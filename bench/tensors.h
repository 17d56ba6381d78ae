// SPDX-License-Identifier: MIT
// The tensors of one case, filled with values.
#ifndef GN_BENCH_TENSORS_H
#define GN_BENCH_TENSORS_H

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <vector>

#include "cases.h"

namespace bench
{

// A tensor whose first element lies `offset` bytes after the start of a page; offset is a multiple
// of 64. The threads that copy a page are also the first to touch it.
class Tensor
{
  public:
    // Fills it with the mean plus noise of deviation 1 that depends on the seed. Throws
    // std::bad_alloc.
    Tensor(gn_type type, int64_t elements, int64_t offset, int threads, uint64_t seed, float mean);

    void *data() const
    {
        return first;
    }
    float *floats() const
    {
        return static_cast<float *>(first);
    }

  private:
    struct Free {
        void operator()(void *memory) const
        {
            std::free(memory);
        }
    };
    std::unique_ptr<void, Free> block;
    void *first;
};

// The arguments of gn_forward and gn_backward for one case.
struct Tensors {
    explicit Tensors(const Case &wanted);

    // y or dx.
    void *result() const
    {
        return in_place ? x.data() : out.data();
    }

    bool in_place;
    Tensor x, dy, out; // dy is empty in the forward direction, out if in place
    std::vector<float> gamma, beta, dgamma, dbeta;
    std::vector<double> mean, rstd; // used as floats if x is not GN_F64
};

} // namespace bench

#endif
