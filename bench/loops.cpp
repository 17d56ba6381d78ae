// SPDX-License-Identifier: MIT
// Compiled for the machine that it is built on, with its widest vectors, whatever instruction set
// the library is asked for.
#include "loops.h"

#include <omp.h>

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "copy.h"

#ifdef __SSE2__
#include <immintrin.h>
#endif

namespace bench
{

#if defined __AVX512F__
static constexpr int VEC_BYTES = 64;
#elif defined __AVX__
static constexpr int VEC_BYTES = 32;
#else
static constexpr int VEC_BYTES = 16;
#endif
static constexpr int WIDTH = VEC_BYTES / 4, LINE = 16;

typedef float Vec __attribute__((vector_size(VEC_BYTES), aligned(4), may_alias));

static constexpr int64_t LEAST_BLOCK = 32768; // elements, the BATCH of src/partition.c
static constexpr int64_t PIECE = 16384;

namespace
{

// Elements of the inputs, and where as many go; dy is null in the forward direction.
struct Part {
    const float *dy, *x;
    float *out;
    int64_t elements;

    Part from(int64_t first, int64_t count) const
    {
        return {dy ? dy + first : nullptr, x + first, out + first, count};
    }
};

} // namespace

static Vec at(const float *p)
{
    return *reinterpret_cast<const Vec *>(p);
}

// The first pass. What it returns has to be used, or the compiler leaves the loads out.
static float load(const float *p, int64_t elements)
{
    Vec sums[4] = {};
    int64_t i = 0;
    for (; i + 4 * WIDTH <= elements; i += 4 * WIDTH) {
        sums[0] += at(p + i);
        sums[1] += at(p + i + WIDTH);
        sums[2] += at(p + i + 2 * WIDTH);
        sums[3] += at(p + i + 3 * WIDTH);
    }
    const Vec all = (sums[0] + sums[1]) + (sums[2] + sums[3]);
    float sum = 0;
    for (int lane = 0; lane < WIDTH; lane++)
        sum += all[lane];
    for (; i < elements; i++)
        sum += p[i];
    return sum;
}

template <bool streamed> static void put(float *p, Vec v)
{
#if defined __AVX512F__
    if (streamed)
        return _mm512_stream_ps(p, v);
#elif defined __AVX__
    if (streamed)
        return _mm256_stream_ps(p, v);
#elif defined __SSE2__
    if (streamed)
        return _mm_stream_ps(p, v);
#endif
    *reinterpret_cast<Vec *>(p) = v;
}

// The second pass, with aligned stores.
template <bool streamed, bool backward> static void store(const Part &part)
{
    const auto value = [&part](int64_t i) { return backward ? part.x[i] + part.dy[i] : part.x[i]; };
    const auto vector = [&part](int64_t i) {
        return backward ? at(part.x + i) + at(part.dy + i) : at(part.x + i);
    };
    const auto head = static_cast<int64_t>(-reinterpret_cast<uintptr_t>(part.out) % 64 / 4);
    int64_t i = 0;
    for (; i < std::min(head, part.elements); i++)
        part.out[i] = value(i);
    for (; i + LINE <= part.elements; i += LINE)
        for (int w = 0; w < LINE; w += WIDTH)
            put<streamed>(part.out + i + w, vector(i + w));
    for (; i < part.elements; i++)
        part.out[i] = value(i);
#ifdef __SSE2__
    if (streamed)
        _mm_sfence();
#endif
}

static void store(const Part &part, bool streamed)
{
    if (part.dy)
        streamed ? store<true, true>(part) : store<false, true>(part);
    else
        streamed ? store<true, false>(part) : store<false, false>(part);
}

static float load(const Part &part)
{
    float sum = 0;
    for (int64_t i = 0; i < part.elements; i += PIECE) {
        const int64_t count = std::min(PIECE, part.elements - i);
        sum += load(part.x + i, count);
        if (part.dy)
            sum += load(part.dy + i, count);
    }
    return sum;
}

// From the end: what was loaded last is still in the cache.
static void store_pieces(const Part &part, bool streamed)
{
    const int64_t pieces = (part.elements + PIECE - 1) / PIECE;
    for (int64_t piece = pieces; piece-- > 0;) {
        const int64_t first = piece * PIECE;
        store(part.from(first, std::min(PIECE, part.elements - first)), streamed);
    }
}

static int64_t block_elements(const Case &wanted)
{
    const Shape &shape = wanted.shape;
    const int64_t units = shape.dims[0] * (wanted.layout == GN_CHANNELS_LAST ? 1 : shape.groups);
    const int64_t unit = shape.elements() / units;
    return unit * std::max<int64_t>(1, LEAST_BLOCK / unit);
}

void run_loops(const Case &wanted, const Tensors &tensors, int threads, bool streamed)
{
    static std::atomic<float> sink;
    const bool backward = wanted.direction == Direction::backward;
    const Part all = {backward ? tensors.dy.floats() : nullptr, tensors.x.floats(),
                      tensors.out.floats(), wanted.shape.elements()};
    const int64_t size = block_elements(wanted);
    const int64_t blocks = (all.elements + size - 1) / size;
    const int64_t alone = blocks - blocks % threads;
    const auto block = [&](int64_t b) {
        return all.from(b * size, std::min(size, all.elements - b * size));
    };
#pragma omp parallel num_threads(threads)
    {
        float sum = 0;
#pragma omp for schedule(static) nowait
        for (int64_t b = 0; b < alone; b++) {
            sum += load(block(b));
            store_pieces(block(b), streamed);
        }
        for (int64_t b = alone; b < blocks; b++) {
            const Part whole = block(b);
            const Share share =
                share_of(whole.elements, omp_get_thread_num(), omp_get_num_threads());
            const Part mine = whole.from(share.first, share.last - share.first);
            sum += load(mine);
#pragma omp barrier
            store_pieces(mine, streamed);
        }
        sink.store(sum, std::memory_order_relaxed);
    }
}

} // namespace bench
