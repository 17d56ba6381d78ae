/* SPDX-License-Identifier: MIT */
/*
 * A thread's buffers: for regions of tensors that kernels cannot use in place, for the kernels'
 * scratch, and for what is saved from one phase to the next.
 */
#ifndef GN_BUFFERS_H
#define GN_BUFFERS_H

#include "plan/plan.h"

struct gn_buffers {
    void *x, *dy, *out; /* each for one operand's tile, or a batch of small groups */
    void *raw;          /* for one sample of small groups as it is in memory */
    double *scratch;    /* of the kernels */
    float *saved_g;     /* g of a batch of one tile: rows or pixels without gaps */
};

/* The bytes of all buffers of a thread, for one pass. */
int64_t gn_buffers_bytes(const gn_plan *plan, bool backward);

/* The bytes of saved_g; 0 if g is never saved there. */
int64_t gn_saved_g_bytes(const gn_plan *plan);

/*
 * Lays out the buffers. saved_g follows the scratch of the backward pass, which is larger than that
 * of the forward pass.
 */
static inline void gn_buffers_of(const gn_plan *plan, void *memory, struct gn_buffers *buffers)
{
    char *at = memory;
    int64_t operand = plan->operand_bytes;
    buffers->x = at;
    buffers->dy = at + operand;
    buffers->out = at + 2 * operand;
    buffers->raw = at + 3 * operand;
    buffers->scratch = (double *)(void *)(at + 3 * operand + plan->raw_bytes);
    buffers->saved_g = (float *)(void *)(at + 3 * operand + plan->raw_bytes + plan->scratch_bytes);
}

#endif
