/* SPDX-License-Identifier: MIT */
/* The forward pass in channels first: an item is a group. */
#include "forward.h"
#include "slot.h"

/* A batch's tile: where its elements are. */
struct rows_tile {
    const struct gn_tile *t;
    struct gn_tile room;
    struct gn_part part;
    struct gn_stage stage;
};

static void open_tile(const gn_plan *plan, const struct gn_batch *batch, int64_t tile, void *work,
                      struct rows_tile *r)
{
    r->t = gn_tile_at(plan, tile, &r->room);
    gn_row_part(plan, r->t, batch->item / plan->G, batch->item % plan->G, batch->items, &r->part);
    gn_stage_of(plan, work, &r->stage);
}

void gn_reduce_forward_rows(const struct gn_job *job, const struct gn_batch *batch, int64_t tile,
                            void *memory, void *work)
{
    const struct gn_forward_call *call = job->call;
    const gn_plan *plan = call->plan;
    const struct gn_forward_slot *slot = memory;
    struct rows_tile r;
    struct gn_block x;
    open_tile(plan, batch, tile, work, &r);
    gn_forward_source(call, &r.part, &r.stage, true, &x);
    const void *flat = gn_stage_flat(&r.part, call->source_view->type, &x, r.stage.out);
    plan->kernels->moments_rows(flat, call->source_view->type, r.t->channels * r.t->length,
                                batch->items, plan->floor,
                                gn_moments_from(slot->moments, r.t->moments * slot->set));
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
        rows.x = gn_at(rows.x, rows.x_type, rows.channels * rows.x_stride);
        rows.out = gn_out_at(rows.out, rows.y_type, rows.channels * rows.out_stride);
    }
}

void gn_apply_forward_rows(const struct gn_job *job, const struct gn_batch *batch, int64_t tile,
                           const void *memory, void *work)
{
    const struct gn_forward_call *call = job->call;
    const gn_plan *plan = call->plan;
    const struct gn_forward_slot *slot = memory;
    const struct gn_view *y_view = &plan->views[GN_TENSOR_Y];
    const struct gn_view *views[] = {call->source_view, y_view};
    struct rows_tile r;
    struct gn_block x, y;
    open_tile(plan, batch, tile, work, &r);
    r.part.run = gn_shared_run(plan->S, views, 2);
    gn_forward_source(call, &r.part, &r.stage, false, &x);
    gn_block_at(y_view, call->y, &r.part, false, r.stage.out, &y);
    for (int64_t i = 0, end; i < batch->items; i = end) {
        end = slot->narrow[i] ? gn_run_of(slot->narrow, i, batch->items) : i + 1;
        int64_t index = batch->item + i, first = i * r.t->channels;
        int64_t channel = i * plan->D + r.t->channel;
        struct gn_rows rows = {.x = gn_at(x.data, call->source_view->type, first * x.stride),
                               .out = gn_out_at(y.data, y_view->type, first * y.stride),
                               .x_type = call->source_view->type,
                               .y_type = y_view->type,
                               .channels = (end - i) * r.t->channels,
                               .length = r.t->length,
                               .x_stride = x.stride,
                               .out_stride = y.stride,
                               .first = gn_first_run(&r.part),
                               .run = r.part.run,
                               .x_at = x.at,
                               .out_at = y.at,
                               .activation = plan->desc.activation,
                               .stream = call->stream};
        if (slot->narrow[i])
            plan->kernels->normalize_rows(&rows, slot->mean + channel, slot->scale + channel,
                                          slot->shift + channel);
        else
            apply_wide(
                call, slot, i,
                gn_parameter(plan, index / plan->G, index % plan->G * plan->D + r.t->channel),
                rows);
    }
    gn_scatter(y_view, call->y, &r.part, false, &y);
}
