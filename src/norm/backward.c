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
#include "run/threads.h"

static void open_workspace(const struct gn_job *job, void *workspace)
{
    const struct gn_backward_call *call = job->call;
    gn_open_workspace(call->plan, true, call->saved_g, workspace);
}

static int64_t count_items(const gn_plan *plan)
{
    return plan->parts.blocks * (plan->parts.axis == GN_AXIS_COLUMNS ? 1 : plan->G);
}

/*
 * Whether g can be saved in dx, unless dx is also an input: dx can hold floats in place, and g is
 * still in the last-level cache when the last pass reads it, if x, dy and dx take at most a third
 * of the cache each.
 */
static bool dx_can_hold_g(const gn_plan *plan)
{
    const struct gn_view *dx = &plan->views[GN_TENSOR_DX];
    return plan->tensor_bytes <= plan->llc / 3 && dx->type == GN_F32 && dx->direct;
}

/*
 * The elements of a batch, if their g should be saved in its workspace, else 0. To save g in memory
 * can take longer than to compute it again. A batch of one tile stays in the L2 cache. More than
 * that pays only if act' is costly and the g of all workspaces in use stays in a cache.
 */
static int64_t saved_elements(const gn_plan *plan)
{
    enum { SAVED_BYTES = 512 << 10 };
    const struct gn_partition *p = &plan->parts;
    int64_t item = p->axis == GN_AXIS_COLUMNS ? plan->C * plan->S : plan->D * plan->S;
    int64_t elements = p->most_items * item, bytes = elements * (int64_t)sizeof(float);
    if (!plan->activates || plan->is_f64)
        return 0;
    if (p->tiles == 1)
        return elements;
    if (!gn_is_costly(plan->desc.activation) || dx_can_hold_g(plan))
        return 0;
    int64_t items = count_items(plan);
    int64_t threads = gn_threads_for(plan->runner.threads, plan->elements);
    int64_t in_use = items < threads ? items : threads;
    return bytes <= SAVED_BYTES || bytes <= plan->llc / 3 / in_use ? elements : 0;
}

void gn_choose_saved_g(struct gn_backward_call *call)
{
    const gn_plan *plan = call->plan;
    call->save_g = GN_SAVE_NOT;
    call->saved_g = 0;
    if (!plan->activates || !call->dx)
        return;
    if (dx_can_hold_g(plan) && call->dx != call->x && call->dx != call->dy) {
        call->save_g = GN_SAVE_IN_DX;
        call->nontemporal = false;
        return;
    }
    call->saved_g = saved_elements(plan);
    if (call->saved_g)
        call->save_g = GN_SAVE_IN_WORKSPACE;
}

static struct gn_job backward_job(const gn_plan *plan, int64_t saved_g)
{
    bool columns = plan->parts.axis == GN_AXIS_COLUMNS;
    return (struct gn_job){.items = count_items(plan),
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
                           .workspace_bytes = gn_workspace_bytes(plan, true, saved_g),
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
    struct gn_job job = backward_job(plan, saved_elements(plan));
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
    struct gn_job job = backward_job(plan, call->saved_g);
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
