/* SPDX-License-Identifier: MIT */
/*
 * The backward pass: sums over every channel and group, then dx; dgamma and dbeta over samples.
 * backward.c and backward_finish.c are what the layouts share; the others are the layouts.
 */
#ifndef GN_BACKWARD_H
#define GN_BACKWARD_H

#include "batch.h"
#include "run.h"

struct gn_backward_call {
    const gn_plan *plan;
    const void *dy, *x, *mean, *rstd;
    struct gn_parameters parameters;
    const struct gn_view *x_view, *dx_view;
    void *dx, *dskip, *dgamma, *dbeta; /* each may be NULL */
    bool stream;                       /* dx is written past the caches */
    bool keeps;                        /* g until it becomes dx: in dx, */
    bool keeps_apart;                  /* or where gn_kept says */
};

/* The bytes of scratch that a call needs. */
int64_t gn_backward_scratch(const gn_plan *plan);

/* Fails for want of memory alone, before anything is written. */
gn_status gn_backward_run(struct gn_backward_call *call);

/* What a slot has of a batch's groups and their channels. */
struct gn_backward_slot {
    /* A group: of.mean is the stored mean, of.mean_lo the true one less it. */
    struct gn_statistics of, found;
    double *slope, *offset;
    bool
        *narrow; /* whether floats do: with an activation for its numbers, then for the last pass */
    float *mean, *scale, *shift, *slopes, *offsets; /* a channel; see kernels.h, planes */
    double *dy, *dyx, *hard;       /* sums a channel, of the first set of tiles; the others, */
    int64_t sums;                  /* so many doubles apart */
    struct gn_moments of_channels; /* likewise, for dskip alone */
    struct gn_moments moments;     /* a group, likewise, where rounding_matters */
    int64_t set;
};

/* Consecutive groups of one sample, from group g on: the batch's groups first..first + groups - 1.
 */
struct gn_run {
    int64_t first, groups;
    int64_t n, g;
    int64_t block; /* of samples, for dgamma and dbeta */
};

/* The run from a group of the batch on, up to `end` at most. */
static inline void gn_backward_run_at(const gn_plan *plan, const struct gn_batch *batch,
                                      int64_t group, int64_t end, struct gn_run *run)
{
    int64_t G = plan->G, item = batch->item + (plan->parts.columns ? group / G : 0);
    run->first = group;
    run->block = plan->parts.columns ? item : item / G;
    run->n = run->block * plan->parts.block_samples + batch->step;
    run->g = plan->parts.columns ? group % G : item % G + group;
    run->groups = G - run->g < end - group ? G - run->g : end - group;
}

/* The numbers of a tile's sums and last pass, in a slot. */
void gn_backward_coefficients_at(const struct gn_backward_call *call,
                                 const struct gn_backward_slot *slot, const struct gn_batch_tile *t,
                                 struct gn_coefficients *with);
/* The same of groups from one of the slot on, which is number `index` of all samples'. */
void gn_backward_coefficients_from(const struct gn_backward_call *call,
                                   const struct gn_backward_slot *slot, int64_t group,
                                   int64_t index, struct gn_coefficients *with);

/*
 * The sums of dgamma, which those of dbeta follow C doubles on, of the channels of a block of
 * samples from channel c on; NULL: not wanted.
 */
double *gn_parameter_sums(const struct gn_job *job, int64_t block, int64_t c);
/* Makes them 0: before a block's first sample, or each sample where each has parameters. */
void gn_clear_parameters(const struct gn_job *job, int64_t block, int64_t c, int64_t channels);
/* Writes them to dgamma and dbeta of sample n, or of all. */
void gn_store_parameters(const struct gn_job *job, int64_t block, int64_t n, int64_t c,
                         int64_t channels);

/*
 * Where sums need more than the stored mean, because of an activation or of doubles: first of all
 * the moments of groups where rounding matters, and what comes of them.
 */
void gn_prepare_backward(const struct gn_job *job, const struct gn_batch *batch, int64_t tile,
                         void *memory, void *work);
void gn_prepared_backward(const struct gn_job *job, const struct gn_batch *batch, void *memory,
                          int64_t first_unit, int64_t last_unit);

/* From the sums to the numbers of the last pass; adds to the sums of dgamma and dbeta. */
void gn_finish_backward(const struct gn_job *job, const struct gn_batch *batch, void *memory,
                        int64_t first_unit, int64_t last_unit, void *work);

/*
 * An item is a block of samples: of one group in channels first, of all in channels last. A step is
 * one of the block's samples.
 */
void gn_reduce_backward(const struct gn_job *job, const struct gn_batch *batch, int64_t tile,
                        void *memory, void *work);
void gn_apply_backward(const struct gn_job *job, const struct gn_batch *batch, int64_t tile,
                       const void *memory, void *work);

/* The stored statistics of groups from `index` of all on. */
static inline struct gn_stored gn_stored_from(const struct gn_backward_call *call, int64_t index,
                                              int64_t groups)
{
    gn_type type = call->plan->stored;
    return (struct gn_stored){groups, gn_at(call->mean, type, index),
                              gn_at(call->rstd, type, index), type};
}

/* Whether it matters for one of them what rounding took from it. */
static inline bool gn_rounding_matters(const struct gn_backward_call *call, int64_t index,
                                       int64_t groups)
{
    const struct gn_statistics none = {NULL, NULL, NULL};
    return call->plan->kernels->load_statistics(gn_stored_from(call, index, groups), NULL, none);
}

/*
 * The end of a work area, where g of a batch of one tile can be kept as floats, whole rows or
 * pixels one after the other; and how many bytes it has.
 */
int64_t gn_kept_bytes(const gn_plan *plan);
float *gn_kept(const gn_plan *plan, void *work);

/* Whether the last pass over groups reads dy: g is not kept, or was not in float for all. */
static inline bool gn_reads_dy(const struct gn_backward_call *call,
                               const struct gn_backward_slot *slot, int64_t group, int64_t groups)
{
    bool all = call->keeps;
    for (int64_t i = 0; all && i < groups; i++)
        all = slot->narrow[group + i];
    return !all;
}

#endif
