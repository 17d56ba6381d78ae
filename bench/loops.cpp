// SPDX-License-Identifier: MIT
// This file is compiled for the machine on which it is built, with its widest vectors. It does not
// depend on the instruction set of the library.
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

static constexpr int64_t LEAST_BLOCK = 32768; // elements, as BATCH in src/plan/partition.c
static constexpr int64_t PIECE = 16384;

namespace
{

// A region of the inputs and of the output. dy is null in the forward direction.
struct Region {
    const float *dy, *x;
    float *out;
    int64_t elements;

    Region from(int64_t first, int64_t count) const
    {
        return {dy ? dy + first : nullptr, x + first, out + first, count};
    }
};

} // namespace

static Vec at(const float *p)
{
    return *reinterpret_cast<const Vec *>(p);
}

// The first pass. The caller must use the result, or the compiler removes the loads.
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

template <bool nontemporal> static void put(float *p, Vec v)
{
#if defined __AVX512F__
    if (nontemporal)
        return _mm512_stream_ps(p, v);
#elif defined __AVX__
    if (nontemporal)
        return _mm256_stream_ps(p, v);
#elif defined __SSE2__
    if (nontemporal)
        return _mm_stream_ps(p, v);
#endif
    *reinterpret_cast<Vec *>(p) = v;
}

// The second pass, with aligned stores.
template <bool nontemporal, bool backward> static void store(const Region &region)
{
    const auto value = [&region](int64_t i) {
        return backward ? region.x[i] + region.dy[i] : region.x[i];
    };
    const auto vector = [&region](int64_t i) {
        return backward ? at(region.x + i) + at(region.dy + i) : at(region.x + i);
    };
    const auto head = static_cast<int64_t>(-reinterpret_cast<uintptr_t>(region.out) % 64 / 4);
    int64_t i = 0;
    for (; i < std::min(head, region.elements); i++)
        region.out[i] = value(i);
    for (; i + LINE <= region.elements; i += LINE)
        for (int w = 0; w < LINE; w += WIDTH)
            put<nontemporal>(region.out + i + w, vector(i + w));
    for (; i < region.elements; i++)
        region.out[i] = value(i);
#ifdef __SSE2__
    if (nontemporal)
        _mm_sfence();
#endif
}

static void store(const Region &region, bool nontemporal)
{
    if (region.dy)
        nontemporal ? store<true, true>(region) : store<false, true>(region);
    else
        nontemporal ? store<true, false>(region) : store<false, false>(region);
}

static float load(const Region &region)
{
    float sum = 0;
    for (int64_t i = 0; i < region.elements; i += PIECE) {
        const int64_t count = std::min(PIECE, region.elements - i);
        sum += load(region.x + i, count);
        if (region.dy)
            sum += load(region.dy + i, count);
    }
    return sum;
}

// Starts at the end, because the elements that were loaded last are still in the cache.
static void store_pieces(const Region &region, bool nontemporal)
{
    const int64_t pieces = (region.elements + PIECE - 1) / PIECE;
    for (int64_t piece = pieces; piece-- > 0;) {
        const int64_t first = piece * PIECE;
        store(region.from(first, std::min(PIECE, region.elements - first)), nontemporal);
    }
}

static int64_t block_elements(const Case &wanted)
{
    const Shape &shape = wanted.shape;
    const int64_t units = shape.dims[0] * (wanted.layout == GN_CHANNELS_LAST ? 1 : shape.groups);
    const int64_t unit = shape.elements() / units;
    return unit * std::max<int64_t>(1, LEAST_BLOCK / unit);
}

void run_loops(const Case &wanted, const Tensors &tensors, int threads, bool nontemporal)
{
    static std::atomic<float> sink;
    const bool backward = wanted.direction == Direction::backward;
    const Region all = {backward ? tensors.dy.floats() : nullptr, tensors.x.floats(),
                        tensors.out.floats(), wanted.shape.elements()};
    const int64_t size = block_elements(wanted);
    const int64_t blocks = (all.elements + size - 1) / size;
    const int64_t per_thread = blocks - blocks % threads;
    const auto block = [&](int64_t b) {
        return all.from(b * size, std::min(size, all.elements - b * size));
    };
#pragma omp parallel num_threads(threads)
    {
        float sum = 0;
#pragma omp for schedule(static) nowait
        for (int64_t b = 0; b < per_thread; b++) {
            sum += load(block(b));
            store_pieces(block(b), nontemporal);
        }
        for (int64_t b = per_thread; b < blocks; b++) {
            const Region whole = block(b);
            const Share share =
                share_of(whole.elements, omp_get_thread_num(), omp_get_num_threads());
            const Region mine = whole.from(share.first, share.last - share.first);
            sum += load(mine);
#pragma omp barrier
            store_pieces(mine, nontemporal);
        }
        sink.store(sum, std::memory_order_relaxed);
    }
}

} // namespace bench
