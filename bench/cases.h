// SPDX-License-Identifier: MIT
// A case is one layer, call, type and number of threads that a benchmark measures.
#ifndef GN_BENCH_CASES_H
#define GN_BENCH_CASES_H

#include <groupnorm.h>

#include <string>

#include "shapes.h"

namespace bench
{

enum class Direction { forward, backward };

struct Case {
    Shape shape;
    gn_layout layout;
    Direction direction;
    int threads;
    gn_isa isa;
    gn_type type; // of all tensors but gamma and beta
    gn_activation activation;
    bool in_place; // y is x; for the forward direction

    int64_t bytes() const; // of a tensor
    bool plain() const     // of floats, without an activation
    {
        return type == GN_F32 && activation == GN_ACTIVATION_IDENTITY;
    }
};

// SHAPE/LAYOUT/DIRECTION/threads:T/isa:ISA, followed by type:TYPE, act:ACTIVATION and in_place if
// they are not f32, identity and false.
std::string case_name(const Case &wanted, const std::string &isa);

// The bytes that must move between a core with its L2 cache and the rest of the machine: each
// tensor that is read or written, once. The inputs count twice if a group (channels first) or a
// sample (channels last) does not stay in the cache from its first to its second reading.
int64_t bytes_to_move(const Case &wanted);

} // namespace bench

#endif
