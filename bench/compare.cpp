// SPDX-License-Identifier: MIT
// gn-compare: two builds of the library, case by case. See bench/NOTES.md, or --help.
#include <charconv>
#include <cmath>
#include <cstdio>
#include <exception>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "comparison.h"
#include "options.h"
#include "usage.h"

namespace bench
{

namespace
{

struct Wanted {
    std::vector<std::string> libraries; // the old one, the new one
    double percent = 3, seconds = 0.5;
    Options options;
};

} // namespace

// A case that seems slower is measured up to this many times. It counts if it is slower every time.
static constexpr int TRIES = 3;

static std::string format(double value)
{
    char text[32];
    std::snprintf(text, sizeof(text), "%g", value);
    return text;
}

// A number within limits.
static double number(const std::string &option, const std::string &text, double least, double most)
{
    double value = 0;
    const char *end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc() || rest != end || !(value >= least && value <= most))
        throw UsageError(option + " " + text + ": that is no number from " + format(least) +
                         " to " + format(most));
    return value;
}

// Takes an option of this program and returns true, or returns false for any other option.
static bool take_own(Wanted &wanted, const std::string &name, const std::string &value)
{
    if (name == "--slower")
        wanted.percent = number(name, value, -100, 1e9);
    else if (name == "--seconds")
        wanted.seconds = number(name, value, 0, 3600);
    else
        return false;
    return true;
}

static Wanted parse(const std::vector<std::string> &arguments)
{
    Wanted wanted;
    std::vector<std::string> rest;
    bool in_place = false, directed = false;
    for (size_t i = 0; i < arguments.size(); i++) {
        std::string name = arguments[i], value;
        const size_t equals = name.find('=');
        if (name.rfind("--", 0) != 0) {
            wanted.libraries.push_back(name);
            continue;
        }
        if (name == "--in-place") {
            in_place = true;
            continue;
        }
        if (equals != std::string::npos) {
            value = name.substr(equals + 1);
            name = name.substr(0, equals);
        } else if (i + 1 < arguments.size()) {
            value = arguments[++i];
        } else {
            throw UsageError("there is no option " + name + ", or it lacks its value (see --help)");
        }
        directed = directed || name == "--direction";
        if (!take_own(wanted, name, value))
            rest.insert(rest.end(), {name, value});
    }
    wanted.options = parse_options(rest, false);
    if (wanted.libraries.size() != 2)
        throw UsageError("two libraries are compared, OLD.so and NEW.so (see --help)");
    if (in_place && directed)
        throw UsageError("--in-place is for the forward direction, and goes without --direction");
    wanted.options.in_place = in_place;
    if (in_place)
        wanted.options.directions = {Direction::forward};
    return wanted;
}

static void print_help()
{
    std::printf(
        "gn-compare OLD.so NEW.so: two builds of libgroupnorm, called in turns on the same "
        "buffers.\n"
        "\n"
        "%s"
        "    --in-place        y is x; the forward direction only\n"
        "    --seconds S       how long each case is measured (default: 0.5)\n"
        "    --slower PERCENT  a case fails if it is slower by more, in the median of the rounds\n"
        "                      (default: 3). It is measured up to three times, and its least\n"
        "                      ratio counts. The geometric means are those of the first ratios\n"
        "\n"
        "The columns are the medians of both in microseconds, and the ratio new/old: the median\n"
        "of the rounds, its quartiles, and the ratio of the minima. Lists are separated by "
        "commas.\n"
        "The exit status is 0, or 1 if a case is slower, or 2 if something cannot be done.\n",
        OPTIONS_HELP);
}

// Geometric means of the cases that have the same key.
class Means
{
  public:
    void add(const std::string &key, double ratio)
    {
        Sum &sum = sums[key];
        sum.logarithms += std::log(ratio);
        sum.count++;
    }

    void print() const
    {
        for (const auto &[key, sum] : sums)
            std::printf("geometric mean of %d, %s: %.3f\n", sum.count, key.c_str(),
                        std::exp(sum.logarithms / sum.count));
    }

  private:
    struct Sum {
        double logarithms = 0;
        int count = 0;
    };
    std::map<std::string, Sum> sums;
};

static void print(const std::string &name, const Comparison &c)
{
    std::printf("%-56s %10.2f %10.2f   %.3f  %.3f-%.3f  %.3f\n", name.c_str(), c.old_seconds * 1e6,
                c.new_seconds * 1e6, c.ratio, c.lower, c.upper, c.ratio_of_minima);
    std::fflush(stdout);
}

// The instruction set of both plans, or that of each if they differ.
static std::string isas_of(const Library &older, const Library &newer, const Case &wanted)
{
    const std::string before = isa_name(older, make_plan(older, wanted).get());
    const std::string after = isa_name(newer, make_plan(newer, wanted).get());
    return before == after ? after : before + "->" + after;
}

// Returns how many cases are slower.
static int compare_all(const Wanted &wanted)
{
    const Library older = load_library(wanted.libraries[0]);
    const Library newer = load_library(wanted.libraries[1]);
    const double most = 1 + wanted.percent / 100;
    std::set<std::string> names;
    std::vector<std::string> slower;
    Means means;
    std::printf("%-56s %10s %10s   %s  %s  %s\n", "case", "old us", "new us", "ratio",
                "quartiles  ", "minima");
    for (const Case &c : wanted.options.cases()) {
        const std::string name = case_name(c, isas_of(older, newer, c));
        if (!names.insert(name).second)
            continue; // "auto" is one of the others
        Comparison found = compare(older, newer, c, wanted.seconds);
        const double first = found.ratio;
        for (int i = 1; i < TRIES && found.ratio > most; i++) {
            const Comparison again = compare(older, newer, c, wanted.seconds);
            found = again.ratio < found.ratio ? again : found;
        }
        print(name, found);
        if (found.ratio > most)
            slower.push_back(name);
        const std::string threads = ", threads:" + std::to_string(c.threads);
        means.add((c.layout == GN_CHANNELS_LAST ? "last" : "first") +
                      std::string(c.direction == Direction::forward ? ", forward" : ", backward") +
                      threads,
                  first);
        means.add("all", first);
    }
    means.print();
    for (const std::string &name : slower)
        std::printf("slower by more than %g %%: %s\n", wanted.percent, name.c_str());
    return static_cast<int>(slower.size());
}

} // namespace bench

int main(int argc, char **argv)
{
    const std::vector<std::string> arguments(argv + 1, argv + argc);
    for (const std::string &argument : arguments)
        if (argument == "--help") {
            bench::print_help();
            return 0;
        }
    try {
        return bench::compare_all(bench::parse(arguments)) > 0;
    } catch (const std::exception &error) {
        std::fprintf(stderr, "gn-compare: %s\n", error.what());
        return 2;
    }
}
