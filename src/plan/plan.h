/* SPDX-License-Identifier: MIT */
/* gn_plan: a validated shape, its kernels, its partition, and its runner. */
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
    int64_t parameters; /* elements of each of these */
    struct gn_partition parts;

    gn_type stored; /* type of mean and rstd */
    bool is_f64;    /* tensors are doubles, and everything is computed in f64 */
    bool activates; /* there is an activation */
    struct gn_view views[GN_TENSORS];
    struct gn_view channels; /* of a skip of [N, C], and of dskip */
    /*
     * Bytes of a thread's buffers (norm/buffers.h): of one operand's tile, 0 if no tensor needs a
     * buffer; of one sample of small groups as it is in memory; and of the kernels' scratch.
     */
    int64_t operand_bytes, raw_bytes, scratch_bytes;

    int64_t tensor_bytes; /* of x and y, in the mean */
    int64_t llc;          /* bytes of the last-level cache */
    /*
     * Whether the tensors of a pass take half of the last-level cache, so that they mostly come
     * from memory.
     */
    bool forward_beyond_llc, backward_beyond_llc;

    double min_m2; /* of the kernel moments, see kernels.h */

    struct gn_runner runner;
};

/* The index of channel c of sample n in gamma, beta, dgamma and dbeta. */
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

/* Makes a plan that has no scratch yet. *plan is NULL on failure. */
gn_status gn_plan_make(gn_plan **plan, const gn_desc *desc);

#endif
