/* SPDX-License-Identifier: MIT */
/* gn_plan: a validated shape, its kernels, its partition, and what runs it. */
#ifndef GN_PLAN_H
#define GN_PLAN_H

#include "kernels/kernels.h"
#include "plan/desc.h"
#include "plan/partition.h"
#include "run/run.h"
#include "tensor/view.h"

struct gn_plan {
    struct gn_desc desc;
    const struct gn_kernels *kernels;

    int64_t N, C, S, G, D;
    int64_t elements;   /* of a tensor */
    bool by_sample;     /* gamma, beta and their gradients are [N, C], not [C] */
    int64_t parameters; /* of each of these */
    struct gn_partition parts;

    gn_type stored; /* of mean and rstd */
    bool is_f64;    /* whether tensors are doubles, and all is computed so */
    bool activates; /* whether there is an activation */
    struct gn_view views[GN_TENSORS];
    struct gn_view channels; /* of a skip of [N, C], and of dskip */
    /*
     * Of a thread's buffers (norm/buffers.h): for a tile of one operand, and for a sample of small
     * groups as it is in memory, 0 where no tensor needs them; and for the kernels.
     */
    int64_t operand_bytes, raw_bytes, scratch_bytes;

    /* Whether the tensors of a pass take half of the last-level cache: more is read from memory. */
    bool forward_beyond_llc, backward_beyond_llc;
    /*
     * Whether they take about two thirds of it: then what is written there would only drive out
     * what is still to be read.
     */
    bool forward_nontemporal, backward_nontemporal;

    double min_m2; /* see kernels.h, moments */

    struct gn_runner runner;
};

/* Where the parameters of channel c of sample n are in gamma, beta, dgamma and dbeta. */
static inline int64_t gn_parameter(const gn_plan *plan, int64_t n, int64_t c)
{
    return plan->by_sample ? n * plan->C + c : c;
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
