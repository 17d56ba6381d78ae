/* SPDX-License-Identifier: MIT */
/*
 * The backward pass in channels first: an item is a block of samples of one group. A slot has the
 * group's numbers, the sums of each channel, tile by tile, and the moments of the tiles.
 */
#include "backward.h"

struct rows_slot {
    struct gn_group group;
    struct gn_sums sums[];
};

static int64_t all_sums(const gn_plan *plan)
{
    return plan->D * gn_plan_sums_per_channel(plan);
}

static struct gn_moments *rows_moments(const gn_plan *plan, struct rows_slot *slot)
{
    return (struct gn_moments *)(void *)&slot->sums[all_sums(plan)];
}

static void reduce_rows(const struct gn_job *job, int64_t item, int64_t step, int64_t tile,
                        void *slot_memory, void *work)
{
    (void)work;
    const struct gn_backward_call *call = job->call;
    const gn_plan *plan = call->plan;
    struct rows_slot *slot = slot_memory;
    int64_t n = gn_backward_sample(plan, item, step), g = item % plan->G;
    struct gn_row_tile t = gn_plan_row_tile(plan, n, g, tile);
    struct gn_rows rows = {.x = call->x + t.start,
                           .dy = call->dy + t.start,
                           .channels = t.channels,
                           .length = t.length};
    int64_t group = n * plan->G + g;
    plan->kernels->sums_rows(&rows, call->mean[group], &slot->sums[t.sums]);
    if (gn_rounding_matters(call, group))
        plan->kernels->moments_rows(rows.x, t.channels * t.length, plan->floor,
                                    &rows_moments(plan, slot)[tile]);
}

static void finish_rows(const struct gn_job *job, int64_t item, int64_t step, void *slot_memory,
                        int64_t first, int64_t last)
{
    if (first == last)
        return;
    const struct gn_backward_call *call = job->call;
    const gn_plan *plan = call->plan;
    struct rows_slot *slot = slot_memory;
    int64_t parts = gn_plan_sums_per_channel(plan);
    for (int64_t c = 0; parts > 1 && c < plan->D; c++) {
        struct gn_sums all = slot->sums[c * parts];
        for (int64_t part = 1; part < parts; part++)
            gn_add_sums(&all, &slot->sums[c * parts + part]);
        slot->sums[c] = all;
    }
    int64_t g = item % plan->G;
    int64_t n = gn_backward_sample(plan, item, step);
    slot->group = gn_start_group(call, n, g, rows_moments(plan, slot));
    gn_finish_group(job, item, step, g, &slot->sums[0].dy, &slot->sums[0].dyx, 2, &slot->group);
}

static void apply_rows_wide(const gn_plan *plan, const struct gn_rows *rows,
                            const struct gn_norm *norm)
{
    double mean[GN_BATCH], scale[GN_BATCH], slope[GN_BATCH], offset[GN_BATCH];
    plan->kernels->planes_wide(norm, mean, scale, slope, offset);
    plan->kernels->apply_rows_wide(rows, mean, scale, slope, offset);
}

static void apply_rows(const struct gn_job *job, int64_t item, int64_t step, int64_t tile,
                       const void *slot_memory)
{
    const struct gn_backward_call *call = job->call;
    const gn_plan *plan = call->plan;
    const struct rows_slot *slot = slot_memory;
    struct gn_row_tile t =
        gn_plan_row_tile(plan, gn_backward_sample(plan, item, step), item % plan->G, tile);
    for (int64_t c = 0; c < t.channels; c += GN_BATCH) {
        int64_t n = t.channels - c < GN_BATCH ? t.channels - c : GN_BATCH;
        int64_t start = t.start + c * t.length;
        struct gn_rows rows = {.x = call->x + start,
                               .dy = call->dy + start,
                               .out = call->dx + start,
                               .channels = n,
                               .length = t.length};
        struct gn_norm norm = gn_backward_norm(call, t.channel + c, n, &slot->group);
        float mean[GN_BATCH], scale[GN_BATCH], slope[GN_BATCH], offset[GN_BATCH];
        if (plan->kernels->planes(&norm, mean, scale, slope, offset))
            plan->kernels->apply_rows(&rows, mean, scale, slope, offset);
        else
            apply_rows_wide(plan, &rows, &norm);
    }
}

void gn_backward_rows(const gn_plan *plan, struct gn_job *job)
{
    job->items = plan->blocks * plan->G;
    job->units = 1;
    job->reduce = reduce_rows;
    job->finish = finish_rows;
    job->apply = apply_rows;
    job->slot_bytes =
        gn_round_up((int64_t)sizeof(struct rows_slot) +
                    all_sums(plan) * (int64_t)sizeof(struct gn_sums) + gn_plan_moments_bytes(plan));
}
