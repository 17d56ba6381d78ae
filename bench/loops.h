// SPDX-License-Identifier: MIT
// What binds: loops that load and store what a normalization in two passes has to, in much the same
// order, and compute next to nothing.
#ifndef GN_BENCH_LOOPS_H
#define GN_BENCH_LOOPS_H

#include "cases.h"
#include "tensors.h"

namespace bench
{

// Loads the inputs block by block: all of a block, then all again with a store of as many elements
// to out. A block is what the library reduces before it writes: a group (channels first) or a
// sample (channels last), or several where they are small; a thread has a block to itself where
// there are enough of them, and all share what is left over. With stores past the caches where
// streamed is true and the machine has them.
void run_loops(const Case &wanted, const Tensors &tensors, int threads, bool streamed);

} // namespace bench

#endif
