/* SPDX-License-Identifier: MIT */
/* The copy with which all times are compared. It has C linkage, so that Python can call it too. */
#ifndef GN_BENCH_COPY_H
#define GN_BENCH_COPY_H

#include <stdint.h>

extern "C" {

/*
 * Copies floats, one share per thread: by memcpy, or with non-temporal stores if nontemporal is not
 * 0.
 */
void gn_bench_copy(float *to, const float *from, int64_t elements, int threads, int nontemporal);

/* Whether this machine has such stores. If not, nontemporal is ignored. */
int gn_bench_copy_has_nontemporal(void);
}

namespace bench
{

/* The elements first to last - 1 of one thread: whole cache lines, except at the end. */
struct Share {
    int64_t first, last;
};
Share share_of(int64_t elements, int thread, int threads);

} // namespace bench

#endif
