/* SPDX-License-Identifier: MIT */
/* The backward pass in channels first: an item is a block of samples of one group. */
#include "backward.h"
#include "slot.h"

/* A batch's tile: where its elements are, and the groups from `index` on that it is of. */
struct rows_tile {
    const struct gn_tile *t;
    struct gn_tile room;
    struct gn_run run;
    int64_t index;
    struct gn_part part;
    struct gn_stage stage;
    struct gn_block x, dy, dx;
    float *kept; /* where g is kept, row after row, or NULL */
};

/* What gcc would copy or clear as a whole goes by members: for small batches it takes longer. */
static void open_tile(const struct gn_backward_call *call, const struct gn_batch *batch,
                      int64_t tile, void *work, struct rows_tile *r)
{
    const gn_plan *plan = call->plan;
    r->t = gn_tile_at(plan, tile, &r->room);
    gn_backward_run_at(plan, batch, 0, batch->items, &r->run);
    r->index = r->run.n * plan->G + r->run.g;
    gn_row_part(plan, r->t, r->run.n, r->run.g, batch->items, &r->part);
    gn_stage_of(plan, work, &r->stage);
    r->dy = (struct gn_block){NULL, 0, NULL, false};
    r->dx = (struct gn_block){NULL, 0, NULL, false};
    r->kept = call->keeps_apart ? gn_kept(plan, work) : NULL;
}

static void read_x(const struct gn_backward_call *call, struct rows_tile *r)
{
    gn_stage_in(call->plan, call->x_view, call->x, &r->part, r->stage.x, &r->x);
}

static void read_dy(const struct gn_backward_call *call, struct rows_tile *r)
{
    gn_stage_in(call->plan, &call->plan->views[GN_TENSOR_DY], call->dy, &r->part, r->stage.dy,
                &r->dy);
}

/* Where dx of the tile goes. In a dx that keeps g, rows follow on each other. */
static void put_dx(const struct gn_backward_call *call, struct rows_tile *r)
{
    gn_block_at(call->dx_view, call->dx, &r->part, false, r->stage.out, &r->dx);
    if (call->keeps && !call->keeps_apart)
        r->kept = r->dx.data;
}

/* The rows of `groups` groups of the tile from the batch's group i on. */
static void rows_of(const struct gn_backward_call *call, const struct rows_tile *r, int64_t i,
                    int64_t groups, struct gn_rows *rows)
{
    const gn_plan *plan = call->plan;
    gn_type x_type = call->x_view->type, y_type = plan->views[GN_TENSOR_DY].type;
    int64_t row = i * r->t->channels, length = r->t->length;
    *rows = (struct gn_rows){.x = gn_at(r->x.data, x_type, row * r->x.stride),
                             .dy = gn_at(r->dy.data, y_type, row * r->dy.stride),
                             .out = gn_out_at(r->dx.data, x_type, row * r->dx.stride),
                             .x_type = x_type,
                             .y_type = y_type,
                             .channels = groups * r->t->channels,
                             .length = length,
                             .x_stride = r->x.stride,
                             .dy_stride = r->dy.stride,
                             .out_stride = r->dx.stride,
                             .first = gn_first_run(&r->part),
                             .run = r->part.run,
                             .x_at = r->x.at,
                             .dy_at = r->dy.at,
                             .out_at = r->dx.at,
                             .activation = plan->desc.activation,
                             .scale = NULL,
                             .shift = NULL,
                             .kept = gn_out_at(r->kept, GN_F32, row * length),
                             .hard = NULL,
                             .stream = false,
                             .far = plan->far_backward};
}

/* x with all rows one after the other. */
static const void *flat_x(const struct gn_backward_call *call, const struct rows_tile *r)
{
    return gn_stage_flat(&r->part, call->x_view->type, &r->x, r->stage.out);
}

static void find_moments(const struct gn_backward_call *call, const struct gn_backward_slot *slot,
                         const struct rows_tile *r)
{
    const gn_plan *plan = call->plan;
    const struct gn_tile *t = r->t;
    plan->kernels->moments_rows(flat_x(call, r), call->x_view->type, t->channels * t->length,
                                r->run.groups, plan->floor,
                                gn_moments_from(slot->moments, t->moments * slot->set));
}

void gn_prepare_backward_rows(const struct gn_job *job, const struct gn_batch *batch, int64_t tile,
                              void *memory, void *work)
{
    const struct gn_backward_call *call = job->call;
    struct rows_tile r;
    open_tile(call, batch, tile, work, &r);
    if (!gn_rounding_matters(call, r.index, r.run.groups))
        return;
    read_x(call, &r);
    find_moments(call, memory, &r);
}

/* The next channels of the same group. */
static void move_on(struct gn_rows *rows)
{
    int64_t n = rows->channels;
    rows->x = gn_at(rows->x, rows->x_type, n * rows->x_stride);
    rows->dy = gn_at(rows->dy, rows->y_type, n * rows->dy_stride);
    rows->out = gn_out_at(rows->out, rows->x_type, n * rows->out_stride);
}

/* The sums of channels of a group in double; `sums` is where theirs begin. */
static void sums_wide(const struct gn_backward_call *call, const struct gn_backward_slot *slot,
                      int64_t group, int64_t parameter, struct gn_rows rows, int64_t sums)
{
    const struct gn_kernels *kernels = call->plan->kernels;
    int64_t channels = rows.channels;
    double mean[GN_WIDE_ROOM], scale[GN_WIDE_ROOM], shift[GN_WIDE_ROOM];
    for (int64_t c = 0; c < channels; c += GN_WIDE) {
        rows.channels = channels - c < GN_WIDE ? channels - c : GN_WIDE;
        struct gn_groups part = gn_backward_part(call, slot, group, parameter + c, rows.channels);
        kernels->lines_wide(&part, mean, scale, shift);
        kernels->sums_rows_wide(&rows, mean, scale, shift, slot->dy + sums + c,
                                slot->dyx + sums + c);
        move_on(&rows);
    }
}

