// SPDX-License-Identifier: MIT
// The layers to measure, from a table or from text.
#ifndef GN_BENCH_SHAPES_H
#define GN_BENCH_SHAPES_H

#include <cstdint>
#include <string>
#include <vector>

namespace bench
{

struct Shape {
    std::vector<int64_t> dims; // N, C, spatial...
    int64_t groups;

    int64_t channels() const
    {
        return dims[1];
    }
    int64_t elements() const; // of the tensor
    int64_t spatial() const;  // elements of one channel of one sample
    std::string name() const; // as parse_shape reads it
};

// NxCxSPATIAL.../GROUPS, such as 8x512x7x7/32: rank 2 to 8. Throws UsageError.
Shape parse_shape(const std::string &text);

// A table of tab-separated columns N, C, spatial (64x64), G, and whatever follows; lines that start
// with # are comments. Throws UsageError, which names the line.
std::vector<Shape> read_shapes(const std::string &path);

} // namespace bench

#endif
