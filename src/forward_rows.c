/* SPDX-License-Identifier: MIT */
/* The forward pass in channels first: an item is a group. */
#include "forward.h"

struct rows_slot {
    struct gn_statistics of;
    struct gn_moments moments[]; /* a tile */
};

static int64_t rows_slot_bytes(const gn_plan *plan)
{
    return (int64_t)sizeof(struct rows_slot) + plan->tiles * (int64_t)sizeof(struct gn_moments);
}

static void reduce_rows(const struct gn_job *job, int64_t item, int64_t step, int64_t tile,
                        void *slot_memory, void *work)
{
    (void)step;
    (void)work;
    const struct gn_forward_call *call = job->call;
    const gn_plan *plan = call->plan;
    struct rows_slot *slot = slot_memory;
    struct gn_row_tile t = gn_plan_row_tile(plan, item / plan->G, item % plan->G, tile);
    plan->kernels->moments_rows(call->x + t.start, t.channels * t.length, plan->floor,
                                &slot->moments[tile]);
}

static void finish_rows(const struct gn_job *job, int64_t item, int64_t step, void *slot_memory,
                        int64_t first, int64_t last)
{
    (void)step;
    if (first == last)
        return;
    const struct gn_forward_call *call = job->call;
    struct rows_slot *slot = slot_memory;
    struct gn_moments all = gn_plan_merge(call->plan, slot->moments, 0);
    slot->of = gn_finish_moments(&all, call->plan->desc.epsilon);
    gn_forward_store(call, item, &slot->of);
}

static void apply_rows_wide(const gn_plan *plan, const struct gn_rows *rows,
                            const struct gn_norm *norm)
{
    double mean[GN_BATCH], scale[GN_BATCH], shift[GN_BATCH];
    plan->kernels->lines_wide(norm, mean, scale, shift);
    plan->kernels->normalize_rows_wide(rows, mean, scale, shift);
}

static void apply_rows(const struct gn_job *job, int64_t item, int64_t step, int64_t tile,
                       const void *slot_memory)
{
    (void)step;
    const struct gn_forward_call *call = job->call;
    const gn_plan *plan = call->plan;
    const struct rows_slot *slot = slot_memory;
    struct gn_row_tile t = gn_plan_row_tile(plan, item / plan->G, item % plan->G, tile);
    for (int64_t c = 0; c < t.channels; c += GN_BATCH) {
        int64_t n = t.channels - c < GN_BATCH ? t.channels - c : GN_BATCH;
        int64_t start = t.start + c * t.length;
        struct gn_rows rows = {
            .x = call->x + start, .out = call->y + start, .channels = n, .length = t.length};
        struct gn_norm norm = gn_forward_norm(call, t.channel + c, n, &slot->of);
        float mean[GN_BATCH], scale[GN_BATCH], shift[GN_BATCH];
        if (plan->kernels->lines(&norm, mean, scale, shift))
            plan->kernels->normalize_rows(&rows, mean, scale, shift);
        else
            apply_rows_wide(plan, &rows, &norm);
    }
}

void gn_forward_rows(const gn_plan *plan, struct gn_job *job)
{
    job->items = plan->N * plan->G;
    job->units = 1;
    job->reduce = reduce_rows;
    job->finish = finish_rows;
    job->apply = apply_rows;
    job->slot_bytes = gn_round_up(rows_slot_bytes(plan));
}
