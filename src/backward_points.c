/* SPDX-License-Identifier: MIT */
/* The backward pass over points: an item is a block of samples. */
#include "backward.h"
#include "slot.h"

/* The moments, where rounding took something from a group's statistics. */
void gn_reduce_backward_points(const struct gn_job *job, const struct gn_batch *batch, int64_t tile,
                               void *memory, void *work)
{
    (void)tile;
    (void)work;
    const struct gn_backward_call *call = job->call;
    const gn_plan *plan = call->plan;
    const struct gn_backward_slot *slot = memory;
    for (int64_t i = 0; i < batch->items; i++) {
        struct gn_run run = gn_backward_run_at(plan, batch, i * plan->G, batch->items * plan->G);
        int64_t index = run.n * plan->G;
        bool matters = plan->kernels->stored(plan->G, call->mean + index, call->rstd + index,
                                             gn_statistics_from(slot->of, run.first));
        if (matters)
            plan->kernels->moments_rows(call->x + run.n * plan->C, plan->D, plan->G, plan->floor,
                                        gn_moments_from(slot->moments, run.first));
    }
}

/* `groups` groups of a sample from g on, which are those from `group` on of the slot. */
static void apply_groups(const struct gn_backward_call *call, const struct gn_backward_slot *slot,
                         int64_t sample, int64_t group, int64_t g, int64_t groups)
{
    const gn_plan *plan = call->plan;
    int64_t c = g * plan->D, start = sample * plan->C + c;
    if (!slot->narrow[group]) {
        struct gn_columns columns = {.x = call->x + start,
                                     .dy = call->dy + start,
                                     .out = call->dx + start,
                                     .pixels = 1,
                                     .channels = plan->D,
                                     .stride = plan->C};
        gn_apply_wide_backward_columns(call, slot, group, c, columns);
        return;
    }
    struct gn_points points = {.x = call->x + start,
                               .dy = call->dy + start,
                               .out = call->dx + start,
                               .groups = groups,
                               .depth = plan->D,
                               .gamma = call->gamma ? call->gamma + c : NULL};
    if (plan->D < GN_SPREAD_BELOW) {
        points.mean = slot->mean + group * plan->D;
        points.rstd = slot->scale + group * plan->D;
        points.slope = slot->slopes + group * plan->D;
        points.offset = slot->offsets + group * plan->D;
    }
    plan->kernels->apply_points(&points, gn_statistics_from(slot->of, group), slot->slope + group,
                                slot->offset + group);
}

void gn_apply_backward_points(const struct gn_job *job, const struct gn_batch *batch, int64_t tile,
                              const void *memory)
{
    (void)tile;
    const struct gn_backward_call *call = job->call;
    const gn_plan *plan = call->plan;
    const struct gn_backward_slot *slot = memory;
    int64_t G = plan->G;
    for (int64_t i = 0; i < batch->items; i++) {
        struct gn_run run = gn_backward_run_at(plan, batch, i * G, batch->items * G);
        for (int64_t g = 0, end; g < G; g = end) {
            end = slot->narrow[i * G + g] ? gn_run_of(slot->narrow + i * G, g, G) : g + 1;
            apply_groups(call, slot, run.n, i * G + g, g, end - g);
        }
    }
}
