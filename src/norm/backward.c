/* SPDX-License-Identifier: MIT */
/*
 * The backward pass as a job. An item is a block of samples: of one group in channels first, of all
 * groups in channels last.
 */
#include "norm/backward.h"

#include <string.h>

#include "norm/backward_phases.h"
#include "norm/buffers.h"
#include "norm/parameter_sums.h"
#include "norm/small.h"
#include "norm/tiles.h"

static void open_workspace(const struct gn_job *job, void *workspace)
{
    const struct gn_backward_call *call = job->call;
    gn_open_workspace(call->plan, true, workspace);
}

static struct gn_job backward_job(const gn_plan *plan)
{
    bool columns = plan->parts.axis == GN_AXIS_COLUMNS;
    return (struct gn_job){.items = plan->parts.blocks * (columns ? 1 : plan->G),
                           .tiles = plan->parts.tiles,
                           .units = columns ? (plan->G + GN_UNIT - 1) / GN_UNIT : 1,
                           .most_items = plan->parts.most_items,
                           .within = columns ? 0 : plan->G,
                           .items_per_block = columns ? 1 : plan->G,
                           .block_samples = plan->parts.block_samples,
                           .samples = plan->N,
                           .open = open_workspace,
                           .reduce = gn_reduce_parameter_sums,
                           .partials = plan->by_sample ? 0 : plan->C,
                           .workspace_bytes = gn_workspace_bytes(plan, true),
                           .buffer_bytes = gn_buffers_bytes(plan, true),
                           .partial_bytes = gn_parameter_sums_bytes(plan)};
}

static void add_phase(struct gn_job *job, struct gn_phase phase)
{
    job->phases[job->phase_count++] = phase;
}

int64_t gn_backward_scratch(const gn_plan *plan)
{
    if (plan->elements == 0)
        return 0;
    struct gn_job job = backward_job(plan);
    return gn_run_bytes(&plan->runner, &job);
}

static void store_zeros(const struct gn_backward_call *call)
{
    const gn_plan *plan = call->plan;
    size_t bytes = (size_t)(plan->parameters * gn_size(plan->desc.param));
    if (call->dgamma)
        memset(call->dgamma, 0, bytes);
    if (call->dbeta)
        memset(call->dbeta, 0, bytes);
    if (call->dskip)
        memset(call->dskip, 0, (size_t)(plan->N * plan->C * gn_size(plan->desc.x)));
}

gn_status gn_backward_run(const struct gn_backward_call *call)
{
    const gn_plan *plan = call->plan;
    if (plan->elements == 0) {
        store_zeros(call);
        return GN_OK;
    }
    struct gn_job job = backward_job(plan);
    job.call = call;
    job.kind = call->dx ? GN_JOB_BACKWARD : GN_JOB_WITHOUT_DX;
    if (plan->parts.small) {
        /* The phase processes all samples of a block at once: one step per item. */
        job.samples = job.items;
        job.block_samples = 1;
        add_phase(&job, (struct gn_phase){gn_backward_small, NULL});
    } else {
        if (gn_has_moments_phase(plan))
            add_phase(&job,
                      (struct gn_phase){gn_backward_moments_tiles, gn_backward_moments_groups});
        add_phase(&job, (struct gn_phase){gn_backward_sums_tiles, gn_backward_sums_groups});
        if (call->dx)
            add_phase(&job, (struct gn_phase){gn_backward_apply_tiles, NULL});
    }
    if (!call->dgamma && !call->dbeta) {
        job.partials = 0;
        job.partial_bytes = 0;
    }
    return gn_run(&plan->runner, &job);
}
