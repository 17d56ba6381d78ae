/* SPDX-License-Identifier: MIT */
/*
 * With A = sum dy and B = sum dy * (x - mean) over a channel of a group of m elements,
 *
 *     dx = rstd * gamma * dy - rstd * P/m - (x - mean) * rstd^3 * R/m,
 *     P = sum_c gamma * A,  R = sum_c gamma * B,
 *     dbeta = sum_n A,      dgamma = sum_n rstd * B.
 *
 * The kernels sum about the mean as it was stored, rounded to float. Where what the rounding took
 * away matters, delta = mean - stored is found again from x, and B = B_stored - delta * A.
 */
#include "backward.h"

#include <math.h>
#include <string.h>

#include "table.h"

/* An item is a block of samples: of one group in channels first, of all in channels last. */

static int64_t item_block(const gn_plan *plan, int64_t item)
{
    return plan->columns ? item : item / plan->G;
}

static int64_t item_sample(const gn_plan *plan, int64_t item, int64_t step)
{
    return item_block(plan, item) * plan->block_samples + step;
}

static int64_t block_steps(const struct gn_job *job, int64_t item)
{
    const struct gn_backward_call *call = job->call;
    const gn_plan *plan = call->plan;
    int64_t left = plan->N - item_sample(plan, item, 0);
    return left < plan->block_samples ? left : plan->block_samples;
}

static double channel_gamma(const struct gn_backward_call *call, int64_t channel)
{
    return call->gamma ? (double)call->gamma[channel] : 1.0;
}

/*
 * The rounding of the mean is up to u * |mean| * rstd in xhat: from a deviation below the mean on,
 * more than the rounding of xhat itself.
 */
static bool mean_matters(const struct gn_backward_call *call, int64_t group)
{
    return fabs((double)call->mean[group] * (double)call->rstd[group]) > 1.0;
}

/* mean - stored from the moments of a group's tiles, `stride` apart. */
static double find_delta(const struct gn_backward_call *call, int64_t group,
                         const struct gn_moments *moments, int64_t stride)
{
    if (!mean_matters(call, group))
        return 0;
    struct gn_moments all = moments[0];
    for (int64_t tile = 1; tile < call->plan->tiles; tile++)
        gn_merge_moments(&all, &moments[tile * stride]);
    return all.mean - (double)call->mean[group];
}

/* What apply needs of a group. */
struct group {
    double mean, rstd, slope, offset;
};

static struct gn_norm channels_norm(const struct gn_backward_call *call, int64_t first,
                                    int64_t channels, const struct group *group)
{
    return (struct gn_norm){.channels = channels,
                            .gamma = call->gamma ? call->gamma + first : NULL,
                            .mean = group->mean,
                            .rstd = group->rstd,
                            .slope = group->slope,
                            .offset = group->offset};
}

/* dgamma and dbeta summed over a block of samples: two arrays of C for each block. */
static void add_parameter_sums(const struct gn_job *job, int64_t item, int64_t step,
                               int64_t channel, double dgamma, double dbeta)
{
    if (!job->left)
        return;
    const struct gn_backward_call *call = job->call;
    const gn_plan *plan = call->plan;
    double *sums = (double *)job->left + item_block(plan, item) * 2 * plan->C;
    sums[channel] = (step ? sums[channel] : 0.0) + dgamma;
    sums[plan->C + channel] = (step ? sums[plan->C + channel] : 0.0) + dbeta;
}

static void collect_parameters(const struct gn_job *job, int64_t first, int64_t last)
{
    const struct gn_backward_call *call = job->call;
    const gn_plan *plan = call->plan;
    const double *sums = job->left;
    for (int64_t c = first; c < last; c++) {
        double dgamma = 0, dbeta = 0;
        for (int64_t block = 0; block < plan->blocks; block++) {
            dgamma += sums[block * 2 * plan->C + c];
            dbeta += sums[block * 2 * plan->C + plan->C + c];
        }
        if (call->dgamma)
            call->dgamma[c] = (float)dgamma;
        if (call->dbeta)
            call->dbeta[c] = (float)dbeta;
    }
}

/*
 * From the sums of each channel of a group, sums[0..D-1] about the stored mean, to the group's
 * numbers; adds to the parameters' sums on the way.
 */
static struct group finish_group(const struct gn_job *job, int64_t item, int64_t step, int64_t g,
                                 const struct gn_sums *sums, double delta)
{
    const struct gn_backward_call *call = job->call;
    const gn_plan *plan = call->plan;
    int64_t index = item_sample(plan, item, step) * plan->G + g;
    struct group group = {.mean = (double)call->mean[index], .rstd = (double)call->rstd[index]};
    double m = (double)(plan->D * plan->S);
    double P = 0, R = 0;
    for (int64_t c = 0; c < plan->D; c++) {
        int64_t channel = g * plan->D + c;
        double B = sums[c].dyx - delta * sums[c].dy;
        P += channel_gamma(call, channel) * sums[c].dy;
        R += channel_gamma(call, channel) * B;
        add_parameter_sums(job, item, step, channel, B * group.rstd, sums[c].dy);
    }
    group.slope = -(group.rstd * group.rstd * group.rstd) * (R / m);
    group.offset = -group.rstd * (P / m) - group.slope * delta;
    return group;
}

