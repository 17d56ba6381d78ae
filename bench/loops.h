// SPDX-License-Identifier: MIT
// Loops that show what binds: they load and store what a normalization in two passes must, in
// nearly the same order, and compute almost nothing.
#ifndef GN_BENCH_LOOPS_H
#define GN_BENCH_LOOPS_H

#include "cases.h"
#include "tensors.h"

namespace bench
{

// Goes through the inputs block by block: it loads all of a block, then loads it again and stores
// as many elements to out. A block is what the library reduces before it writes: a group (channels
// first), a sample (channels last), or several of them if they are small. Each thread takes whole
// blocks as long as there is one for every thread; all threads share each remaining block. The
// stores are non-temporal if nontemporal is true and the machine has such stores.
void run_loops(const Case &wanted, const Tensors &tensors, int threads, bool nontemporal);

} // namespace bench

#endif
