/* SPDX-License-Identifier: MIT */
/*
 * The backward pass in channels last: an item is a block of samples. A slot has the numbers of each
 * group; the moments of the tiles; and, for each tile of pixels, dy and dyx of struct gn_sums as
 * two arrays of C. A work area has the means a channel, then the kernel's own.
 */
#include "backward.h"

#include <string.h>

static struct gn_moments *slot_moments(const gn_plan *plan, void *slot)
{
    return (struct gn_moments *)(void *)((struct gn_group *)slot + plan->G);
}

static double *slot_sums(const gn_plan *plan, void *slot, int64_t pixel_tile)
{
    char *after = (char *)slot_moments(plan, slot) + gn_plan_moments_bytes(plan);
    return (double *)(void *)after + pixel_tile * 2 * plan->C;
}

static int64_t means_bytes(const gn_plan *plan)
{
    return gn_padded(plan->tile_channels) * (int64_t)sizeof(float);
}

/* The stored mean of each channel of a tile; returns whether the rounding of one matters. */
static bool expand_means(const struct gn_backward_call *call, int64_t n,
                         const struct gn_column_tile *t, float *means)
{
    const gn_plan *plan = call->plan;
    bool matters = false;
    for (int64_t c = 0; c < t->channels; c += t->depth) {
        int64_t group = n * plan->G + (t->channel + c) / plan->D;
        matters |= gn_rounding_matters(call, group);
        for (int64_t i = 0; i < t->depth; i++)
            means[c + i] = call->mean[group];
    }
    memset(means + t->channels, 0, (size_t)(gn_padded(t->channels) - t->channels) * sizeof *means);
    return matters;
}

static void reduce_columns(const struct gn_job *job, int64_t item, int64_t step, int64_t tile,
                           void *slot, void *work)
{
    const struct gn_backward_call *call = job->call;
    const gn_plan *plan = call->plan;
    int64_t n = gn_backward_sample(plan, item, step);
    struct gn_column_tile t = gn_plan_column_tile(plan, n, tile);
    float *means = work;
    double *kernel_work = (double *)(void *)((char *)work + means_bytes(plan));
    bool matters = expand_means(call, n, &t, means);
    struct gn_columns columns = {.x = call->x + t.start,
                                 .dy = call->dy + t.start,
                                 .pixels = t.pixels,
                                 .channels = t.channels,
                                 .stride = plan->C};
    double *dy = slot_sums(plan, slot, t.pixel_tile) + t.channel;
    plan->kernels->sums_columns(&columns, means, dy, dy + plan->C, kernel_work);
    if (matters)
        plan->kernels->moments_columns(&columns, t.depth, plan->floor,
                                       slot_moments(plan, slot) + t.moments, kernel_work);
}

static void finish_columns(const struct gn_job *job, int64_t item, int64_t step, void *slot,
                           int64_t first, int64_t last)
{
    const struct gn_backward_call *call = job->call;
    const gn_plan *plan = call->plan;
    struct gn_group *groups = slot;
    int64_t n = gn_backward_sample(plan, item, step);
    double *dy = slot_sums(plan, slot, 0), *dyx = dy + plan->C;
    for (int64_t tile = 1; tile < plan->pixel_tiles; tile++) {
        const double *more = slot_sums(plan, slot, tile);
        for (int64_t c = first * plan->D; c < last * plan->D; c++) {
            dy[c] += more[c];
            dyx[c] += more[plan->C + c];
        }
    }
    for (int64_t g = first; g < last; g++) {
        groups[g] = gn_start_group(call, n, g, slot_moments(plan, slot));
        gn_finish_group(job, item, step, g, dy + g * plan->D, dyx + g * plan->D, 1, &groups[g]);
    }
}

static void apply_wide(const gn_plan *plan, const struct gn_columns *columns,
                       const struct gn_norm *norm)
{
    double mean[GN_STRIP_ROOM], scale[GN_STRIP_ROOM], slope[GN_STRIP_ROOM], offset[GN_STRIP_ROOM];
    plan->kernels->planes_wide(norm, mean, scale, slope, offset);
    plan->kernels->apply_columns_wide(columns, mean, scale, slope, offset);
}

/* Strips of channels, of as many groups as float fits; where it does not, of one. */
static void apply_columns(const struct gn_job *job, int64_t item, int64_t step, int64_t tile,
                          const void *slot)
{
    const struct gn_backward_call *call = job->call;
    const gn_plan *plan = call->plan;
    const struct gn_group *groups = slot;
    struct gn_column_tile t = gn_plan_column_tile(plan, gn_backward_sample(plan, item, step), tile);
    float mean[GN_STRIP_ROOM], scale[GN_STRIP_ROOM], slope[GN_STRIP_ROOM], offset[GN_STRIP_ROOM];
    for (int64_t c = 0; c < t.channels;) {
        struct gn_columns columns = {.x = call->x + t.start + c,
                                     .dy = call->dy + t.start + c,
                                     .out = call->dx + t.start + c,
                                     .pixels = t.pixels,
                                     .stride = plan->C};
        struct gn_norm norm = {.channels = 0};
        bool fits = true;
        int64_t n = 0;
        while (fits && n < GN_STRIP && c + n < t.channels) {
            int64_t channel = t.channel + c + n;
            norm = gn_backward_norm(call, channel, gn_strip_run(plan, &t, c, n),
                                    &groups[channel / plan->D]);
            fits = plan->kernels->planes(&norm, mean + n, scale + n, slope + n, offset + n);
            n += fits ? norm.channels : 0;
        }
        columns.channels = n ? n : norm.channels;
        if (n)
            plan->kernels->apply_columns(&columns, mean, scale, slope, offset);
        else
            apply_wide(plan, &columns, &norm);
        c += columns.channels;
    }
}

void gn_backward_columns(const gn_plan *plan, struct gn_job *job)
{
    job->items = plan->blocks;
    job->units = plan->G;
    job->reduce = reduce_columns;
    job->finish = finish_columns;
    job->apply = apply_columns;
    job->slot_bytes =
        gn_round_up(plan->G * (int64_t)sizeof(struct gn_group) + gn_plan_moments_bytes(plan) +
                    plan->pixel_tiles * 2 * plan->C * (int64_t)sizeof(double));
    job->work_bytes = means_bytes(plan) + gn_columns_work_bytes(plan->tile_channels);
}
