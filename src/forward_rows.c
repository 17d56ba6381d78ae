/* SPDX-License-Identifier: MIT */
/* The forward pass in channels first: an item is a group. */
#include "forward.h"
#include "slot.h"

void gn_reduce_forward_rows(const struct gn_job *job, const struct gn_batch *batch, int64_t tile,
                            void *memory, void *work)
{
    (void)work;
    const struct gn_forward_call *call = job->call;
    const gn_plan *plan = call->plan;
    const struct gn_forward_slot *slot = memory;
    struct gn_tile t = gn_tile_at(plan, tile);
    const float *x = call->x + batch->item * plan->D * plan->S + t.start;
    plan->kernels->moments_rows(x, t.channels * t.length, batch->items, plan->floor,
                                gn_moments_from(slot->moments, t.moments * slot->set));
}

static void apply_wide(const struct gn_forward_call *call, const struct gn_forward_slot *slot,
                       int64_t group, int64_t parameter, struct gn_rows rows)
{
    const struct gn_kernels *kernels = call->plan->kernels;
    int64_t channels = rows.channels;
    double mean[GN_WIDE_ROOM], scale[GN_WIDE_ROOM], shift[GN_WIDE_ROOM];
    for (int64_t c = 0; c < channels; c += GN_WIDE) {
        rows.channels = channels - c < GN_WIDE ? channels - c : GN_WIDE;
        struct gn_groups part = gn_forward_part(call, slot, group, parameter + c, rows.channels);
        kernels->lines_wide(&part, mean, scale, shift);
        kernels->normalize_rows_wide(&rows, mean, scale, shift);
        rows.x += rows.channels * rows.length;
        rows.out += rows.channels * rows.length;
    }
}

void gn_apply_forward_rows(const struct gn_job *job, const struct gn_batch *batch, int64_t tile,
                           const void *memory)
{
    const struct gn_forward_call *call = job->call;
    const gn_plan *plan = call->plan;
    const struct gn_forward_slot *slot = memory;
    struct gn_tile t = gn_tile_at(plan, tile);
    for (int64_t i = 0, end; i < batch->items; i = end) {
        end = slot->narrow[i] ? gn_run_of(slot->narrow, i, batch->items) : i + 1;
        int64_t index = batch->item + i, start = index * plan->D * plan->S + t.start;
        int64_t channel = i * plan->D + t.channel;
        struct gn_rows rows = {.x = call->x + start,
                               .out = call->y + start,
                               .channels = (end - i) * t.channels,
                               .length = t.length,
                               .stream = call->stream};
        if (slot->narrow[i])
            plan->kernels->normalize_rows(&rows, slot->mean + channel, slot->scale + channel,
                                          slot->shift + channel);
        else
            apply_wide(call, slot, i,
                       gn_parameter(plan, index / plan->G, index % plan->G * plan->D + t.channel),
                       rows);
    }
}
