/* SPDX-License-Identifier: MIT */
/*
 * The backward pass in channels last: an item is a block of samples. A slot has, for each tile, two
 * arrays of sums a channel; then the sums of all tiles; the moments, a tile and group; and a table.
 * A work area has the means a channel, then the kernel's own.
 */
#include "backward.h"

#include <string.h>

#include "table.h"

static int64_t tile_doubles(const gn_plan *plan)
{
    return 2 * gn_padded(plan->C);
}

static struct gn_sums *slot_sums(const gn_plan *plan, void *slot)
{
    return (struct gn_sums *)(void *)((double *)slot + plan->tiles * tile_doubles(plan));
}

static struct gn_moments *slot_moments(const gn_plan *plan, void *slot)
{
    return (struct gn_moments *)(void *)(slot_sums(plan, slot) + gn_padded(plan->C));
}

static int64_t before_table(const gn_plan *plan)
{
    return (plan->tiles + 1) * tile_doubles(plan) * (int64_t)sizeof(double) +
           gn_round_up(plan->tiles * plan->G * (int64_t)sizeof(struct gn_moments));
}

static struct gn_table slot_table(const gn_plan *plan, const void *slot)
{
    return gn_table_at((char *)(uintptr_t)slot + before_table(plan), plan->C);
}

static int64_t means_bytes(const gn_plan *plan)
{
    return gn_padded(plan->C) * (int64_t)sizeof(float);
}

static void reduce_columns(const struct gn_job *job, int64_t item, int64_t step, int64_t tile,
                           void *slot, void *work)
{
    const struct gn_backward_call *call = job->call;
    const gn_plan *plan = call->plan;
    int64_t n = gn_backward_sample(plan, item, step);
    float *means = work;
    bool matters = false;
    for (int64_t g = 0; g < plan->G; g++) {
        matters |= gn_rounding_matters(call, n * plan->G + g);
        for (int64_t c = g * plan->D; c < (g + 1) * plan->D; c++)
            means[c] = call->mean[n * plan->G + g];
    }
    memset(means + plan->C, 0, (size_t)(gn_padded(plan->C) - plan->C) * sizeof *means);
    struct gn_column_tile t = gn_plan_column_tile(plan, n, tile);
    struct gn_columns columns = {.x = call->x + t.start,
                                 .dy = call->dy + t.start,
                                 .pixels = t.pixels,
                                 .channels = plan->C,
                                 .stride = plan->C};
    double *sums = (double *)slot + tile * tile_doubles(plan);
    double *kernel_work = (double *)(void *)((char *)work + means_bytes(plan));
    plan->kernels->sums_columns(&columns, means, sums, sums + gn_padded(plan->C), kernel_work);
    if (matters)
        plan->kernels->moments_columns(&columns, plan->D, plan->floor,
                                       slot_moments(plan, slot) + tile * plan->G, kernel_work);
}

static void finish_columns(const struct gn_job *job, int64_t item, int64_t step, void *slot,
                           int64_t first, int64_t last)
{
    const struct gn_backward_call *call = job->call;
    const gn_plan *plan = call->plan;
    struct gn_sums *all = slot_sums(plan, slot);
    struct gn_table table = slot_table(plan, slot);
    for (int64_t tile = 0; tile < plan->tiles; tile++) {
        const double *sums = (const double *)slot + tile * tile_doubles(plan);
        for (int64_t c = first * plan->D; c < last * plan->D; c++) {
            struct gn_sums more = {sums[c], sums[gn_padded(plan->C) + c]};
            if (tile == 0)
                all[c] = more;
            else
                gn_add_sums(&all[c], &more);
        }
    }
    for (int64_t g = first; g < last; g++) {
        int64_t index = gn_backward_sample(plan, item, step) * plan->G + g;
        struct gn_group group = gn_start_group(call, index, slot_moments(plan, slot) + g, plan->G);
        gn_finish_group(job, item, step, g, all + g * plan->D, &group);
        int64_t c = g * plan->D;
        struct gn_norm norm = gn_backward_norm(call, c, plan->D, &group);
        float *const *f = table.narrow;
        double *const *d = table.wide;
        table.fits[g] = plan->kernels->planes(&norm, f[0] + c, f[1] + c, f[2] + c, f[3] + c);
        if (!table.fits[g])
            plan->kernels->planes_wide(&norm, d[0] + c, d[1] + c, d[2] + c, d[3] + c);
    }
}

static void apply_columns(const struct gn_job *job, int64_t item, int64_t step, int64_t tile,
                          const void *slot)
{
    const struct gn_backward_call *call = job->call;
    const gn_plan *plan = call->plan;
    struct gn_table table = slot_table(plan, slot);
    struct gn_column_tile t = gn_plan_column_tile(plan, gn_backward_sample(plan, item, step), tile);
    for (int64_t g = 0, end; g < plan->G; g = end) {
        end = gn_table_run(&table, g, plan->G);
        int64_t c = g * plan->D;
        struct gn_columns columns = {.x = call->x + t.start + c,
                                     .dy = call->dy + t.start + c,
                                     .out = call->dx + t.start + c,
                                     .pixels = t.pixels,
                                     .channels = (end - g) * plan->D,
                                     .stride = plan->C};
        if (table.fits[g])
            plan->kernels->apply_columns(&columns, table.narrow[0] + c, table.narrow[1] + c,
                                         table.narrow[2] + c, table.narrow[3] + c);
        else
            plan->kernels->apply_columns_wide(&columns, table.wide[0] + c, table.wide[1] + c,
                                              table.wide[2] + c, table.wide[3] + c);
    }
}

void gn_backward_columns(const gn_plan *plan, struct gn_job *job)
{
    job->items = plan->blocks;
    job->units = plan->G;
    job->reduce = reduce_columns;
    job->finish = finish_columns;
    job->apply = apply_columns;
    job->slot_bytes = before_table(plan) + gn_table_bytes(plan->C, plan->G);
    job->work_bytes = means_bytes(plan) + gn_columns_work_bytes(plan->C);
}
