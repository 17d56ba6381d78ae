// SPDX-License-Identifier: MIT
#include "measure.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <new>
#include <optional>
#include <stdexcept>
#include <vector>

#include "allocations.h"
#include "copy.h"
#include "loops.h"
#include "tensors.h"

namespace bench
{

// A burst of calls lasts about this long at least, so that reading the clock costs nothing.
static constexpr double BURST_SECONDS = 20e-6;
static constexpr int MOST_CALLS = 4096;

// A larger tensor is beyond any cache, and nothing brings it back there.
static constexpr int64_t LARGE_BYTES = 64 << 20;

// Waking threads up can cost more than copying this much alone.
static constexpr int64_t ONE_THREAD_BYTES = 1 << 20;

static bool failed;

bool any_failed()
{
    return failed;
}

namespace
{

// A way of copying, or of running the loops, and what each burst of it took, in seconds a run.
struct Way {
    int threads;
    bool streamed;
    std::vector<double> times;
};

class Workload
{
  public:
    explicit Workload(const Case &of) : wanted(of), plan(make_plan(of)), tensors(of)
    {
        forward(); // for mean and rstd
    }

    void call()
    {
        wanted.direction == Direction::forward ? forward() : backward();
    }

    void copy(const Way &way)
    {
        const int64_t floats = wanted.bytes() / static_cast<int64_t>(sizeof(float));
        gn_bench_copy(tensors.out.floats(), tensors.x.floats(), floats, way.threads, way.streamed);
    }

    void loops(const Way &way)
    {
        run_loops(wanted, tensors, way.threads, way.streamed);
    }

  private:
    void forward()
    {
        check(gn_forward(plan.get(), tensors.x.data(), tensors.gamma.data(), tensors.beta.data(),
                         tensors.out.data(), tensors.mean.data(), tensors.rstd.data()));
    }

    void backward()
    {
        check(gn_backward(plan.get(), tensors.dy.data(), tensors.x.data(), tensors.mean.data(),
                          tensors.rstd.data(), tensors.gamma.data(), tensors.beta.data(),
                          tensors.out.data(), tensors.dgamma.data(), tensors.dbeta.data()));
    }

    static void check(gn_status status)
    {
        if (status)
            throw std::runtime_error(gn_last_error());
    }

    Case wanted;
    Plan plan;
    Tensors tensors;
};

} // namespace

// Seconds a call, in a burst after some calls that are not timed: each kind finds the caches and
// the threads as calls of its own kind left them, not as the other did. After non-temporal stores
// it takes several until the output is back in the last-level cache.
template <typename Call> static double burst(int calls, int settling, Call call)
{
    using Clock = std::chrono::steady_clock;
    for (int i = 0; i < settling; i++)
        call();
    const Clock::time_point start = Clock::now();
    for (int i = 0; i < calls; i++)
        call();
    return std::chrono::duration<double>(Clock::now() - start).count() / calls;
}

static double median(std::vector<double> &times)
{
    const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
    std::nth_element(times.begin(), middle, times.end());
    if (times.size() % 2)
        return *middle;
    return (*middle + *std::max_element(times.begin(), middle)) / 2;
}

static std::vector<Way> ways_to_move(const Case &wanted)
{
    std::vector<Way> ways = {{wanted.threads, false, {}}};
    if (gn_bench_copy_streams())
        ways.push_back({wanted.threads, true, {}});
    if (wanted.threads > 1 && wanted.bytes() <= ONE_THREAD_BYTES)
        ways.push_back({1, false, {}});
    return ways;
}

// How many calls make a burst: of the faster of the library and the plain copy.
static int calls_in_burst(Workload &work, const Way &plain)
{
    double shortest = BURST_SECONDS;
    for (int i = 0; i < 3; i++)
        shortest = std::min(
            {shortest, burst(1, 1, [&] { work.call(); }), burst(1, 1, [&] { work.copy(plain); })});
    return std::clamp(static_cast<int>(std::ceil(BURST_SECONDS / std::max(shortest, 1e-9))), 1,
                      MOST_CALLS);
}

static double fastest(std::vector<Way> &ways)
{
    double least = median(ways[0].times);
    for (Way &way : ways)
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
    Workload work(wanted);
    std::vector<Way> copies = ways_to_move(wanted), loops = copies;
    const int calls = calls_in_burst(work, copies[0]);
    const int settling = wanted.bytes() <= LARGE_BYTES ? 4 : 1;
    std::vector<double> times, plain_times;
    int64_t allocated = 0;
    Case plain_case = wanted;
    plain_case.type = GN_F32;
    plain_case.activation = GN_IDENTITY;
    std::optional<Workload> plain;
    if (!wanted.plain())
        plain.emplace(plain_case);

    while (state.KeepRunningBatch(calls)) {
        state.PauseTiming();
        for (Way &way : copies)
            way.times.push_back(burst(calls, settling, [&] { work.copy(way); }));
        if (with_loops)
            for (Way &way : loops)
                way.times.push_back(burst(calls, settling, [&] { work.loops(way); }));
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
