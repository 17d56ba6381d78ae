/* SPDX-License-Identifier: MIT */
/*
 * A thread's buffers: for regions of tensors that kernels cannot use where they lie, for the
 * kernels themselves, and for what is saved from one phase to the next.
 */
#ifndef GN_BUFFERS_H
#define GN_BUFFERS_H

#include "plan/plan.h"

struct gn_buffers {
    void *x, *dy, *out; /* each for a tile, or a batch of small groups */
    void *raw;          /* for a sample of small groups as it is in memory */
    double *scratch;    /* the kernels' */
    float *saved_g;     /* of a batch of one tile: whole rows or pixels one after the other */
};

/* The bytes of all of them, for a pass. */
int64_t gn_buffers_bytes(const gn_plan *plan, bool backward);

/* The bytes of saved_g: 0 where g is not to be saved there. */
int64_t gn_saved_g_bytes(const gn_plan *plan);

/* saved_g lies after the scratch of the backward pass, which is the larger. */
static inline void gn_buffers_of(const gn_plan *plan, void *memory, struct gn_buffers *buffers)
{
    char *at = memory;
    int64_t one = plan->operand_bytes;
    buffers->x = at;
    buffers->dy = at + one;
    buffers->out = at + 2 * one;
    buffers->raw = at + 3 * one;
    buffers->scratch = (double *)(void *)(at + 3 * one + plan->raw_bytes);
    buffers->saved_g = (float *)(void *)(at + 3 * one + plan->raw_bytes + plan->scratch_bytes);
}

#endif
