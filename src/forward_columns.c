/* SPDX-License-Identifier: MIT */
/* The forward pass in channels last: an item is a sample. */
#include "forward.h"
#include "slot.h"

void gn_reduce_forward_columns(const struct gn_job *job, const struct gn_batch *batch, int64_t tile,
                               void *memory, void *work)
{
    const struct gn_forward_call *call = job->call;
    const gn_plan *plan = call->plan;
    const struct gn_forward_slot *slot = memory;
    struct gn_stage stage;
    gn_stage_of(plan, work, &stage);
    struct gn_tile room;
    const struct gn_tile *t = gn_tile_at(plan, tile, &room);
    for (int64_t i = 0; i < batch->items; i++) {
        int64_t group = i * plan->G + t->channel / plan->D;
        struct gn_part part;
        gn_pixel_part(t, batch->item + i, &part);
        struct gn_block x;
        gn_forward_source(call, &part, &stage, true, &x);
        struct gn_columns columns = {.x = x.data,
                                     .x_type = call->source_view->type,
                                     .pixels = t->length,
                                     .channels = t->channels,
                                     .x_stride = x.stride,
                                     .x_at = x.at,
                                     .far = plan->far_forward};
        plan->kernels->moments_columns(
            &columns, t->depth, plan->floor,
            gn_moments_from(slot->moments, t->moments * slot->set + group), stage.kernel);
    }
}

void gn_apply_wide_forward_columns(const struct gn_forward_call *call,
                                   const struct gn_forward_slot *slot, int64_t group,
                                   int64_t parameter, struct gn_columns columns)
{
    const struct gn_kernels *kernels = call->plan->kernels;
    int64_t channels = columns.channels;
    double mean[GN_WIDE_ROOM], scale[GN_WIDE_ROOM], shift[GN_WIDE_ROOM];
    for (int64_t c = 0; c < channels; c += GN_WIDE) {
        columns.channels = channels - c < GN_WIDE ? channels - c : GN_WIDE;
        struct gn_groups part = gn_forward_part(call, slot, group, parameter + c, columns.channels);
        kernels->lines_wide(&part, mean, scale, shift);
        kernels->normalize_columns_wide(&columns, mean, scale, shift);
        columns.x = gn_at(columns.x, columns.x_type, columns.channels);
        columns.out = gn_out_at(columns.out, columns.y_type, columns.channels);
    }
}

/* The tile of one sample, whose groups in the slot begin at `group`. */
static void apply_sample(const struct gn_forward_call *call, const struct gn_forward_slot *slot,
                         const struct gn_tile *t, int64_t sample, int64_t group,
                         const struct gn_stage *stage)
{
    const gn_plan *plan = call->plan;
    const struct gn_view *y_view = &plan->views[GN_TENSOR_Y];
    struct gn_part part;
    gn_pixel_part(t, sample, &part);
    struct gn_block x;
    gn_forward_source(call, &part, stage, false, &x);
    struct gn_block y;
    gn_block_at(y_view, call->y, &part, true, stage->out, &y);
    int64_t last = t->channel + t->channels;
    for (int64_t c = t->channel, end; c < last; c = end) {
        int64_t g = group + c / plan->D, start = c - t->channel;
        end = gn_strip_end(plan, t, slot->narrow + group, c);
        int64_t channel = group * plan->D + c;
        struct gn_columns columns = {.x = gn_at(x.data, call->source_view->type, start),
                                     .out = gn_out_at(y.data, y_view->type, start),
                                     .x_type = call->source_view->type,
                                     .y_type = y_view->type,
                                     .pixels = t->length,
                                     .channels = end - c,
                                     .x_stride = x.stride,
                                     .out_stride = y.stride,
                                     .x_at = x.at,
                                     .out_at = y.at,
                                     .activation = plan->desc.activation,
                                     .stream = call->stream};
        if (slot->narrow[g])
            plan->kernels->normalize_columns(&columns, slot->mean + channel, slot->scale + channel,
                                             slot->shift + channel);
        else
            gn_apply_wide_forward_columns(call, slot, g, gn_parameter(plan, sample, c), columns);
    }
    gn_scatter(y_view, call->y, &part, true, &y);
}

void gn_apply_forward_columns(const struct gn_job *job, const struct gn_batch *batch, int64_t tile,
                              const void *memory, void *work)
{
    const struct gn_forward_call *call = job->call;
    const struct gn_forward_slot *slot = memory;
    struct gn_stage stage;
    gn_stage_of(call->plan, work, &stage);
    struct gn_tile room;
    const struct gn_tile *t = gn_tile_at(call->plan, tile, &room);
    for (int64_t i = 0; i < batch->items; i++)
        apply_sample(call, slot, t, batch->item + i, i * call->plan->G, &stage);
}
