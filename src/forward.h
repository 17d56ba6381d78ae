/* SPDX-License-Identifier: MIT */
/*
 * The forward pass: moments of every group, unless its statistics are given, then y. forward.c is
 * what the layouts share; the others are the layouts.
 */
#ifndef GN_FORWARD_H
#define GN_FORWARD_H

#include "batch.h"
#include "run.h"

struct gn_forward_call {
    const gn_plan *plan;
    const void *source; /* what is normalized */
    const struct gn_view *source_view;
    struct gn_parameters parameters;
    const void *given_mean; /* and given_rstd: both NULL where they are to be found */
    const void *given_rstd;
    void *y, *mean, *rstd; /* mean, rstd may be NULL */
    /* Where skip is not NULL, the sum of addend, a tensor like x, and skip goes to source first. */
    const void *addend, *skip;
    bool stream; /* y is written past the caches */
};

/* The bytes of scratch that a call needs. */
int64_t gn_forward_scratch(const gn_plan *plan);

/* Fails for want of memory alone, before anything is written. */
gn_status gn_forward_run(struct gn_forward_call *call);

/* What a slot has of a batch's groups and their channels. */
struct gn_forward_slot {
    struct gn_statistics of;     /* a group */
    float *mean, *scale, *shift; /* a channel; see kernels.h, lines */
    bool *narrow;                /* a group: whether these floats do */
    struct gn_moments moments;   /* a group, of the first set; the others, `set` doubles apart */
    int64_t set;
};

/* The numbers of a tile's last pass, in a slot. */
void gn_forward_coefficients_at(const struct gn_forward_call *call,
                                const struct gn_forward_slot *slot, const struct gn_batch_tile *t,
                                struct gn_coefficients *with);

/* An item is a group in channels first, a sample in channels last. */
void gn_reduce_forward(const struct gn_job *job, const struct gn_batch *batch, int64_t tile,
                       void *slot, void *work);
void gn_apply_forward(const struct gn_job *job, const struct gn_batch *batch, int64_t tile,
                      const void *slot, void *work);

/*
 * A part of what is normalized, where kernels can read it; in reducing, the sum is made first.
 * forward_add.c.
 */
void gn_forward_source(const struct gn_forward_call *call, const struct gn_region *part,
                       const struct gn_buffers *buffers, bool reducing, struct gn_operand *block);

#endif
