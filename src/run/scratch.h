/* SPDX-License-Identifier: MIT */
/*
 * Scratch memory that a plan keeps between calls. A call takes it with one atomic exchange. A call
 * that overlaps it finds none and allocates its own.
 */
#ifndef GN_SCRATCH_H
#define GN_SCRATCH_H

#include <stdint.h>

struct gn_scratch {
    int64_t bytes;
    char *memory; /* aligned to 64 bytes */
};

typedef struct gn_scratch *_Atomic gn_scratch_keeper;

static inline int64_t gn_round_up(int64_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

/*
 * Returns scratch of at least `bytes` bytes, or NULL if there is no memory. The caller owns it
 * until gn_scratch_give.
 */
struct gn_scratch *gn_scratch_take(gn_scratch_keeper *keeper, int64_t bytes);

/* Stores the scratch, or NULL, for the next call, and frees what was stored before. */
void gn_scratch_give(gn_scratch_keeper *keeper, struct gn_scratch *scratch);

#endif
