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

#include <string.h>

#include "slot.h"

/* The statistics of a run's groups: what is stored, and what rounding took where that matters. */
static void start_groups(const struct gn_backward_call *call, const struct gn_backward_slot *slot,
                         const struct gn_run *run)
{
    const struct gn_kernels *kernels = call->plan->kernels;
    gn_type type = call->plan->stored;
    int64_t index = run->n * call->plan->G + run->g;
    struct gn_statistics of = gn_statistics_from(slot->of, run->first);
    struct gn_statistics found = gn_statistics_from(slot->found, run->first);
    if (!kernels->stored(run->groups, gn_at(call->mean, type, index),
                         gn_at(call->rstd, type, index), type, of))
        return;
    gn_finish_moments(call->plan, gn_moments_from(slot->moments, run->first), slot->set,
                      run->groups, found);
    kernels->recover(run->groups, type, found, of);
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
        for (int64_t c = first; plan->activates && c < end; c++)
            slot->hard[c] += slot->hard[set * slot->sums + c];
    }
}

/*
 * What is hard on the sums of a group is hard on its last pass: where g = dy * act'(z) underflows
 * or overflows, all of it is computed in double.
 */
static void widen_hard(const gn_plan *plan, const struct gn_backward_slot *slot, int64_t first,
                       int64_t end)
{
    for (int64_t i = first; i < end; i++)
        for (int64_t c = i * plan->D; slot->narrow[i] && c < (i + 1) * plan->D; c++)
            slot->narrow[i] = slot->hard[c] == 0;
}

/* Groups of a slot as lines and planes take them; `parameter` is where those of the first are. */
static struct gn_groups groups_of(const struct gn_backward_call *call,
                                  const struct gn_backward_slot *slot, int64_t group,
                                  int64_t parameter)
{
    const gn_plan *plan = call->plan;
    return (struct gn_groups){.groups = 1,
                              .depth = plan->D,
                              .of = gn_statistics_from(slot->of, group),
                              .slope = slot->slope + group,
                              .offset = slot->offset + group,
                              .gamma = gn_parameters_at(plan, call->parameters.gamma, parameter),
                              .beta = gn_parameters_at(plan, call->parameters.beta, parameter),
                              .param = plan->desc.param};
}

static void make_planes(const struct gn_backward_call *call, const struct gn_backward_slot *slot,
                        const struct gn_run *run)
{
    const gn_plan *plan = call->plan;
    int64_t D = plan->D, c = run->first * D;
    int64_t parameter = gn_parameter(plan, run->n, run->g * D);
    struct gn_groups all = groups_of(call, slot, run->first, parameter);
    all.groups = run->groups;
    bool narrow = plan->kernels->planes(&all, slot->mean + c, slot->scale + c, slot->slopes + c,
                                        slot->offsets + c);
    for (int64_t i = 0; !narrow && i < run->groups; i++, c += D) {
        struct gn_groups one = groups_of(call, slot, run->first + i, parameter + i * D);
        slot->narrow[run->first + i] &= plan->kernels->planes(&one, slot->mean + c, slot->scale + c,
                                                              slot->slopes + c, slot->offsets + c);
    }
}

/* With an activation: what is needed for the sums. */
static void make_lines(const struct gn_backward_call *call, const struct gn_backward_slot *slot,
                       const struct gn_run *run)
{
    const gn_plan *plan = call->plan;
    int64_t D = plan->D, c = run->first * D;
    int64_t parameter = gn_parameter(plan, run->n, run->g * D);
    struct gn_groups all = groups_of(call, slot, run->first, parameter);
    all.groups = run->groups;
    bool narrow = plan->kernels->lines(&all, slot->mean + c, slot->scale + c, slot->shift + c);
    for (int64_t i = 0; !narrow && i < run->groups; i++, c += D) {
        struct gn_groups one = groups_of(call, slot, run->first + i, parameter + i * D);
        slot->narrow[run->first + i] =
            plan->kernels->lines(&one, slot->mean + c, slot->scale + c, slot->shift + c);
    }
}

/* The elements of a channel behind one set of sums. */
static int64_t sums_count(const gn_plan *plan, int64_t set)
{
    int64_t length = plan->parts.tile_length, left = plan->S - set * length;
    return left < length ? left : length;
}

/*
 * The sum of dx over a channel of S elements: with X = sum (x - mean), about the stored mean, rstd
 * * gamma * A + slope * X + S * offset.
 */
static void store_dskip(const struct gn_backward_call *call, const struct gn_backward_slot *slot,
                        const struct gn_run *run)
{
    const gn_plan *plan = call->plan;
    struct gn_moments m = slot->of_channels;
    for (int64_t i = 0; i < run->groups * plan->D; i++) {
        int64_t c = run->first * plan->D + i, g = run->first + i / plan->D;
        int64_t channel = run->g * plan->D + i;
        struct gn_moment all = {(double)sums_count(plan, 0), m.origin[c], m.offset[c], 0};
        for (int64_t set = 1; set < plan->parts.sums; set++) {
            int64_t at = set * slot->sums + c;
            struct gn_moment more = {(double)sums_count(plan, set), m.origin[at], m.offset[at], 0};
            gn_merge_moments(&all, &more);
        }
        double gamma = 1;
        if (call->parameters.gamma)
            gamma = gn_double_at(call->parameters.gamma, plan->desc.param,
                                 gn_parameter(plan, run->n, channel));
        double x = (double)plan->S * ((all.origin - slot->of.mean[g]) + all.offset);
        double sum = slot->of.rstd[g] * gamma * slot->dy[c] +
                     (slot->slope[g] * x + (double)plan->S * slot->offset[g]);
        gn_put_double(call->dskip, plan->desc.x, run->n * plan->C + channel, sum);
    }
}

