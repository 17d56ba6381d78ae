// SPDX-License-Identifier: MIT
// What one benchmark measures, the plan that it needs and the memory that it must move.
#ifndef GN_BENCH_CASES_H
#define GN_BENCH_CASES_H

#include <groupnorm.h>

#include <memory>
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

    int64_t bytes() const; // of a tensor
    bool plain() const     // of floats, without an activation
    {
        return type == GN_F32 && activation == GN_IDENTITY;
    }
};

struct PlanDeleter {
    void operator()(gn_plan *plan) const
    {
        gn_plan_destroy(plan);
    }
};
using Plan = std::unique_ptr<gn_plan, PlanDeleter>;

// Throws UsageError with the library's sentence.
Plan make_plan(const Case &wanted);

// SHAPE/LAYOUT/DIRECTION/threads:T/isa:ISA, with the instruction set that the plan really has, and
// type:TYPE and act:ACTIVATION where they are not f32 and identity.
std::string case_name(const Case &wanted, const gn_plan *plan);

// The bytes that have to move between a core with its L2 cache and the rest: each tensor that is
// read or written once; the inputs once more where what is reduced first, a group (channels first)
// or a sample (channels last), does not stay in the cache until it is read for the second time.
int64_t bytes_to_move(const Case &wanted);

} // namespace bench

#endif
