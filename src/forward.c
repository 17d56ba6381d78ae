/* SPDX-License-Identifier: MIT */
#include "forward.h"

#include <math.h>

#include "table.h"

static void store_statistics(const struct gn_forward_call *call, int64_t group, double mean,
                             double rstd)
{
    if (call->mean)
        call->mean[group] = (float)mean;
    if (call->rstd)
        call->rstd[group] = (float)rstd;
}

static struct gn_norm channels_norm(const struct gn_forward_call *call, int64_t first,
                                    int64_t channels, double mean, double rstd)
{
    return (struct gn_norm){.channels = channels,
                            .gamma = call->gamma ? call->gamma + first : NULL,
                            .beta = call->beta ? call->beta + first : NULL,
                            .mean = mean,
                            .rstd = rstd};
}

/* Channels first: an item is a group. */

struct rows_slot {
    double mean, rstd;
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
    struct gn_moments all = slot->moments[0];
    for (int64_t tile = 1; tile < job->tiles; tile++)
        gn_merge_moments(&all, &slot->moments[tile]);
    gn_finish_moments(&all, call->plan->desc.epsilon, &slot->mean, &slot->rstd);
    store_statistics(call, item, slot->mean, slot->rstd);
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
        struct gn_norm norm = channels_norm(call, t.channel + c, n, slot->mean, slot->rstd);
        float mean[GN_BATCH], scale[GN_BATCH], shift[GN_BATCH];
        if (plan->kernels->lines(&norm, mean, scale, shift))
            plan->kernels->normalize_rows(&rows, mean, scale, shift);
        else
            apply_rows_wide(plan, &rows, &norm);
    }
}

/* Channels last: an item is a sample. A slot has moments, a tile and group; then a table. */

static int64_t column_moments_bytes(const gn_plan *plan)
{
    return gn_round_up(plan->tiles * plan->G * (int64_t)sizeof(struct gn_moments));
}

static struct gn_table slot_table(const gn_plan *plan, const void *slot)
{
    return gn_table_at((char *)(uintptr_t)slot + column_moments_bytes(plan), plan->C);
}

static void reduce_columns(const struct gn_job *job, int64_t item, int64_t step, int64_t tile,
                           void *slot, void *work)
{
    (void)step;
    const struct gn_forward_call *call = job->call;
    const gn_plan *plan = call->plan;
    struct gn_moments *moments = slot;
    struct gn_column_tile t = gn_plan_column_tile(plan, item, tile);
    struct gn_columns columns = {
        .x = call->x + t.start, .pixels = t.pixels, .channels = plan->C, .stride = plan->C};
    plan->kernels->moments_columns(&columns, plan->D, plan->floor, moments + tile * plan->G, work);
}

static void finish_columns(const struct gn_job *job, int64_t item, int64_t step, void *slot,
                           int64_t first, int64_t last)
{
    (void)step;
    const struct gn_forward_call *call = job->call;
    const gn_plan *plan = call->plan;
    const struct gn_moments *moments = slot;
    struct gn_table table = slot_table(plan, slot);
    for (int64_t g = first; g < last; g++) {
        struct gn_moments all = moments[g];
        for (int64_t tile = 1; tile < job->tiles; tile++)
            gn_merge_moments(&all, &moments[tile * plan->G + g]);
        double mean, rstd;
        gn_finish_moments(&all, plan->desc.epsilon, &mean, &rstd);
        store_statistics(call, item * plan->G + g, mean, rstd);
        int64_t c = g * plan->D;
        struct gn_norm norm = channels_norm(call, c, plan->D, mean, rstd);
        float *const *narrow = table.narrow;
        double *const *wide = table.wide;
        table.fits[g] = plan->kernels->lines(&norm, narrow[0] + c, narrow[1] + c, narrow[2] + c);
        if (!table.fits[g])
            plan->kernels->lines_wide(&norm, wide[0] + c, wide[1] + c, wide[2] + c);
    }
}

static void apply_columns(const struct gn_job *job, int64_t item, int64_t step, int64_t tile,
                          const void *slot)
{
    (void)step;
    const struct gn_forward_call *call = job->call;
    const gn_plan *plan = call->plan;
    struct gn_table table = slot_table(plan, slot);
    struct gn_column_tile t = gn_plan_column_tile(plan, item, tile);
    for (int64_t g = 0, end; g < plan->G; g = end) {
        end = gn_table_run(&table, g, plan->G);
        int64_t c = g * plan->D;
        struct gn_columns columns = {.x = call->x + t.start + c,
                                     .out = call->y + t.start + c,
                                     .pixels = t.pixels,
                                     .channels = (end - g) * plan->D,
                                     .stride = plan->C};
        if (table.fits[g])
            plan->kernels->normalize_columns(&columns, table.narrow[0] + c, table.narrow[1] + c,
                                             table.narrow[2] + c);
        else
            plan->kernels->normalize_columns_wide(&columns, table.wide[0] + c, table.wide[1] + c,
                                                  table.wide[2] + c);
    }
}

static int64_t one_step(const struct gn_job *job, int64_t item)
{
    (void)job;
    (void)item;
    return 1;
}

static struct gn_job forward_job(const gn_plan *plan)
{
    struct gn_job job = {.tiles = plan->tiles, .steps = one_step};
    if (plan->columns) {
        job.items = plan->N;
        job.units = plan->G;
        job.reduce = reduce_columns;
        job.finish = finish_columns;
        job.apply = apply_columns;
        job.slot_bytes = column_moments_bytes(plan) + gn_table_bytes(plan->C, plan->G);
        job.work_bytes = gn_columns_work_bytes(plan->C);
    } else {
        job.items = plan->N * plan->G;
        job.units = 1;
        job.reduce = reduce_rows;
        job.finish = finish_rows;
        job.apply = apply_rows;
        job.slot_bytes = gn_round_up(rows_slot_bytes(plan));
    }
    return job;
}

int64_t gn_forward_scratch(const gn_plan *plan, int threads)
{
    struct gn_job job = forward_job(plan);
    return gn_schedule_scratch(&job, threads);
}

gn_status gn_forward_run(const struct gn_forward_call *call)
{
    const gn_plan *plan = call->plan;
    if (plan->elements == 0) {
        for (int64_t group = 0; group < plan->N * plan->G; group++)
            store_statistics(call, group, NAN, NAN);
        return GN_OK;
    }
    struct gn_job job = forward_job(plan);
    job.call = call;
    return gn_plan_run(plan, &job);
}
