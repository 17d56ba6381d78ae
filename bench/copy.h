/* SPDX-License-Identifier: MIT */
/* The copy that everything is measured against; of C linkage, so that Python can call it too. */
#ifndef GN_BENCH_COPY_H
#define GN_BENCH_COPY_H

#include <stdint.h>

extern "C" {

/*
 * Copies floats, a share to each of the threads: by memcpy, or with stores that go past the caches
 * where streamed is not 0.
 */
void gn_bench_copy(float *to, const float *from, int64_t elements, int threads, int streamed);

/* Whether this machine has such stores; without, streamed is ignored. */
int gn_bench_copy_streams(void);
}

namespace bench
{

/* The elements first to last - 1 that fall to one of the threads: whole cache lines, but at the
 * end. */
struct Share {
    int64_t first, last;
};
Share share_of(int64_t elements, int thread, int threads);

} // namespace bench

#endif
