/* SPDX-License-Identifier: MIT */
/*
 * The backward pass in channels last: an item is a block of samples. A work area has the means a
 * channel, then the kernel's own.
 */
#include "backward.h"
#include "slot.h"

#include <string.h>

static int64_t means_bytes(const gn_plan *plan)
{
    return gn_padded(plan->parts.tile_channels) * (int64_t)sizeof(float);
}

int64_t gn_backward_columns_work(const gn_plan *plan)
{
    return means_bytes(plan) + gn_columns_work_bytes(plan->parts.tile_channels);
}

/* Each of the groups' means for `depth` channels, of `channels` in all. */
static void expand_means(const float *mean, int64_t depth, int64_t channels, float *means)
{
    for (int64_t c = 0; c < channels; c += depth, mean++)
        for (int64_t i = 0; i < depth; i++)
            means[c + i] = *mean;
    memset(means + channels, 0, (size_t)(gn_padded(channels) - channels) * sizeof *means);
}

void gn_reduce_backward_columns(const struct gn_job *job, const struct gn_batch *batch,
                                int64_t tile, void *memory, void *work)
{
    const struct gn_backward_call *call = job->call;
    const gn_plan *plan = call->plan;
    const struct gn_backward_slot *slot = memory;
    struct gn_tile t = gn_tile_at(plan, tile);
    float *means = work;
    double *kernel_work = (double *)(void *)((char *)work + means_bytes(plan));
    struct gn_columns columns = {
        .pixels = t.length, .channels = t.channels, .stride = plan->C, .far = plan->far_backward};
    for (int64_t i = 0; i < batch->items; i++) {
        struct gn_run run = gn_backward_run_at(plan, batch, i * plan->G, batch->items * plan->G);
        int64_t start = run.n * plan->S * plan->C + t.start;
        int64_t sums = t.sums * slot->sums + i * plan->C + t.channel;
        int64_t g = t.channel / plan->D, group = i * plan->G + g, index = run.n * plan->G + g;
        columns.x = call->x + start;
        columns.dy = call->dy + start;
        expand_means(call->mean + index, t.depth, t.channels, means);
        plan->kernels->sums_columns(&columns, means, slot->dy + sums, slot->dyx + sums,
                                    kernel_work);
        if (plan->kernels->rounding_matters(t.channels / t.depth, call->mean + index,
                                            call->rstd + index))
            plan->kernels->moments_columns(
                &columns, t.depth, plan->floor,
                gn_moments_from(slot->moments, t.moments * slot->set + group), kernel_work);
    }
}

void gn_apply_wide_backward_columns(const struct gn_backward_call *call,
                                    const struct gn_backward_slot *slot, int64_t group,
                                    int64_t parameter, struct gn_columns columns)
{
    const struct gn_kernels *kernels = call->plan->kernels;
    int64_t channels = columns.channels;
    double mean[GN_WIDE_ROOM], scale[GN_WIDE_ROOM], slope[GN_WIDE_ROOM], offset[GN_WIDE_ROOM];
    for (int64_t c = 0; c < channels; c += GN_WIDE) {
        columns.channels = channels - c < GN_WIDE ? channels - c : GN_WIDE;
        struct gn_groups part =
            gn_backward_part(call, slot, group, parameter + c, columns.channels);
        kernels->planes_wide(&part, mean, scale, slope, offset);
        kernels->apply_columns_wide(&columns, mean, scale, slope, offset);
        columns.x += columns.channels;
        columns.dy += columns.channels;
        columns.out += columns.channels;
    }
}

/* The tile of one sample, whose groups in the slot begin at `group`. */
static void apply_sample(const struct gn_backward_call *call, const struct gn_backward_slot *slot,
                         const struct gn_tile *t, int64_t sample, int64_t group)
{
    const gn_plan *plan = call->plan;
    int64_t last = t->channel + t->channels;
    for (int64_t c = t->channel, end; c < last; c = end) {
        int64_t g = group + c / plan->D;
        end = gn_strip_end(plan, t, slot->narrow + group, c);
        int64_t start = sample * plan->S * plan->C + t->start + c - t->channel;
        int64_t channel = group * plan->D + c;
        struct gn_columns columns = {.x = call->x + start,
                                     .dy = call->dy + start,
                                     .out = call->dx + start,
                                     .pixels = t->length,
                                     .channels = end - c,
                                     .stride = plan->C,
                                     .stream = call->stream};
        if (slot->narrow[g])
            plan->kernels->apply_columns(&columns, slot->mean + channel, slot->scale + channel,
                                         slot->slopes + channel, slot->offsets + channel);
        else
            gn_apply_wide_backward_columns(call, slot, g, gn_parameter(plan, sample, c), columns);
    }
}

void gn_apply_backward_columns(const struct gn_job *job, const struct gn_batch *batch, int64_t tile,
                               const void *memory)
{
    const struct gn_backward_call *call = job->call;
    const gn_plan *plan = call->plan;
    const struct gn_backward_slot *slot = memory;
    struct gn_tile t = gn_tile_at(plan, tile);
    for (int64_t i = 0; i < batch->items; i++) {
        struct gn_run run = gn_backward_run_at(plan, batch, i * plan->G, batch->items * plan->G);
        apply_sample(call, slot, &t, run.n, i * plan->G);
    }
}
