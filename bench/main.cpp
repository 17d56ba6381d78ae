// SPDX-License-Identifier: MIT
// gn-bench: see bench/NOTES.md, or --help.
#include <benchmark/benchmark.h>
#include <groupnorm.h>

#include <cstdio>
#include <set>
#include <string>

#include "measure.h"
#include "options.h"
#include "usage.h"

namespace bench
{

static void register_case(const Case &wanted, bool loops, std::set<std::string> &names)
{
    const std::string name = case_name(wanted, make_plan(wanted).get());
    if (!names.insert(name).second)
        return; // "auto" is one of the others
    const auto run = [=](benchmark::State &state) { measure(state, wanted, loops); };
    benchmark::RegisterBenchmark(name.c_str(), run)->UseManualTime()->Unit(benchmark::kMicrosecond);
}

static void register_all(const Options &options)
{
    std::set<std::string> names;
    for (const Shape &shape : options.shapes)
        for (const gn_layout layout : options.layouts)
            for (const Direction direction : options.directions)
                for (const int threads : options.threads)
                    for (const gn_isa isa : options.isas)
                        for (const gn_type type : options.types)
                            for (const gn_activation activation : options.activations)
                                register_case(
                                    {shape, layout, direction, threads, isa, type, activation},
                                    options.loops, names);
}

} // namespace bench

int main(int argc, char **argv)
{
    benchmark::Initialize(&argc, argv, bench::print_help);
    try {
        bench::register_all(bench::parse_options(argc, argv));
    } catch (const bench::UsageError &error) {
        std::fprintf(stderr, "gn-bench: %s\n", error.what());
        return 2;
    }
    benchmark::AddCustomContext("groupnorm_version", gn_version_string());
    const size_t ran = benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    return ran == 0 || bench::any_failed();
}
