// SPDX-License-Identifier: MIT
#include "tensors.h"

#include <omp.h>

#include <cmath>
#include <cstring>
#include <new>

#include "copy.h"

namespace bench
{

static constexpr int64_t PAGE = 4096;

// 4K aliasing: if the addresses of a load and of an earlier store differ by a multiple of 4096
// bytes, the processor assumes that they are the same, and the load waits. Whether this affects the
// copy or the normalization more would be chance. These offsets avoid it for both.
enum Offset : int64_t { OFFSET_X = 0, OFFSET_DY = PAGE / 4, OFFSET_OUT = PAGE / 2 };

// The mixing steps of SplitMix64 (Steele, Lea, Flood 2014) applied to a counter, so that elements
// can be computed in any order.
static uint64_t mixed(uint64_t counter)
{
    uint64_t z = counter * 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

// Nearly normal noise of mean 0 and deviation 1: the sum of four numbers of 16 bits.
static float noise(uint64_t counter)
{
    static const float scale = std::sqrt(3.0f) / 65536;
    const uint64_t z = mixed(counter);
    const int64_t sum =
        static_cast<int64_t>((z & 0xffff) + (z >> 16 & 0xffff) + (z >> 32 & 0xffff) + (z >> 48)) -
        2 * 65535;
    return static_cast<float>(sum) * scale;
}

// Writes an element. The types of 16 bits are truncated, not rounded, because any values will do.
static void put(void *tensor, gn_type type, int64_t i, float value)
{
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof(bits));
    const uint32_t sign = bits >> 16 & 0x8000, size = bits >> 13 & 0x3ffff;
    switch (type) {
    case GN_F64:
        static_cast<double *>(tensor)[i] = static_cast<double>(value);
        break;
    case GN_BF16:
        static_cast<uint16_t *>(tensor)[i] = static_cast<uint16_t>(bits >> 16);
        break;
    case GN_F16: // the exponent's bias is smaller by 112; values below become 0
        static_cast<uint16_t *>(tensor)[i] =
            static_cast<uint16_t>(sign | (size < 113 << 10 ? 0 : size - (112 << 10)));
        break;
    case GN_F32:
        static_cast<float *>(tensor)[i] = value;
        break;
    }
}

Tensor::Tensor(gn_type type, int64_t elements, int64_t offset, int threads, uint64_t seed,
               float mean)
{
    const size_t size = type == GN_F64 ? 8 : type == GN_F32 ? 4 : 2;
    const size_t bytes = static_cast<size_t>(elements) * size;
    const size_t pages = (bytes + static_cast<size_t>(offset + PAGE - 1)) / PAGE;
    block.reset(std::aligned_alloc(PAGE, (pages + 1) * PAGE));
    if (!block)
        throw std::bad_alloc();
    first = static_cast<char *>(block.get()) + offset;

#pragma omp parallel num_threads(threads)
    {
        const Share share = share_of(elements, omp_get_thread_num(), omp_get_num_threads());
        for (int64_t i = share.first; i < share.last; i++)
            put(first, type, i, mean + noise((seed << 48) + static_cast<uint64_t>(i)));
    }
}

static std::vector<float> parameter(int64_t count, uint64_t seed, float mean)
{
    std::vector<float> values(static_cast<size_t>(count));
    for (size_t i = 0; i < values.size(); i++)
        values[i] = mean + 0.25f * noise((seed << 48) + i);
    return values;
}

Tensors::Tensors(const Case &wanted)
    : in_place(wanted.in_place),
      x(wanted.type, wanted.shape.elements(), OFFSET_X, wanted.threads, 1, 0.5f),
      dy(wanted.type, wanted.direction == Direction::backward ? wanted.shape.elements() : 0,
         OFFSET_DY, wanted.threads, 2, 0),
      out(wanted.type, wanted.in_place ? 0 : wanted.shape.elements(), OFFSET_OUT, wanted.threads, 3,
          0),
      gamma(parameter(wanted.shape.channels(), 4, 1)),
      beta(parameter(wanted.shape.channels(), 5, 0)), dgamma(gamma.size()), dbeta(gamma.size()),
      mean(static_cast<size_t>(wanted.shape.dims[0] * wanted.shape.groups)), rstd(mean.size())
{
}

} // namespace bench
