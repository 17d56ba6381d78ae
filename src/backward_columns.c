/* SPDX-License-Identifier: MIT */
/*
 * The backward pass in channels last: an item is a block of samples. The kernels' part of a work
 * area has the means a channel, then the kernel's own.
 */
#include "backward.h"
#include "slot.h"

#include <string.h>

static int64_t means_bytes(const gn_plan *plan)
{
    return gn_padded(plan->parts.tile_channels) * (int64_t)sizeof(float);
}

/* The kernel's own part, and with an activation what g of a strip is kept in. */
int64_t gn_backward_columns_work(const gn_plan *plan)
{
    int64_t channels = plan->parts.tile_channels, strip = GN_STRIP;
    int64_t kept = GN_KEPT_PIXELS * (channels < strip ? channels : strip) * (int64_t)sizeof(float);
    return gn_round_up(means_bytes(plan)) + gn_round_up(gn_columns_work_bytes(channels)) +
           (plan->activates ? gn_round_up(kept) : 0);
}

/* The tile of one sample, whose groups in the slot begin at `group`. */
struct sample_tile {
    const struct gn_tile *t;
    struct gn_tile room;
    struct gn_run run;
    struct gn_part part;
    struct gn_stage stage;
    void *work;
    int64_t group, sample; /* in the batch */
};

static void open_tile(const gn_plan *plan, const struct gn_batch *batch, int64_t i, int64_t tile,
                      void *work, struct sample_tile *s)
{
    s->t = gn_tile_at(plan, tile, &s->room);
    s->group = i * plan->G;
    s->sample = i;
    gn_backward_run_at(plan, batch, s->group, batch->items * plan->G, &s->run);
    gn_pixel_part(s->t, s->run.n, &s->part);
    gn_stage_of(plan, work, &s->stage);
    s->work = work;
}

static void read_tile(const struct gn_backward_call *call, const struct sample_tile *s,
                      bool with_dy, struct gn_columns *columns)
{
    const gn_plan *plan = call->plan;
    const struct gn_view *dy_view = &plan->views[GN_TENSOR_DY];
    struct gn_block x, dy = {0};
    gn_stage_in(plan, call->x_view, call->x, &s->part, s->stage.x, &x);
    if (with_dy)
        gn_stage_in(plan, dy_view, call->dy, &s->part, s->stage.dy, &dy);
    *columns = (struct gn_columns){.x = x.data,
                                   .dy = dy.data,
                                   .x_type = call->x_view->type,
                                   .y_type = dy_view->type,
                                   .pixels = s->t->length,
                                   .channels = s->t->channels,
                                   .x_stride = x.stride,
                                   .dy_stride = dy.stride,
                                   .x_at = x.at,
                                   .dy_at = dy.at,
                                   .activation = plan->desc.activation,
                                   .far = plan->far_backward};
}

/* Where dx of the tile goes. */
static void put_dx(const struct gn_backward_call *call, const struct sample_tile *s,
                   struct gn_columns *columns, struct gn_block *dx)
{
    gn_block_at(call->dx_view, call->dx, &s->part, true, s->stage.out, dx);
    columns->out = dx->data;
    columns->out_stride = dx->stride;
    columns->out_at = dx->at;
}

/* Where g of the tile is kept; after put_dx. */
static void set_kept(const struct gn_backward_call *call, const struct sample_tile *s,
                     struct gn_columns *columns)
{
    const gn_plan *plan = call->plan;
    columns->kept_all = true;
    columns->kept = columns->out;
    columns->kept_stride = call->keeps_apart ? plan->C : columns->out_stride;
    if (call->keeps_apart)
        columns->kept = gn_kept(plan, s->work) + s->sample * plan->C * plan->S;
}

/* Channels from c of the sample on, up to end. */
static struct gn_columns strip_of(const struct gn_columns *all, const struct sample_tile *s,
                                  int64_t c, int64_t end)
{
    struct gn_columns strip = *all;
    int64_t start = c - s->t->channel;
    strip.x = gn_at(all->x, all->x_type, start);
    strip.dy = gn_at(all->dy, all->y_type, start);
    strip.out = gn_out_at(all->out, all->x_type, start);
    strip.kept = gn_out_at(all->kept, GN_F32, start);
    strip.channels = end - c;
    return strip;
}

