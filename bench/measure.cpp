// SPDX-License-Identifier: MIT
#include "measure.h"

#include <algorithm>
#include <new>
#include <optional>
#include <stdexcept>
#include <vector>

#include "allocations.h"
#include "bursts.h"
#include "copy.h"
#include "loops.h"
#include "tensors.h"
#include "workload.h"

namespace bench
{

// Waking up other threads can take longer than copying this much on one thread.
static constexpr int64_t ONE_THREAD_BYTES = 1 << 20;

static bool failed;

bool any_failed()
{
    return failed;
}

namespace
{

// A variant of the copy or of the loops, and the time of each of its bursts, in seconds per run.
struct Way {
    int threads;
    bool nontemporal;
    std::vector<double> times;
};

} // namespace

static void copy(const Case &wanted, const Tensors &tensors, const Way &way)
{
    const int64_t floats = wanted.bytes() / static_cast<int64_t>(sizeof(float));
    gn_bench_copy(tensors.out.floats(), tensors.x.floats(), floats, way.threads, way.nontemporal);
}

static std::vector<Way> ways_to_move(const Case &wanted)
{
    std::vector<Way> ways = {{wanted.threads, false, {}}};
    if (gn_bench_copy_has_nontemporal())
        ways.push_back({wanted.threads, true, {}});
    if (wanted.threads > 1 && wanted.bytes() <= ONE_THREAD_BYTES)
        ways.push_back({1, false, {}});
    return ways;
}

// The time of a call of the library or of the plain copy, whichever is shorter.
static double shortest_call(const Case &wanted, Workload &work, const Tensors &tensors,
                            const Way &plain)
{
    double shortest = BURST_SECONDS;
    for (int i = 0; i < 3; i++)
        shortest = std::min({shortest, burst(1, 1, [&] { work.call(); }),
                             burst(1, 1, [&] { copy(wanted, tensors, plain); })});
    return shortest;
}

static double fastest(const std::vector<Way> &ways)
{
    double least = median(ways[0].times);
    for (const Way &way : ways)
        least = std::min(least, median(way.times));
    return least;
}

static double floor_of(const Case &wanted, double copy)
{
    return copy * static_cast<double>(bytes_to_move(wanted)) /
           (2 * static_cast<double>(wanted.bytes()));
}

static void report(benchmark::State &state, const Case &wanted, double time, double copy)
{
    const double moved = static_cast<double>(bytes_to_move(wanted));
    state.counters["copy_us"] = copy * 1e6;
    state.counters["ratio"] = time / copy;
    state.counters["efficiency"] = floor_of(wanted, copy) / time;
    state.counters["GB/s"] = moved / time * 1e-9;
}

static void run(benchmark::State &state, const Case &wanted, bool with_loops)
{
    Tensors tensors(wanted);
    Workload work(linked_library(), wanted, tensors);
    std::vector<Way> copies = ways_to_move(wanted), loops = copies;
    const int calls = calls_in_burst(shortest_call(wanted, work, tensors, copies[0]));
    const int settling = settling_calls(wanted);
    std::vector<double> times, plain_times;
    int64_t allocated = 0;
    Case plain_case = wanted;
    plain_case.type = GN_F32;
    plain_case.activation = GN_ACTIVATION_IDENTITY;
    std::optional<Tensors> plain_tensors;
    std::optional<Workload> plain;
    if (!wanted.plain()) {
        plain_tensors.emplace(plain_case);
        plain.emplace(linked_library(), plain_case, *plain_tensors);
    }

    while (state.KeepRunningBatch(calls)) {
        state.PauseTiming();
        for (Way &way : copies)
            way.times.push_back(burst(calls, settling, [&] { copy(wanted, tensors, way); }));
        if (with_loops)
            for (Way &way : loops)
                way.times.push_back(burst(calls, settling, [&] {
                    run_loops(wanted, tensors, way.threads, way.nontemporal);
                }));
        if (plain)
            plain_times.push_back(burst(calls, settling, [&] { plain->call(); }));
        state.ResumeTiming();
        const int64_t before = allocations();
        const double time = burst(calls, settling, [&] { work.call(); });
        allocated += allocations() - before;
        times.push_back(time);
        state.SetIterationTime(time * calls);
    }

    const double copy = fastest(copies);
    report(state, wanted, median(times), copy);
    if (plain) {
        const double time = median(plain_times);
        state.counters["plain_us"] = time * 1e6;
        state.counters["of_plain"] = median(times) / time;
    }
    if (with_loops) {
        const double moving = fastest(loops);
        state.counters["loops_us"] = moving * 1e6;
        state.counters["loops_efficiency"] = floor_of(wanted, copy) / moving;
    }
    if (allocations_counted()) {
        const double made = static_cast<double>(times.size()) * (calls + settling);
        state.counters["allocs"] = static_cast<double>(allocated) / made;
    }
}

void measure(benchmark::State &state, const Case &wanted, bool with_loops)
{
    try {
        run(state, wanted, with_loops);
    } catch (const std::bad_alloc &) {
        failed = true;
        state.SkipWithError("there is no memory for the tensors");
    } catch (const std::exception &error) {
        failed = true;
        state.SkipWithError(error.what());
    }
}

} // namespace bench
