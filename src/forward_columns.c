/* SPDX-License-Identifier: MIT */
/*
 * The forward pass in channels last: an item is a sample. A slot has mean and rstd of each group,
 * then the moments of the tiles.
 */
#include "forward.h"

static struct gn_moments *slot_moments(const gn_plan *plan, void *slot)
{
    return (struct gn_moments *)(void *)((struct gn_statistics *)slot + plan->G);
}

static void reduce_columns(const struct gn_job *job, int64_t item, int64_t step, int64_t tile,
                           void *slot, void *work)
{
    (void)step;
    const struct gn_forward_call *call = job->call;
    const gn_plan *plan = call->plan;
    struct gn_column_tile t = gn_plan_column_tile(plan, item, tile);
    struct gn_columns columns = {
        .x = call->x + t.start, .pixels = t.pixels, .channels = t.channels, .stride = plan->C};
    plan->kernels->moments_columns(&columns, t.depth, plan->floor,
                                   slot_moments(plan, slot) + t.moments, work);
}

static void finish_columns(const struct gn_job *job, int64_t item, int64_t step, void *slot,
                           int64_t first, int64_t last)
{
    (void)step;
    const struct gn_forward_call *call = job->call;
    const gn_plan *plan = call->plan;
    struct gn_statistics *statistics = slot;
    for (int64_t g = first; g < last; g++) {
        struct gn_moments all = gn_plan_merge(plan, slot_moments(plan, slot), g);
        statistics[g] = gn_finish_moments(&all, plan->desc.epsilon);
        gn_forward_store(call, item * plan->G + g, &statistics[g]);
    }
}

static void apply_wide(const gn_plan *plan, const struct gn_columns *columns,
                       const struct gn_norm *norm)
{
    double mean[GN_STRIP_ROOM], scale[GN_STRIP_ROOM], shift[GN_STRIP_ROOM];
    plan->kernels->lines_wide(norm, mean, scale, shift);
    plan->kernels->normalize_columns_wide(columns, mean, scale, shift);
}

/* Strips of channels, of as many groups as float fits; where it does not, of one. */
static void apply_columns(const struct gn_job *job, int64_t item, int64_t step, int64_t tile,
                          const void *slot)
{
    (void)step;
    const struct gn_forward_call *call = job->call;
    const gn_plan *plan = call->plan;
    const struct gn_statistics *statistics = slot;
    struct gn_column_tile t = gn_plan_column_tile(plan, item, tile);
    float mean[GN_STRIP_ROOM], scale[GN_STRIP_ROOM], shift[GN_STRIP_ROOM];
    for (int64_t c = 0; c < t.channels;) {
        struct gn_columns columns = {.x = call->x + t.start + c,
                                     .out = call->y + t.start + c,
                                     .pixels = t.pixels,
                                     .stride = plan->C};
        struct gn_norm norm = {.channels = 0};
        bool fits = true;
        int64_t n = 0;
        while (fits && n < GN_STRIP && c + n < t.channels) {
            int64_t channel = t.channel + c + n;
            norm = gn_forward_norm(call, channel, gn_strip_run(plan, &t, c, n),
                                   &statistics[channel / plan->D]);
            fits = plan->kernels->lines(&norm, mean + n, scale + n, shift + n);
            n += fits ? norm.channels : 0;
        }
        columns.channels = n ? n : norm.channels;
        if (n)
            plan->kernels->normalize_columns(&columns, mean, scale, shift);
        else
            apply_wide(plan, &columns, &norm);
        c += columns.channels;
    }
}

void gn_forward_columns(const gn_plan *plan, struct gn_job *job)
{
    job->items = plan->N;
    job->units = plan->G;
    job->reduce = reduce_columns;
    job->finish = finish_columns;
    job->apply = apply_columns;
    job->slot_bytes =
        gn_round_up(plan->G * (int64_t)sizeof(struct gn_statistics) + gn_plan_moments_bytes(plan));
    job->work_bytes = gn_columns_work_bytes(plan->tile_channels);
}