/* The next channels of the same group. */
static void move_on(struct gn_columns *strip)
{
    strip->x = gn_at(strip->x, strip->x_type, strip->channels);
    strip->dy = gn_at(strip->dy, strip->y_type, strip->channels);
    strip->out = gn_out_at(strip->out, strip->x_type, strip->channels);
}

/* Each of the groups' means for `depth` channels, of `channels` in all. */
static void expand_means(const float *mean, int64_t depth, int64_t channels, float *means)
{
    for (int64_t c = 0; c < channels; c += depth, mean++)
        for (int64_t i = 0; i < depth; i++)
            means[c + i] = *mean;
    memset(means + channels, 0, (size_t)(gn_padded(channels) - channels) * sizeof *means);
}

static bool matters(const struct gn_backward_call *call, const struct sample_tile *s)
{
    int64_t g = s->t->channel / call->plan->D;
    return gn_rounding_matters(call, s->run.n * call->plan->G + g, s->t->channels / s->t->depth);
}

static void find_moments(const struct gn_backward_call *call, const struct gn_backward_slot *slot,
                         const struct sample_tile *s, const struct gn_columns *columns,
                         double *kernel_work)
{
    const gn_plan *plan = call->plan;
    int64_t group = s->group + s->t->channel / plan->D;
    plan->kernels->moments_columns(
        columns, s->t->depth, plan->floor,
        gn_moments_from(slot->moments, s->t->moments * slot->set + group), kernel_work);
}

void gn_prepare_backward_columns(const struct gn_job *job, const struct gn_batch *batch,
                                 int64_t tile, void *memory, void *work)
{
    const struct gn_backward_call *call = job->call;
    for (int64_t i = 0; i < batch->items; i++) {
        struct sample_tile s;
        open_tile(call->plan, batch, i, tile, work, &s);
        if (!matters(call, &s))
            continue;
        struct gn_columns columns;
        read_tile(call, &s, false, &columns);
        find_moments(call, memory, &s, &columns, s.stage.kernel);
    }
}

/* The sums of channels of a group in double; `sums` is where theirs begin. */
static void sums_wide(const struct gn_backward_call *call, const struct gn_backward_slot *slot,
                      int64_t group, int64_t parameter, struct gn_columns strip, int64_t sums,
                      double *kernel_work)
{
    const struct gn_kernels *kernels = call->plan->kernels;
    int64_t channels = strip.channels;
    double mean[GN_WIDE_ROOM], scale[GN_WIDE_ROOM], shift[GN_WIDE_ROOM];
    for (int64_t c = 0; c < channels; c += GN_WIDE) {
        strip.channels = channels - c < GN_WIDE ? channels - c : GN_WIDE;
        struct gn_groups part = gn_backward_part(call, slot, group, parameter + c, strip.channels);
        kernels->lines_wide(&part, mean, scale, shift);
        kernels->sums_columns_wide(&strip, mean, scale, shift, slot->dy + sums + c,
                                   slot->dyx + sums + c, kernel_work);
        move_on(&strip);
    }
}

/* The sums with all of the groups' numbers at hand: by runs of those for which floats do. */
static void prepared_sums(const struct gn_backward_call *call, const struct gn_backward_slot *slot,
                          const struct sample_tile *s, const struct gn_columns *all,
                          double *kernel_work)
{
    const gn_plan *plan = call->plan;
    int64_t last = s->t->channel + s->t->channels;
    void *kept =
        (char *)kernel_work + gn_round_up(gn_columns_work_bytes(plan->parts.tile_channels));
    for (int64_t c = s->t->channel, end; c < last; c = end) {
        int64_t g = s->group + c / plan->D, channel = s->group * plan->D + c;
        int64_t sums = s->t->sums * slot->sums + channel;
        end = gn_strip_end(plan, s->t, slot->narrow + s->group, c);
        struct gn_columns strip = strip_of(all, s, c, end);
        strip.scale = slot->scale + channel;
        strip.shift = slot->shift + channel;
        strip.hard = slot->hard + sums;
        if (!call->keeps) {
            strip.kept = kept;
            strip.kept_stride = strip.channels;
        }
        if (slot->narrow[g])
            plan->kernels->sums_columns(&strip, slot->mean + channel, slot->dy + sums,
                                        slot->dyx + sums, kernel_work);
        else
            sums_wide(call, slot, g, gn_parameter(plan, s->run.n, c), strip, sums, kernel_work);
    }
}

