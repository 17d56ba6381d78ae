/* SPDX-License-Identifier: MIT */
/* The backward pass in channels first: an item is a block of samples of one group. */
#include "backward.h"
#include "slot.h"

/* A batch's tile: where its elements are, and the groups from `index` on that it is of. */
struct rows_tile {
    struct gn_tile t;
    struct gn_run run;
    struct gn_part part;
    struct gn_stage stage;
    void *work;
    int64_t index;
};

static void open_tile(const gn_plan *plan, const struct gn_batch *batch, int64_t tile, void *work,
                      struct rows_tile *r)
{
    r->t = gn_tile_at(plan, tile);
    r->run = gn_backward_run_at(plan, batch, 0, batch->items);
    r->stage = gn_stage_of(plan, work);
    r->work = work;
    r->index = r->run.n * plan->G + r->run.g;
    r->part = gn_row_part(plan, &r->t, r->index, batch->items * r->t.channels);
}

/* All members by name, as gcc clears what is not named, which for small batches takes longer. */
static void read_tile(const struct gn_backward_call *call, const struct rows_tile *r, bool with_dy,
                      struct gn_rows *rows)
{
    const gn_plan *plan = call->plan;
    const struct gn_view *dy_view = &plan->views[GN_DY];
    struct gn_block x = gn_stage_in(plan, call->x_view, call->x, &r->part, r->stage.x);
    struct gn_block dy = {NULL, 0, NULL, false};
    if (with_dy)
        dy = gn_stage_in(plan, dy_view, call->dy, &r->part, r->stage.dy);
    *rows = (struct gn_rows){.x = x.data,
                             .dy = dy.data,
                             .out = NULL,
                             .x_type = call->x_view->type,
                             .y_type = dy_view->type,
                             .channels = r->part.channels,
                             .length = r->t.length,
                             .x_stride = x.stride,
                             .dy_stride = dy.stride,
                             .out_stride = 0,
                             .first = gn_first_run(&r->part),
                             .run = r->part.run,
                             .x_at = x.at,
                             .dy_at = dy.at,
                             .out_at = NULL,
                             .activation = plan->desc.activation,
                             .scale = NULL,
                             .shift = NULL,
                             .kept = NULL,
                             .hard = NULL,
                             .stream = false,
                             .far = plan->far_backward};
}

/* Where dx of the tile goes. */
static struct gn_block put_dx(const struct gn_backward_call *call, const struct rows_tile *r,
                              struct gn_rows *rows)
{
    struct gn_block dx = gn_block_at(call->dx_view, call->dx, &r->part, false, r->stage.out);
    rows->out = dx.data;
    rows->out_stride = dx.stride;
    rows->out_at = dx.at;
    return dx;
}

/* Where g of the tile is kept; after put_dx. Rows of a dx that keeps it follow on each other. */
static void set_kept(const struct gn_backward_call *call, const struct rows_tile *r,
                     struct gn_rows *rows)
{
    rows->kept = call->keeps_apart ? gn_kept(call->plan, r->work) : rows->out;
}

/* x with all rows one after the other. */
static const void *flat_x(const struct rows_tile *r, const struct gn_rows *rows)
{
    struct gn_block x = {.data = (void *)(uintptr_t)rows->x, .stride = rows->x_stride};
    return gn_stage_flat(&r->part, rows->x_type, x, r->stage.out);
}

static void find_moments(const struct gn_backward_call *call, const struct gn_backward_slot *slot,
                         const struct rows_tile *r, const struct gn_rows *rows)
{
    const gn_plan *plan = call->plan;
    if (!gn_rounding_matters(call, r->index, r->run.groups))
        return;
    const void *x = flat_x(r, rows);
    plan->kernels->moments_rows(x, call->x_view->type, r->t.channels * r->t.length, r->run.groups,
                                plan->floor,
                                gn_moments_from(slot->moments, r->t.moments * slot->set));
}

void gn_prepare_backward_rows(const struct gn_job *job, const struct gn_batch *batch, int64_t tile,
                              void *memory, void *work)
{
    const struct gn_backward_call *call = job->call;
    struct rows_tile r;
    open_tile(call->plan, batch, tile, work, &r);
    if (!gn_rounding_matters(call, r.index, r.run.groups))
        return;
    struct gn_rows rows;
    read_tile(call, &r, false, &rows);
    find_moments(call, memory, &r, &rows);
}

