/* SPDX-License-Identifier: MIT */
/* gn_plan: a validated shape, its kernels, its partition, and its scratch memory. */
#ifndef GN_PLAN_H
#define GN_PLAN_H

#include "desc.h"
#include "kernels/kernels.h"
#include "partition.h"
#include "scratch.h"
#include "view.h"

struct gn_plan {
    struct gn_desc desc;
    const struct gn_kernels *kernels;

    int64_t N, C, S, G, D;
    int64_t elements;   /* of a tensor */
    bool by_sample;     /* gamma, beta and their gradients are [N, C], not [C] */
    int64_t parameters; /* of each of these */
    struct gn_partition parts;

    gn_type stored; /* of mean and rstd */
    bool wide;      /* whether all is computed in double */
    bool activates; /* whether there is an activation */
    struct gn_view views[GN_TENSORS];
    struct gn_view channels; /* of a skip of [N, C], and of dskip */
    /* Of a work area: 0 where no part of a tensor needs a buffer. See buffers.h. */
    int64_t buffer_bytes, raw_bytes;

    /* Whether the tensors of a pass take half of the last-level cache: more is read from memory. */
    bool far_forward, far_backward;
    /*
     * Whether they take about two thirds of it: then what is written there would only drive out
     * what is still to be read.
     */
    bool stream_forward, stream_backward;

    double floor; /* see kernels.h, moments_rows */

    int64_t scratch_bytes; /* at least, of every call */
    gn_scratch_keeper scratch;
};

/* Where the parameters of channel c of sample n are in gamma, beta, dgamma and dbeta. */
static inline int64_t gn_parameter(const gn_plan *plan, int64_t n, int64_t c)
{
    return plan->by_sample ? n * plan->C + c : c;
}

/* gamma or beta from element i on. */
static inline const void *gn_parameters_at(const gn_plan *plan, const void *p, int64_t i)
{
    return gn_at(p, plan->desc.param, i);
}

static inline struct gn_parameters gn_parameters_of(const gn_plan *plan, const void *gamma,
                                                    const void *beta)
{
    return (struct gn_parameters){.gamma = gamma,
                                  .beta = beta,
                                  .type = plan->desc.param,
                                  .groups = plan->by_sample ? plan->N * plan->G : plan->G,
                                  .depth = plan->D};
}

/* A plan without scratch yet; *plan is NULL on failure. */
gn_status gn_plan_make(gn_plan **plan, const gn_desc *desc);

#endif