/* The sums with all of the groups' numbers at hand: by runs of those for which floats do. */
static void prepared_sums(const struct gn_backward_call *call, const struct gn_backward_slot *slot,
                          const struct rows_tile *r)
{
    const gn_plan *plan = call->plan;
    for (int64_t i = 0, end; i < r->run.groups; i = end) {
        end = slot->narrow[i] ? gn_run_of(slot->narrow, i, r->run.groups) : i + 1;
        int64_t channel = i * plan->D + r->t->channel, sums = r->t->sums * slot->sums + channel;
        struct gn_rows rows;
        rows_of(call, r, i, end - i, &rows);
        rows.scale = slot->scale + channel;
        rows.shift = slot->shift + channel;
        rows.hard = slot->hard + sums;
        if (slot->narrow[i])
            plan->kernels->sums_rows(&rows, 1, slot->mean + channel, slot->dy + sums,
                                     slot->dyx + sums);
        else
            sums_wide(call, slot, i,
                      gn_parameter(plan, r->run.n, (r->run.g + i) * plan->D + r->t->channel), rows,
                      sums);
    }
}

void gn_reduce_backward_rows(const struct gn_job *job, const struct gn_batch *batch, int64_t tile,
                             void *memory, void *work)
{
    const struct gn_backward_call *call = job->call;
    const gn_plan *plan = call->plan;
    const struct gn_backward_slot *slot = memory;
    struct rows_tile r;
    open_tile(call, batch, tile, work, &r);
    read_x(call, &r);
    read_dy(call, &r);
    if (call->keeps)
        put_dx(call, &r);
    int64_t sums = r.t->sums * slot->sums + r.t->channel;
    if (job->prepare) {
        prepared_sums(call, slot, &r);
    } else {
        struct gn_rows rows;
        rows_of(call, &r, 0, r.run.groups, &rows);
        plan->kernels->sums_rows(&rows, r.t->channels, gn_at(call->mean, GN_F32, r.index),
                                 slot->dy + sums, slot->dyx + sums);
        if (gn_rounding_matters(call, r.index, r.run.groups))
            find_moments(call, slot, &r);
    }
    if (call->dskip)
        plan->kernels->moments_rows(flat_x(call, &r), call->x_view->type, r.t->length,
                                    r.part.channels, 0, gn_moments_from(slot->of_channels, sums));
}

static void apply_wide(const struct gn_backward_call *call, const struct gn_backward_slot *slot,
                       int64_t group, int64_t parameter, struct gn_rows rows)
{
    const struct gn_kernels *kernels = call->plan->kernels;
    int64_t channels = rows.channels;
    double mean[GN_WIDE_ROOM], scale[GN_WIDE_ROOM], shift[GN_WIDE_ROOM], slope[GN_WIDE_ROOM],
        offset[GN_WIDE_ROOM];
    for (int64_t c = 0; c < channels; c += GN_WIDE) {
        rows.channels = channels - c < GN_WIDE ? channels - c : GN_WIDE;
        struct gn_groups part = gn_backward_part(call, slot, group, parameter + c, rows.channels);
        kernels->lines_wide(&part, mean, scale, shift);
        kernels->planes_wide(&part, mean, scale, slope, offset);
        kernels->apply_rows_wide(&rows, mean, scale, shift, slope, offset);
        move_on(&rows);
    }
}

void gn_apply_backward_rows(const struct gn_job *job, const struct gn_batch *batch, int64_t tile,
                            const void *memory, void *work)
{
    const struct gn_backward_call *call = job->call;
    const gn_plan *plan = call->plan;
    const struct gn_backward_slot *slot = memory;
    const struct gn_view *views[] = {call->x_view, &plan->views[GN_TENSOR_DY], call->dx_view};
    struct rows_tile r;
    open_tile(call, batch, tile, work, &r);
    r.part.run = gn_shared_run(plan->S, views, 3);
    read_x(call, &r);
    if (gn_reads_dy(call, slot, 0, batch->items))
        read_dy(call, &r);
    put_dx(call, &r);
    for (int64_t i = 0, end; i < batch->items; i = end) {
        end = slot->narrow[i] ? gn_run_of(slot->narrow, i, batch->items) : i + 1;
        int64_t channel = i * plan->D + r.t->channel;
        struct gn_rows rows;
        rows_of(call, &r, i, end - i, &rows);
        rows.stream = call->stream;
        if (call->keeps && slot->narrow[i]) {
            rows.dy = rows.kept;
            rows.dy_stride = rows.length;
            rows.dy_at = NULL;
            rows.y_type = GN_F32;
            rows.activation = GN_ACTIVATION_IDENTITY;
        }
        if (slot->narrow[i])
            plan->kernels->apply_rows(&rows, slot->mean + channel, slot->scale + channel,
                                      slot->shift + channel, slot->slopes + channel,
                                      slot->offsets + channel);
        else
            apply_wide(call, slot, i,
                       gn_parameter(plan, r.run.n, (r.run.g + i) * plan->D + r.t->channel), rows);
    }
    gn_scatter(call->dx_view, call->dx, &r.part, false, &r.dx);
}
