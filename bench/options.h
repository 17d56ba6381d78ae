// SPDX-License-Identifier: MIT
// The command line, without the options of Google Benchmark.
#ifndef GN_BENCH_OPTIONS_H
#define GN_BENCH_OPTIONS_H

#include <groupnorm.h>

#include <string>
#include <vector>

#include "cases.h"
#include "shapes.h"

namespace bench
{

struct Options {
    std::vector<Shape> shapes;
    std::vector<gn_layout> layouts = {GN_CHANNELS_FIRST, GN_CHANNELS_LAST};
    std::vector<Direction> directions = {Direction::forward, Direction::backward};
    std::vector<int> threads; // each 1 or more
    std::vector<gn_isa> isas = {GN_ISA_AUTO};
    std::vector<gn_type> types = {GN_F32};
    std::vector<gn_activation> activations = {GN_ACTIVATION_IDENTITY};
    bool loops = false;
    bool in_place = false;

    std::vector<Case> cases() const; // every combination; the last list varies fastest
};

// The lines of --help that describe these options.
extern const char *const OPTIONS_HELP;

// Reads the options that choose cases. `loops` says whether --loops is allowed. Throws UsageError.
Options parse_options(const std::vector<std::string> &arguments, bool loops);

} // namespace bench

#endif
