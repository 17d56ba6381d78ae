/* SPDX-License-Identifier: MIT */
/*
 * A thread's buffers: for regions of tensors that kernels cannot use in place, and for the kernels'
 * scratch.
 */
#ifndef GN_BUFFERS_H
#define GN_BUFFERS_H

#include "plan/plan.h"

struct gn_buffers {
    void *x, *dy, *out; /* each for one operand's tile, or a batch of small groups */
    void *raw;          /* for one sample of small groups as it is in memory */
    double *scratch;    /* of the kernels */
};

/* The bytes of all buffers of a thread, for one pass. */
int64_t gn_buffers_bytes(const gn_plan *plan, bool backward);

/* Lays out the buffers. */
static inline void gn_buffers_of(const gn_plan *plan, void *memory, struct gn_buffers *buffers)
{
    char *at = memory;
    int64_t operand = plan->operand_bytes;
    buffers->x = at;
    buffers->dy = at + operand;
    buffers->out = at + 2 * operand;
    buffers->raw = at + 3 * operand;
    buffers->scratch = (double *)(void *)(at + 3 * operand + plan->raw_bytes);
}

#endif
