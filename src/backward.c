/* SPDX-License-Identifier: MIT */
/*
 * With A = sum dy and B = sum dy * (x - mean) over a channel of a group of m elements,
 *
 *     dx = rstd * gamma * dy - rstd * P/m - (x - mean) * rstd^3 * R/m,
 *     P = sum_c gamma * A,  R = sum_c gamma * B,
 *     dbeta = sum_n A,      dgamma = sum_n rstd * B.
 *
 * The kernels sum about the mean as it was stored, rounded to float. Where what the rounding took
 * away matters, low = mean - stored is found again from x, and B = B_stored - low * A; a stored
 * mean that is not that of x is taken as it is. An rstd that is no normal float is found again too.
 */
#include "backward.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "slot.h"

static int64_t carve_slot(const gn_plan *plan, char *memory, struct gn_backward_slot *slot)
{
    int64_t groups = plan->parts.batch_groups, channels = groups * plan->D;
    int64_t at = gn_round_up((int64_t)sizeof *slot);
    slot->of = gn_carve_statistics(memory, &at, groups);
    slot->found = gn_carve_statistics(memory, &at, groups);
    slot->slope = gn_carve(memory, &at, groups, sizeof(double));
    slot->offset = gn_carve(memory, &at, groups, sizeof(double));
    slot->narrow = gn_carve(memory, &at, groups, sizeof(bool));
    slot->mean = gn_carve(memory, &at, channels, sizeof(float));
    slot->scale = gn_carve(memory, &at, channels, sizeof(float));
    slot->slopes = gn_carve(memory, &at, channels, sizeof(float));
    slot->offsets = gn_carve(memory, &at, channels, sizeof(float));
    int64_t one = at;
    slot->dy = gn_carve(memory, &at, channels, sizeof(double));
    slot->dyx = gn_carve(memory, &at, channels, sizeof(double));
    slot->sums = (at - one) / (int64_t)sizeof(double);
    at = one = one + plan->parts.sums * (at - one);
    slot->moments = gn_carve_moments(memory, &at, groups);
    slot->set = (at - one) / (int64_t)sizeof(double);
    return one + plan->parts.moments * (at - one);
}

/* A slot begins with where all the rest of it is. */
static void open_slot(const struct gn_job *job, void *memory)
{
    const struct gn_backward_call *call = job->call;
    carve_slot(call->plan, memory, memory);
}

static int64_t slot_bytes(const gn_plan *plan)
{
    struct gn_backward_slot slot;
    return carve_slot(plan, NULL, &slot);
}

struct gn_run gn_backward_run_at(const gn_plan *plan, const struct gn_batch *batch, int64_t group,
                                 int64_t end)
{
    int64_t G = plan->G, item = batch->item + (plan->parts.columns ? group / G : 0);
    struct gn_run run = {.first = group};
    run.block = plan->parts.columns ? item : item / G;
    run.n = run.block * plan->parts.block_samples + batch->step;
    run.g = plan->parts.columns ? group % G : item % G + group;
    run.groups = G - run.g < end - group ? G - run.g : end - group;
    return run;
}

static bool is_normal_or_zero(double rstd)
{
    return rstd == 0 || (rstd >= FLT_MIN && rstd <= FLT_MAX);
}

/*
 * The rounding of the mean is up to u * |mean| * rstd in xhat: from a deviation below the mean on,
 * more than the rounding of xhat itself. Where rstd is NaN, all is.
 */
bool gn_rounding_matters(const struct gn_backward_call *call, int64_t group)
{
    double mean = (double)call->mean[group], rstd = (double)call->rstd[group];
    return !isnan(rstd) && (fabs(mean * rstd) > 1.0 || !is_normal_or_zero(rstd));
}

struct gn_groups gn_backward_part(const struct gn_backward_call *call,
                                  const struct gn_backward_slot *slot, int64_t group,
                                  int64_t channel, int64_t channels)
{
    return (struct gn_groups){.groups = 1,
                              .depth = channels,
                              .of = gn_statistics_from(slot->of, group),
                              .slope = slot->slope + group,
                              .offset = slot->offset + group,
                              .gamma = call->gamma ? call->gamma + channel : NULL};
}

