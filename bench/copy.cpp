// SPDX-License-Identifier: MIT
#include "copy.h"

#include <omp.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace bench
{

static constexpr int64_t LINE = 16; // floats

Share share_of(int64_t elements, int thread, int threads)
{
    const int64_t lines = (elements + LINE - 1) / LINE;
    return {std::min(elements, lines * thread / threads * LINE),
            std::min(elements, lines * (thread + 1) / threads * LINE)};
}

static void copy_plain(float *to, const float *from, int64_t elements)
{
    std::memcpy(to, from, static_cast<size_t>(elements) * sizeof *to);
}

#ifdef __SSE2__
static void copy_nontemporal(float *to, const float *from, int64_t elements)
{
    // The elements before the first aligned store.
    const int64_t head = std::min<int64_t>(
        elements, static_cast<int64_t>(-reinterpret_cast<uintptr_t>(to) % 64 / sizeof *to));
    copy_plain(to, from, head);
    int64_t i = head;
    for (; i + LINE <= elements; i += LINE) {
        const __m128 a = _mm_loadu_ps(from + i), b = _mm_loadu_ps(from + i + 4);
        const __m128 c = _mm_loadu_ps(from + i + 8), d = _mm_loadu_ps(from + i + 12);
        _mm_stream_ps(to + i, a);
        _mm_stream_ps(to + i + 4, b);
        _mm_stream_ps(to + i + 8, c);
        _mm_stream_ps(to + i + 12, d);
    }
    _mm_sfence();
    copy_plain(to + i, from + i, elements - i);
}
#endif

static void copy_share(float *to, const float *from, Share share, bool nontemporal)
{
    const int64_t elements = share.last - share.first;
#ifdef __SSE2__
    if (nontemporal)
        return copy_nontemporal(to + share.first, from + share.first, elements);
#else
    static_cast<void>(nontemporal);
#endif
    copy_plain(to + share.first, from + share.first, elements);
}

} // namespace bench

int gn_bench_copy_has_nontemporal(void)
{
#ifdef __SSE2__
    return 1;
#else
    return 0;
#endif
}

void gn_bench_copy(float *to, const float *from, int64_t elements, int threads, int nontemporal)
{
    if (threads == 1)
        return bench::copy_share(to, from, {0, elements}, nontemporal);
#pragma omp parallel num_threads(threads)
    bench::copy_share(to, from,
                      bench::share_of(elements, omp_get_thread_num(), omp_get_num_threads()),
                      nontemporal);
}
