// SPDX-License-Identifier: MIT
// gn-bench: the library against a copy. See bench/NOTES.md, or --help.
#include <benchmark/benchmark.h>
#include <groupnorm.h>

#include <cstdio>
#include <set>
#include <string>

#include "library.h"
#include "measure.h"
#include "options.h"
#include "usage.h"

namespace bench
{

static void register_case(const Case &wanted, bool loops, std::set<std::string> &names)
{
    const Plan plan = make_plan(linked_library(), wanted);
    const std::string name = case_name(wanted, isa_name(linked_library(), plan.get()));
    if (!names.insert(name).second)
        return; // "auto" is one of the others
    const auto run = [=](benchmark::State &state) { measure(state, wanted, loops); };
    benchmark::RegisterBenchmark(name.c_str(), run)->UseManualTime()->Unit(benchmark::kMicrosecond);
}

static void print_help()
{
    std::printf(
        "gn-bench: libgroupnorm compared with a copy of the same tensor. bench/NOTES.md describes\n"
        "the measurement.\n"
        "\n"
        "%s"
        "    --loops           also measure loops that only load and store\n"
        "\n"
        "For other types and activations, of_plain is the time divided by that of f32 without an\n"
        "activation, measured in turns. Lists are separated by commas. Other options go to Google\n"
        "Benchmark:\n\n",
        OPTIONS_HELP);
    std::fflush(stdout);
    benchmark::PrintDefaultHelp();
}

} // namespace bench

int main(int argc, char **argv)
{
    benchmark::Initialize(&argc, argv, bench::print_help);
    try {
        const bench::Options options = bench::parse_options({argv + 1, argv + argc}, true);
        std::set<std::string> names;
        for (const bench::Case &wanted : options.cases())
            bench::register_case(wanted, options.loops, names);
    } catch (const bench::UsageError &error) {
        std::fprintf(stderr, "gn-bench: %s\n", error.what());
        return 2;
    }
    benchmark::AddCustomContext("groupnorm_version", gn_version_string());
    const size_t ran = benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    return ran == 0 || bench::any_failed();
}
