// SPDX-License-Identifier: MIT
#include "options.h"

#include <omp.h>

#include <algorithm>
#include <charconv>
#include <sstream>
#include <string>
#include <utility>

#include "usage.h"

namespace bench
{

static constexpr int MOST_THREADS = 1024; // as gn_desc_set_threads

template <typename T> using Names = std::vector<std::pair<const char *, T>>;

static const Names<gn_layout> LAYOUTS = {{"first", GN_CHANNELS_FIRST}, {"last", GN_CHANNELS_LAST}};
static const Names<Direction> DIRECTIONS = {{"forward", Direction::forward},
                                            {"backward", Direction::backward}};
static const Names<gn_isa> ISAS = {{"auto", GN_ISA_AUTO},
                                   {"generic", GN_ISA_GENERIC},
                                   {"avx2", GN_ISA_AVX2},
                                   {"avx512", GN_ISA_AVX512},
                                   {"neon", GN_ISA_NEON}};

static const Names<gn_type> TYPES = {
    {"f32", GN_F32}, {"f64", GN_F64}, {"bf16", GN_BF16}, {"f16", GN_F16}};
static const Names<gn_activation> ACTIVATIONS = {{"identity", GN_ACTIVATION_IDENTITY},
                                                 {"relu", GN_ACTIVATION_RELU},
                                                 {"silu", GN_ACTIVATION_SILU}};

const char *const OPTIONS_HELP =
    "    --shapes FILE     a table of layers (default: " GN_BENCH_SHAPES ")\n"
    "    --shape SHAPE     one layer, NxCxSPATIAL.../GROUPS as 8x512x7x7/32; may be repeated\n"
    "    --layout LIST     of first, last (default: both)\n"
    "    --direction LIST  of forward, backward (default: both)\n"
    "    --threads LIST    of numbers of threads (default: what OpenMP gives)\n"
    "    --isa LIST        of auto, generic, avx2, avx512, neon (default: auto)\n"
    "    --type LIST       of f32, f64, bf16, f16 (default: f32)\n"
    "    --activation LIST of identity, relu, silu (default: identity)\n";

static std::vector<std::string> split(const std::string &list)
{
    std::vector<std::string> items;
    std::istringstream stream(list + ',');
    for (std::string item; std::getline(stream, item, ',');)
        items.push_back(item);
    return items;
}

template <typename T>
static std::vector<T> named(const std::string &option, const std::string &list,
                            const Names<T> &names)
{
    std::vector<T> values;
    for (const std::string &item : split(list)) {
        const size_t before = values.size();
        std::string known;
        for (const auto &[name, value] : names) {
            known += (known.empty() ? "" : ", ") + std::string(name);
            if (item == name)
                values.push_back(value);
        }
        if (values.size() == before)
            throw UsageError(option + " " + list + ": \"" + item + "\" is none of " + known);
    }
    return values;
}

static std::vector<int> thread_counts(const std::string &list)
{
    std::vector<int> counts;
    for (const std::string &item : split(list)) {
        int count = 0;
        const char *end = item.data() + item.size();
        const auto [rest, error] = std::from_chars(item.data(), end, count);
        if (error != std::errc() || rest != end || count < 1 || count > MOST_THREADS)
            throw UsageError("--threads " + list + ": \"" + item + "\" is no number from 1 to " +
                             std::to_string(MOST_THREADS));
        counts.push_back(count);
    }
    return counts;
}

static void apply(Options &options, const std::string &option, const std::string &value)
{
    if (option == "--shapes") {
        for (Shape &shape : read_shapes(value))
            options.shapes.push_back(std::move(shape));
    } else if (option == "--shape") {
        options.shapes.push_back(parse_shape(value));
    } else if (option == "--layout") {
        options.layouts = named(option, value, LAYOUTS);
    } else if (option == "--direction") {
        options.directions = named(option, value, DIRECTIONS);
    } else if (option == "--threads") {
        options.threads = thread_counts(value);
    } else if (option == "--isa") {
        options.isas = named(option, value, ISAS);
    } else if (option == "--type") {
        options.types = named(option, value, TYPES);
    } else if (option == "--activation") {
        options.activations = named(option, value, ACTIVATIONS);
    } else {
        throw UsageError("there is no option " + option + " (see --help)");
    }
}

Options parse_options(const std::vector<std::string> &arguments, bool loops)
{
    Options options;
    for (size_t i = 0; i < arguments.size(); i++) {
        const std::string &option = arguments[i];
        const size_t equals = option.find('=');
        if (option.rfind("--", 0) != 0)
            throw UsageError("\"" + option + "\" is no option (see --help)");
        if (loops && option == "--loops") {
            options.loops = true;
        } else if (loops && option.rfind("--loops=", 0) == 0) {
            throw UsageError(option + ": --loops takes no value");
        } else if (equals != std::string::npos) {
            apply(options, option.substr(0, equals), option.substr(equals + 1));
        } else if (i + 1 < arguments.size()) {
            apply(options, option, arguments[++i]);
        } else {
            throw UsageError("there is no option " + option +
                             ", or it lacks its value (see --help)");
        }
    }
    if (options.shapes.empty())
        options.shapes = read_shapes(GN_BENCH_SHAPES);
    if (options.threads.empty())
        options.threads = {omp_get_max_threads()};
    const std::vector<Case> cases = options.cases();
    if (options.loops &&
        !std::all_of(cases.begin(), cases.end(), [](const Case &c) { return c.plain(); }))
        throw UsageError("--loops is for f32 without an activation");
    return options;
}

std::vector<Case> Options::cases() const
{
    std::vector<Case> all;
    for (const Shape &shape : shapes)
        for (const gn_layout layout : layouts)
            for (const Direction direction : directions)
                for (const int count : threads)
                    for (const gn_isa isa : isas)
                        for (const gn_type type : types)
                            for (const gn_activation activation : activations)
                                all.push_back({shape, layout, direction, count, isa, type,
                                               activation, in_place});
    return all;
}

} // namespace bench