/* The same for points, whose sums are not taken before. */
static void finish_points(const struct gn_backward_call *call, const struct gn_backward_slot *slot,
                          const struct gn_run *run, const struct gn_gradient *gradient, bool fit)
{
    const gn_plan *plan = call->plan;
    struct gn_points points = {.x = run->x,
                               .dy = run->dy,
                               .groups = run->groups,
                               .depth = plan->D,
                               .gamma = gradient->gamma,
                               .dgamma = gradient->dgamma,
                               .dbeta = gradient->dbeta};
    struct gn_statistics of = gn_statistics_from(slot->of, run->first);
    double *slope = slot->slope + run->first, *offset = slot->offset + run->first;
    bool *narrow = slot->narrow + run->first;
    plan->kernels->gradient_points(&points, of, slope, offset);
    if (fit)
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

void gn_finish_backward_run(const struct gn_job *job, const struct gn_backward_slot *slot,
                            const struct gn_run *run, bool fit)
{
    const struct gn_backward_call *call = job->call;
    const gn_plan *plan = call->plan;
    int64_t c = run->g * plan->D, parameter = gn_parameter(plan, run->n, c);
    struct gn_gradient gradient = {.groups = run->groups,
                                   .depth = plan->D,
                                   .count = (double)(plan->D * plan->S),
                                   .gamma =
                                       gn_parameters_at(plan, call->parameters.gamma, parameter),
                                   .param = plan->desc.param,
                                   .dy = slot->dy + run->first * plan->D,
                                   .dyx = slot->dyx + run->first * plan->D};
    if (!job->prepare)
        start_groups(call, slot, run);
    gradient.dgamma = gn_parameter_sums(job, run->block, c);
    gradient.dbeta = gradient.dgamma ? gradient.dgamma + plan->C : NULL;
    if (plan->parts.points) {
        finish_points(call, slot, run, &gradient, fit);
        return;
    }
    plan->kernels->finish_gradient(&gradient, gn_statistics_from(slot->of, run->first),
                                   slot->slope + run->first, slot->offset + run->first);
    if (call->dskip)
        store_dskip(call, slot, run);
    if (call->dx && !plan->wide)
        make_planes(call, slot, run);
}

/* The groups of a batch that are a thread's part, none where first is end. */
static void part_of(const struct gn_job *job, const struct gn_batch *batch, int64_t first_unit,
                    int64_t last_unit, int64_t *first, int64_t *end)
{
    const struct gn_backward_call *call = job->call;
    int64_t groups = batch->items * (call->plan->parts.columns ? call->plan->G : 1);
    *first = first_unit * GN_UNIT;
    *end = last_unit * GN_UNIT;
    if (*end > groups || last_unit == job->units)
        *end = groups;
    if (*first > *end)
        *first = *end;
}

void gn_prepared_backward(const struct gn_job *job, const struct gn_batch *batch, void *memory,
                          int64_t first_unit, int64_t last_unit)
{
    const struct gn_backward_call *call = job->call;
    const struct gn_backward_slot *slot = memory;
    int64_t first, end;
    part_of(job, batch, first_unit, last_unit, &first, &end);
    memset(slot->narrow + first, !call->plan->wide, (size_t)(end - first));
    for (int64_t i = first; i < end;) {
        struct gn_run run;
        gn_backward_run_at(call->plan, batch, i, end, &run);
        start_groups(call, slot, &run);
        if (!call->plan->wide)
            make_lines(call, slot, &run);
        i += run.groups;
    }
}

void gn_finish_backward(const struct gn_job *job, const struct gn_batch *batch, void *memory,
                        int64_t first_unit, int64_t last_unit, void *work)
{
    const struct gn_backward_call *call = job->call;
    const gn_plan *plan = call->plan;
    const struct gn_backward_slot *slot = memory;
    struct gn_buffers buffers;
    gn_buffers_of(plan, work, &buffers);
    int64_t first, end;
    part_of(job, batch, first_unit, last_unit, &first, &end);
    if (!job->prepare)
        memset(slot->narrow + first, true, (size_t)(end - first));
    if (!plan->parts.points)
        add_sums(plan, slot, first * plan->D, end * plan->D);
    if (plan->activates && !plan->wide)
        widen_hard(plan, slot, first, end);
    for (int64_t i = first; i < end;) {
        struct gn_run run;
        gn_backward_run_at(plan, batch, i, end, &run);
        int64_t c = run.g * plan->D, channels = run.groups * plan->D;
        if (batch->step == 0 || plan->by_sample)
            gn_clear_parameters(job, run.block, c, channels);
        if (plan->parts.points) {
            run.x = gn_read_points(plan, call->x_view, call->x, run.n, 1, buffers.x, &buffers) + c;
            run.dy = gn_read_points(plan, &plan->views[GN_TENSOR_DY], call->dy, run.n, 1,
                                    buffers.dy, &buffers) +
                     c;
        }
        bool fit = plan->parts.points &&
                   gn_points_fit(plan, call->points_fit, call->parameters.gamma, NULL, run.n);
        gn_finish_backward_run(job, slot, &run, fit);
        if (plan->by_sample)
            gn_store_parameters(job, run.block, run.n, c, channels);
        i += run.groups;
    }
}