/*
 * Channels first. A slot has the group's numbers, the sums of each channel, tile by tile, and the
 * moments of the tiles.
 */

struct rows_slot {
    struct group group;
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
    int64_t n = item_sample(plan, item, step), g = item % plan->G;
    struct gn_row_tile t = gn_plan_row_tile(plan, n, g, tile);
    struct gn_rows rows = {.x = call->x + t.start,
                           .dy = call->dy + t.start,
                           .channels = t.channels,
                           .length = t.length};
    int64_t group = n * plan->G + g;
    plan->kernels->sums_rows(&rows, call->mean[group], &slot->sums[t.sums]);
    if (mean_matters(call, group))
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
    double delta =
        find_delta(call, item_sample(plan, item, step) * plan->G + g, rows_moments(plan, slot), 1);
    slot->group = finish_group(job, item, step, g, slot->sums, delta);
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
        gn_plan_row_tile(plan, item_sample(plan, item, step), item % plan->G, tile);
    for (int64_t c = 0; c < t.channels; c += GN_BATCH) {
        int64_t n = t.channels - c < GN_BATCH ? t.channels - c : GN_BATCH;
        int64_t start = t.start + c * t.length;
        struct gn_rows rows = {.x = call->x + start,
                               .dy = call->dy + start,
                               .out = call->dx + start,
                               .channels = n,
                               .length = t.length};
        struct gn_norm norm = channels_norm(call, t.channel + c, n, &slot->group);
        float mean[GN_BATCH], scale[GN_BATCH], slope[GN_BATCH], offset[GN_BATCH];
        if (plan->kernels->planes(&norm, mean, scale, slope, offset))
            plan->kernels->apply_rows(&rows, mean, scale, slope, offset);
        else
            apply_rows_wide(plan, &rows, &norm);
    }
}

/*
 * Channels last. A slot has, for each tile, two arrays of sums a channel; then the sums of all
 * tiles; the moments, a tile and group; and a table. A work area has the means a channel, then the
 * kernel's own.
 */

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
    int64_t n = item_sample(plan, item, step);
    float *means = work;
    bool matters = false;
    for (int64_t g = 0; g < plan->G; g++) {
        matters |= mean_matters(call, n * plan->G + g);
        for (int64_t c = g * plan->D; c < (g + 1) * plan->D; c++)
            means[c] = call->mean[n * plan->G + g];
    }
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
        double delta = find_delta(call, item_sample(plan, item, step) * plan->G + g,
                                  slot_moments(plan, slot) + g, plan->G);
        struct group group = finish_group(job, item, step, g, all + g * plan->D, delta);
        int64_t c = g * plan->D;
        struct gn_norm norm = channels_norm(call, c, plan->D, &group);
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
    struct gn_column_tile t = gn_plan_column_tile(plan, item_sample(plan, item, step), tile);
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

static struct gn_job backward_job(const gn_plan *plan)
{
    struct gn_job job = {.tiles = plan->tiles, .steps = block_steps};
    if (plan->columns) {
        job.items = plan->blocks;
        job.units = plan->G;
        job.reduce = reduce_columns;
        job.finish = finish_columns;
        job.apply = apply_columns;
        job.slot_bytes = before_table(plan) + gn_table_bytes(plan->C, plan->G);
        job.work_bytes = means_bytes(plan) + gn_columns_work_bytes(plan->C);
    } else {
        job.items = plan->blocks * plan->G;
        job.units = 1;
        job.reduce = reduce_rows;
        job.finish = finish_rows;
        job.apply = apply_rows;
        job.slot_bytes = gn_round_up((int64_t)sizeof(struct rows_slot) +
                                     all_sums(plan) * (int64_t)sizeof(struct gn_sums) +
                                     plan->tiles * (int64_t)sizeof(struct gn_moments));
    }
    job.collects = plan->C;
    job.collect = collect_parameters;
    job.left_bytes = gn_round_up(plan->blocks * 2 * plan->C * (int64_t)sizeof(double));
    return job;
}

int64_t gn_backward_scratch(const gn_plan *plan, int threads)
{
    struct gn_job job = backward_job(plan);
    return gn_schedule_scratch(&job, threads);
}

gn_status gn_backward_run(const struct gn_backward_call *call)
{
    const gn_plan *plan = call->plan;
    if (plan->elements == 0) {
        if (call->dgamma)
            memset(call->dgamma, 0, (size_t)plan->C * sizeof *call->dgamma);
        if (call->dbeta)
            memset(call->dbeta, 0, (size_t)plan->C * sizeof *call->dbeta);
        return GN_OK;
    }
    struct gn_job job = backward_job(plan);
    job.call = call;
    if (!call->dx)
        job.apply = NULL;
    if (!call->dgamma && !call->dbeta) {
        job.collects = 0;
        job.left_bytes = 0;
    }
    return gn_plan_run(plan, &job);
}
