/* SPDX-License-Identifier: MIT */
/* The backward pass in channels first: an item is a block of samples of one group. */
#include "backward.h"
#include "slot.h"

void gn_reduce_backward_rows(const struct gn_job *job, const struct gn_batch *batch, int64_t tile,
                             void *memory, void *work)
{
    (void)work;
    const struct gn_backward_call *call = job->call;
    const gn_plan *plan = call->plan;
    const struct gn_backward_slot *slot = memory;
    struct gn_tile t = gn_tile_at(plan, tile);
    struct gn_run run = gn_backward_run_at(plan, batch, 0, batch->items);
    int64_t index = run.n * plan->G + run.g, size = plan->D * plan->S;
    int64_t start = index * size + t.start, sums = t.sums * slot->sums + t.channel;
    struct gn_rows rows = {.x = call->x + start,
                           .dy = call->dy + start,
                           .channels = batch->items * t.channels,
                           .length = t.length,
                           .far = plan->far_backward};
    plan->kernels->sums_rows(&rows, t.channels, call->mean + index, slot->dy + sums,
                             slot->dyx + sums);
    if (plan->kernels->rounding_matters(batch->items, call->mean + index, call->rstd + index))
        plan->kernels->moments_rows(rows.x, t.channels * t.length, batch->items, plan->floor,
                                    gn_moments_from(slot->moments, t.moments * slot->set));
}

static void apply_wide(const struct gn_backward_call *call, const struct gn_backward_slot *slot,
                       int64_t group, int64_t parameter, struct gn_rows rows)
{
    const struct gn_kernels *kernels = call->plan->kernels;
    int64_t channels = rows.channels;
    double mean[GN_WIDE_ROOM], scale[GN_WIDE_ROOM], slope[GN_WIDE_ROOM], offset[GN_WIDE_ROOM];
    for (int64_t c = 0; c < channels; c += GN_WIDE) {
        rows.channels = channels - c < GN_WIDE ? channels - c : GN_WIDE;
        struct gn_groups part = gn_backward_part(call, slot, group, parameter + c, rows.channels);
        kernels->planes_wide(&part, mean, scale, slope, offset);
        kernels->apply_rows_wide(&rows, mean, scale, slope, offset);
        rows.x += rows.channels * rows.length;
        rows.dy += rows.channels * rows.length;
        rows.out += rows.channels * rows.length;
    }
}

void gn_apply_backward_rows(const struct gn_job *job, const struct gn_batch *batch, int64_t tile,
                            const void *memory)
{
    const struct gn_backward_call *call = job->call;
    const gn_plan *plan = call->plan;
    const struct gn_backward_slot *slot = memory;
    struct gn_tile t = gn_tile_at(plan, tile);
    struct gn_run run = gn_backward_run_at(plan, batch, 0, batch->items);
    int64_t index = run.n * plan->G + run.g, size = plan->D * plan->S;
    for (int64_t i = 0, end; i < batch->items; i = end) {
        end = slot->narrow[i] ? gn_run_of(slot->narrow, i, batch->items) : i + 1;
        int64_t start = (index + i) * size + t.start, channel = i * plan->D + t.channel;
        struct gn_rows rows = {.x = call->x + start,
                               .dy = call->dy + start,
                               .out = call->dx + start,
                               .channels = (end - i) * t.channels,
                               .length = t.length,
                               .stream = call->stream};
        if (slot->narrow[i])
            plan->kernels->apply_rows(&rows, slot->mean + channel, slot->scale + channel,
                                      slot->slopes + channel, slot->offsets + channel);
        else
            apply_wide(call, slot, i, gn_parameter(plan, run.n, (run.g + i) * plan->D + t.channel),
                       rows);
    }
}
