/* SPDX-License-Identifier: MIT */
/*
 * The forward pass in channels last: an item is a sample. A slot has the moments, a tile and group,
 * then a table.
 */
#include "forward.h"

#include "table.h"

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
        gn_forward_store(call, item * plan->G + g, mean, rstd);
        int64_t c = g * plan->D;
        struct gn_norm norm = gn_forward_norm(call, c, plan->D, mean, rstd);
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

void gn_forward_columns(const gn_plan *plan, struct gn_job *job)
{
    job->items = plan->N;
    job->units = plan->G;
    job->reduce = reduce_columns;
    job->finish = finish_columns;
    job->apply = apply_columns;
    job->slot_bytes = column_moments_bytes(plan) + gn_table_bytes(plan->C, plan->G);
    job->work_bytes = gn_columns_work_bytes(plan->C);
}
