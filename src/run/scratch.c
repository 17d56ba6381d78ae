/* SPDX-License-Identifier: MIT */
#include "run/scratch.h"

#include <stdatomic.h>
#include <stdlib.h>

enum { HEADER = 64 };

static struct gn_scratch *make(int64_t bytes)
{
    char *memory = aligned_alloc(64, (size_t)(HEADER + gn_round_up(bytes)));
    if (!memory)
        return NULL;
    struct gn_scratch *scratch = (struct gn_scratch *)(void *)memory;
    scratch->bytes = bytes;
    scratch->memory = memory + HEADER;
    return scratch;
}

struct gn_scratch *gn_scratch_take(gn_scratch_keeper *keeper, int64_t bytes)
{
    struct gn_scratch *previous = atomic_exchange(keeper, NULL);
    if (previous && previous->bytes >= bytes)
        return previous;
    struct gn_scratch *larger = make(bytes);
    if (larger)
        free(previous);
    else
        gn_scratch_give(keeper, previous);
    return larger;
}

void gn_scratch_give(gn_scratch_keeper *keeper, struct gn_scratch *scratch)
{
    free(atomic_exchange(keeper, scratch));
}