/* The statistics of a run's groups: what is stored, and what rounding took where that matters. */
static void start_groups(const struct gn_backward_call *call, const struct gn_backward_slot *slot,
                         const struct gn_run *run)
{
    const struct gn_kernels *kernels = call->plan->kernels;
    int64_t index = run->n * call->plan->G + run->g;
    struct gn_statistics of = gn_statistics_from(slot->of, run->first);
    struct gn_statistics found = gn_statistics_from(slot->found, run->first);
    if (!kernels->stored(run->groups, call->mean + index, call->rstd + index, of))
        return;
    gn_finish_moments(call->plan, gn_moments_from(slot->moments, run->first), slot->set,
                      run->groups, found);
    kernels->recover(run->groups, found, of);
}

/* The sums over tiles, into the first set. */
static void add_sums(const gn_plan *plan, const struct gn_backward_slot *slot, int64_t first,
                     int64_t end)
{
    for (int64_t set = 1; set < plan->parts.sums; set++) {
        const double *dy = slot->dy + set * slot->sums, *dyx = slot->dyx + set * slot->sums;
        for (int64_t c = first; c < end; c++) {
            slot->dy[c] += dy[c];
            slot->dyx[c] += dyx[c];
        }
    }
}

static void make_planes(const struct gn_backward_call *call, const struct gn_backward_slot *slot,
                        const struct gn_run *run)
{
    const gn_plan *plan = call->plan;
    int64_t D = plan->D, c = run->first * D;
    struct gn_groups all = gn_backward_part(call, slot, run->first, run->g * D, D);
    all.groups = run->groups;
    bool narrow = plan->kernels->planes(&all, slot->mean + c, slot->scale + c, slot->slopes + c,
                                        slot->offsets + c);
    memset(slot->narrow + run->first, narrow, (size_t)run->groups);
    for (int64_t i = 0; !narrow && i < run->groups; i++, c += D) {
        struct gn_groups one = gn_backward_part(call, slot, run->first + i, (run->g + i) * D, D);
        slot->narrow[run->first + i] = plan->kernels->planes(&one, slot->mean + c, slot->scale + c,
                                                             slot->slopes + c, slot->offsets + c);
    }
}

/* The same for points, whose sums are not taken before. */
static void finish_points(const struct gn_backward_call *call, const struct gn_backward_slot *slot,
                          const struct gn_run *run, const struct gn_gradient *gradient)
{
    const gn_plan *plan = call->plan;
    int64_t start = run->n * plan->C + run->g * plan->D;
    struct gn_points points = {.x = call->x + start,
                               .dy = call->dy + start,
                               .groups = run->groups,
                               .depth = plan->D,
                               .gamma = gradient->gamma,
                               .dgamma = gradient->dgamma,
                               .dbeta = gradient->dbeta};
    struct gn_statistics of = gn_statistics_from(slot->of, run->first);
    double *slope = slot->slope + run->first, *offset = slot->offset + run->first;
    bool *narrow = slot->narrow + run->first;
    plan->kernels->gradient_points(&points, of, slope, offset);
    if (call->points_fit)
        plan->kernels->limit_points(run->groups, of, slope, offset, narrow);
    else
        memset(narrow, false, (size_t)run->groups);
    int64_t D = plan->D, c = run->first * D;
    if (!call->dx || D >= GN_SPREAD_BELOW)
        return;
    plan->kernels->spread_points(run->groups, D, of.mean, slot->mean + c);
    plan->kernels->spread_points(run->groups, D, of.rstd, slot->scale + c);
    plan->kernels->spread_points(run->groups, D, slope, slot->slopes + c);
    plan->kernels->spread_points(run->groups, D, offset, slot->offsets + c);
}

/* From the sums of a run's channels to the numbers of the last pass. */
static void finish_run(const struct gn_job *job, const struct gn_backward_slot *slot,
                       const struct gn_run *run, bool first_of_block)
{
    const struct gn_backward_call *call = job->call;
    const gn_plan *plan = call->plan;
    int64_t c = run->g * plan->D, channels = run->groups * plan->D;
    struct gn_gradient gradient = {.groups = run->groups,
                                   .depth = plan->D,
                                   .count = (double)(plan->D * plan->S),
                                   .gamma = call->gamma ? call->gamma + c : NULL,
                                   .dy = slot->dy + run->first * plan->D,
                                   .dyx = slot->dyx + run->first * plan->D};
    start_groups(call, slot, run);
    if (job->left) {
        gradient.dgamma = (double *)job->left + run->block * 2 * plan->C + c;
        gradient.dbeta = gradient.dgamma + plan->C;
    }
    if (job->left && first_of_block) {
        memset(gradient.dgamma, 0, (size_t)channels * sizeof(double));
        memset(gradient.dbeta, 0, (size_t)channels * sizeof(double));
    }
    if (plan->parts.points) {
        finish_points(call, slot, run, &gradient);
        return;
    }
    plan->kernels->finish_gradient(&gradient, gn_statistics_from(slot->of, run->first),
                                   slot->slope + run->first, slot->offset + run->first);
    if (call->dx)
        make_planes(call, slot, run);
}