/* Rows from this one on. */
static struct gn_rows rows_from(const struct gn_rows *all, int64_t row)
{
    struct gn_rows rows = *all;
    rows.x = gn_at(all->x, all->x_type, row * all->x_stride);
    rows.dy = gn_at(all->dy, all->y_type, row * all->dy_stride);
    rows.out = gn_out_at(all->out, all->x_type, row * all->out_stride);
    rows.kept = gn_out_at(all->kept, GN_F32, row * all->length);
    return rows;
}

/* The next channels of the same group. */
static void move_on(struct gn_rows *rows)
{
    *rows = rows_from(rows, rows->channels);
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
                          const struct rows_tile *r, const struct gn_rows *all)
{
    const gn_plan *plan = call->plan;
    for (int64_t i = 0, end; i < r->run.groups; i = end) {
        end = slot->narrow[i] ? gn_run_of(slot->narrow, i, r->run.groups) : i + 1;
        int64_t channel = i * plan->D + r->t.channel, sums = r->t.sums * slot->sums + channel;
        struct gn_rows rows = rows_from(all, i * r->t.channels);
        rows.channels = (end - i) * r->t.channels;
        rows.scale = slot->scale + channel;
        rows.shift = slot->shift + channel;
        rows.hard = slot->hard + sums;
        if (slot->narrow[i])
            plan->kernels->sums_rows(&rows, 1, slot->mean + channel, slot->dy + sums,
                                     slot->dyx + sums);
        else
            sums_wide(call, slot, i,
                      gn_parameter(plan, r->run.n, (r->run.g + i) * plan->D + r->t.channel), rows,
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
    struct gn_rows rows;
    open_tile(plan, batch, tile, work, &r);
    read_tile(call, &r, true, &rows);
    if (call->keeps) {
        put_dx(call, &r, &rows);
        set_kept(call, &r, &rows);
    }
    int64_t sums = r.t.sums * slot->sums + r.t.channel;
    if (job->prepare) {
        prepared_sums(call, slot, &r, &rows);
    } else {
        plan->kernels->sums_rows(&rows, r.t.channels, gn_at(call->mean, GN_F32, r.index),
                                 slot->dy + sums, slot->dyx + sums);
        find_moments(call, slot, &r, &rows);
    }
    if (call->dskip)
        plan->kernels->moments_rows(flat_x(&r, &rows), rows.x_type, rows.length, rows.channels, 0,
                                    gn_moments_from(slot->of_channels, sums));
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
    const struct gn_view *views[] = {call->x_view, &plan->views[GN_DY], call->dx_view};
    struct rows_tile r;
    struct gn_rows all;
    open_tile(plan, batch, tile, work, &r);
    r.part.run = gn_shared_run(plan->S, views, 3);
    read_tile(call, &r, gn_reads_dy(call, slot, 0, batch->items), &all);
    struct gn_block dx = put_dx(call, &r, &all);
    if (call->keeps)
        set_kept(call, &r, &all);
    for (int64_t i = 0, end; i < batch->items; i = end) {
        end = slot->narrow[i] ? gn_run_of(slot->narrow, i, batch->items) : i + 1;
        int64_t channel = i * plan->D + r.t.channel;
        struct gn_rows rows = rows_from(&all, i * r.t.channels);
        rows.channels = (end - i) * r.t.channels;
        rows.stream = call->stream;
        if (call->keeps && slot->narrow[i]) {
            rows.dy = rows.kept;
            rows.dy_stride = rows.length;
            rows.dy_at = NULL;
            rows.y_type = GN_F32;
            rows.activation = GN_IDENTITY;
        }
        if (slot->narrow[i])
            plan->kernels->apply_rows(&rows, slot->mean + channel, slot->scale + channel,
                                      slot->shift + channel, slot->slopes + channel,
                                      slot->offsets + channel);
        else
            apply_wide(call, slot, i,
                       gn_parameter(plan, r.run.n, (r.run.g + i) * plan->D + r.t.channel), rows);
    }
    gn_scatter(call->dx_view, call->dx, &r.part, false, dx);
}