void gn_reduce_backward_columns(const struct gn_job *job, const struct gn_batch *batch,
                                int64_t tile, void *memory, void *work)
{
    const struct gn_backward_call *call = job->call;
    const gn_plan *plan = call->plan;
    const struct gn_backward_slot *slot = memory;
    for (int64_t i = 0; i < batch->items; i++) {
        struct sample_tile s;
        open_tile(plan, batch, i, tile, work, &s);
        struct gn_columns columns;
        read_tile(call, &s, true, &columns);
        if (call->keeps) {
            struct gn_block dx;
            put_dx(call, &s, &columns, &dx);
            set_kept(call, &s, &columns);
        }
        float *means = s.stage.kernel;
        double *kernel_work =
            (double *)(void *)((char *)s.stage.kernel + gn_round_up(means_bytes(plan)));
        int64_t sums = s.t->sums * slot->sums + i * plan->C + s.t->channel;
        int64_t index = s.run.n * plan->G + s.t->channel / plan->D;
        if (job->prepare) {
            prepared_sums(call, slot, &s, &columns, kernel_work);
        } else {
            expand_means(gn_at(call->mean, GN_F32, index), s.t->depth, s.t->channels, means);
            plan->kernels->sums_columns(&columns, means, slot->dy + sums, slot->dyx + sums,
                                        kernel_work);
            if (matters(call, &s))
                find_moments(call, slot, &s, &columns, kernel_work);
        }
        if (call->dskip)
            plan->kernels->moments_columns(&columns, 1, 0, gn_moments_from(slot->of_channels, sums),
                                           kernel_work);
    }
}

void gn_apply_wide_backward_columns(const struct gn_backward_call *call,
                                    const struct gn_backward_slot *slot, int64_t group,
                                    int64_t parameter, struct gn_columns strip)
{
    const struct gn_kernels *kernels = call->plan->kernels;
    int64_t channels = strip.channels;
    double mean[GN_WIDE_ROOM], scale[GN_WIDE_ROOM], shift[GN_WIDE_ROOM], slope[GN_WIDE_ROOM],
        offset[GN_WIDE_ROOM];
    for (int64_t c = 0; c < channels; c += GN_WIDE) {
        strip.channels = channels - c < GN_WIDE ? channels - c : GN_WIDE;
        struct gn_groups part = gn_backward_part(call, slot, group, parameter + c, strip.channels);
        kernels->lines_wide(&part, mean, scale, shift);
        kernels->planes_wide(&part, mean, scale, slope, offset);
        kernels->apply_columns_wide(&strip, mean, scale, shift, slope, offset);
        move_on(&strip);
    }
}

static void apply_sample(const struct gn_backward_call *call, const struct gn_backward_slot *slot,
                         const struct sample_tile *s)
{
    const gn_plan *plan = call->plan;
    struct gn_columns all;
    struct gn_block dx;
    read_tile(call, s, gn_reads_dy(call, slot, s->group, plan->G), &all);
    put_dx(call, s, &all, &dx);
    if (call->keeps)
        set_kept(call, s, &all);
    all.stream = call->stream;
    int64_t last = s->t->channel + s->t->channels;
    for (int64_t c = s->t->channel, end; c < last; c = end) {
        int64_t g = s->group + c / plan->D, channel = s->group * plan->D + c;
        end = gn_strip_end(plan, s->t, slot->narrow + s->group, c);
        struct gn_columns strip = strip_of(&all, s, c, end);
        if (call->keeps && slot->narrow[g]) {
            strip.dy = strip.kept;
            strip.dy_stride = strip.kept_stride;
            strip.dy_at = NULL;
            strip.y_type = GN_F32;
            strip.activation = GN_ACTIVATION_IDENTITY;
        }
        if (slot->narrow[g])
            plan->kernels->apply_columns(&strip, slot->mean + channel, slot->scale + channel,
                                         slot->shift + channel, slot->slopes + channel,
                                         slot->offsets + channel);
        else
            gn_apply_wide_backward_columns(call, slot, g, gn_parameter(plan, s->run.n, c), strip);
    }
    gn_scatter(call->dx_view, call->dx, &s->part, true, &dx);
}

void gn_apply_backward_columns(const struct gn_job *job, const struct gn_batch *batch, int64_t tile,
                               const void *memory, void *work)
{
    const struct gn_backward_call *call = job->call;
    for (int64_t i = 0; i < batch->items; i++) {
        struct sample_tile s;
        open_tile(call->plan, batch, i, tile, work, &s);
        apply_sample(call, memory, &s);
    }
}
