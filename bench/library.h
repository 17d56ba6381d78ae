// SPDX-License-Identifier: MIT
// A build of the library: the one that the program is linked with, or one that it loads.
#ifndef GN_BENCH_LIBRARY_H
#define GN_BENCH_LIBRARY_H

#include <groupnorm.h>

#include <memory>
#include <string>

#include "cases.h"

namespace bench
{

// The functions that the benchmarks call.
struct Library {
    decltype(&gn_last_error) last_error;
    decltype(&gn_desc_create) desc_create;
    decltype(&gn_desc_destroy) desc_destroy;
    decltype(&gn_desc_set_groups) desc_set_groups;
    decltype(&gn_desc_set_layout) desc_set_layout;
    decltype(&gn_desc_set_threads) desc_set_threads;
    decltype(&gn_desc_set_isa) desc_set_isa;
    decltype(&gn_desc_set_types) desc_set_types;
    decltype(&gn_desc_set_activation) desc_set_activation;
    decltype(&gn_plan_create) plan_create;
    decltype(&gn_plan_destroy) plan_destroy;
    decltype(&gn_plan_describe) plan_describe;
    decltype(&gn_forward) forward;
    decltype(&gn_backward) backward;
};

// The library that the program is linked with.
const Library &linked_library();

// Loads a shared library, which stays loaded until the program ends. Its symbols are local, so that
// several builds can be loaded at once. Throws UsageError.
Library load_library(const std::string &path);

using Plan = std::unique_ptr<gn_plan, decltype(&gn_plan_destroy)>;

// Throws UsageError with the text of gn_last_error.
Plan make_plan(const Library &library, const Case &wanted);

// The instruction set that the plan uses.
std::string isa_name(const Library &library, const gn_plan *plan);

} // namespace bench

#endif