static void finish_backward(const struct gn_job *job, const struct gn_batch *batch, void *memory,
                            int64_t first_unit, int64_t last_unit)
{
    const struct gn_backward_call *call = job->call;
    const gn_plan *plan = call->plan;
    const struct gn_backward_slot *slot = memory;
    int64_t groups = batch->items * (plan->parts.columns ? plan->G : 1);
    int64_t first = first_unit * GN_UNIT, end = last_unit * GN_UNIT;
    if (end > groups || last_unit == job->units)
        end = groups;
    if (first >= end)
        return;
    if (!plan->parts.points)
        add_sums(plan, slot, first * plan->D, end * plan->D);
    for (int64_t i = first; i < end;) {
        struct gn_run run = gn_backward_run_at(plan, batch, i, end);
        finish_run(job, slot, &run, batch->step == 0);
        i += run.groups;
    }
}

static void collect_parameters(const struct gn_job *job, int64_t first, int64_t last)
{
    const struct gn_backward_call *call = job->call;
    const gn_plan *plan = call->plan;
    double *sums = job->left;
    for (int64_t block = 1; block < plan->parts.blocks; block++) {
        const double *more = sums + block * 2 * plan->C;
        for (int64_t c = first; c < last; c++) {
            sums[c] += more[c];
            sums[plan->C + c] += more[plan->C + c];
        }
    }
    for (int64_t c = first; call->dgamma && c < last; c++)
        call->dgamma[c] = (float)sums[c];
    for (int64_t c = first; call->dbeta && c < last; c++)
        call->dbeta[c] = (float)sums[plan->C + c];
}

static int64_t block_steps(const struct gn_job *job, int64_t item)
{
    const struct gn_backward_call *call = job->call;
    const struct gn_partition *parts = &call->plan->parts;
    int64_t block = parts->columns ? item : item / call->plan->G;
    int64_t left = call->plan->N - block * parts->block_samples;
    return left < parts->block_samples ? left : parts->block_samples;
}

/* Items of the same block (rows), or blocks of the same number of samples (columns). */
static int64_t batch_of_equals(const struct gn_job *job, int64_t item, int64_t limit)
{
    const struct gn_backward_call *call = job->call;
    const struct gn_partition *parts = &call->plan->parts;
    int64_t items = limit < parts->batch ? limit : parts->batch;
    int64_t left = call->plan->G - item % call->plan->G;
    if (!parts->columns)
        return items < left ? items : left;
    while (items > 1 && block_steps(job, item + items - 1) != block_steps(job, item))
        items--;
    return items;
}

static struct gn_job backward_job(const gn_plan *plan)
{
    bool columns = plan->parts.columns, points = plan->parts.points;
    int64_t sums = plan->parts.blocks * 2 * plan->C * (int64_t)sizeof(double);
    return (struct gn_job){.items = plan->parts.blocks * (columns ? 1 : plan->G),
                           .tiles = plan->parts.tiles,
                           .units = columns ? (plan->G + GN_UNIT - 1) / GN_UNIT : 1,
                           .collects = plan->C,
                           .open = open_slot,
                           .batch = batch_of_equals,
                           .steps = block_steps,
                           .reduce = points    ? gn_reduce_backward_points
                                     : columns ? gn_reduce_backward_columns
                                               : gn_reduce_backward_rows,
                           .finish = finish_backward,
                           .apply = points    ? gn_apply_backward_points
                                    : columns ? gn_apply_backward_columns
                                              : gn_apply_backward_rows,
                           .collect = collect_parameters,
                           .slot_bytes = slot_bytes(plan),
                           .work_bytes = columns ? gn_backward_columns_work(plan) : 0,
                           .left_bytes = gn_round_up(sums)};
}

int64_t gn_backward_scratch(const gn_plan *plan)
{
    struct gn_job job = backward_job(plan);
    return gn_run_bytes(plan, &job);
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
    return gn_run(plan, &job);
}
