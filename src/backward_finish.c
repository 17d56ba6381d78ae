/* SPDX-License-Identifier: MIT */
/*
 * The backward pass between tiles: from stored statistics and sums to the numbers of the last pass.
 *
 * Sums are about the mean as it was stored, rounded to float. Where what the rounding took away
 * matters, mean_lo = mean - stored is found again from x; a stored mean that is not that of x is
 * taken as it is. An rstd that is no normal float is found again too.
 */
#include "backward.h"

#include <string.h>

#include "slot.h"

/* The statistics of a run's groups: what is stored, and what rounding took where that matters. */
static void start_groups(const struct gn_backward_call *call, const struct gn_backward_slot *slot,
                         const struct gn_run *run)
{
    const struct gn_kernels *kernels = call->plan->kernels;
    struct gn_stored stored = gn_stored_from(call, run->n * call->plan->G + run->g, run->groups);
    struct gn_statistics of = gn_statistics_from(slot->of, run->first);
    struct gn_statistics found = gn_statistics_from(slot->found, run->first);
    if (!kernels->load_statistics(stored, NULL, of))
        return;
    gn_finish_moments(call->plan, gn_moments_from(slot->moments, run->first), slot->set,
                      run->groups, found);
    kernels->load_statistics(stored, &found, of);
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

/* With an activation: what is needed for the sums. */
static void make_z_coefficients(const struct gn_backward_call *call,
                                const struct gn_backward_slot *slot, const struct gn_run *run)
{
    struct gn_coefficients with;
    gn_backward_coefficients_from(call, slot, run->first, run->n * call->plan->G + run->g, &with);
    call->plan->kernels->forward_coefficients(run->groups, &with);
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

static void finish_run(const struct gn_job *job, const struct gn_backward_slot *slot,
                       const struct gn_run *run)
{
    const struct gn_backward_call *call = job->call;
    const gn_plan *plan = call->plan;
    int64_t c = run->first * plan->D;
    if (!job->prepare)
        start_groups(call, slot, run);
    double *dgamma = gn_parameter_sums(job, run->block, run->g * plan->D);
    struct gn_sums sums = {slot->dy + c, slot->dyx + c, plan->activates ? slot->hard + c : NULL};
    struct gn_coefficients with;
    gn_backward_coefficients_from(call, slot, run->first, run->n * plan->G + run->g, &with);
    if (!call->dx || plan->wide)
        with.slope = NULL;
    plan->kernels->gradient_coefficients(run->groups, (double)(plan->D * plan->S), sums, &with,
                                         dgamma, dgamma ? dgamma + plan->C : NULL);
    if (call->dskip)
        store_dskip(call, slot, run);
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
            make_z_coefficients(call, slot, &run);
        i += run.groups;
    }
}

void gn_finish_backward(const struct gn_job *job, const struct gn_batch *batch, void *memory,
                        int64_t first_unit, int64_t last_unit, void *work)
{
    const struct gn_backward_call *call = job->call;
    const gn_plan *plan = call->plan;
    const struct gn_backward_slot *slot = memory;
    (void)work;
    int64_t first, end;
    part_of(job, batch, first_unit, last_unit, &first, &end);
    if (!job->prepare)
        memset(slot->narrow + first, true, (size_t)(end - first));
    add_sums(plan, slot, first * plan->D, end * plan->D);
    for (int64_t i = first; i < end;) {
        struct gn_run run;
        gn_backward_run_at(plan, batch, i, end, &run);
        int64_t c = run.g * plan->D, channels = run.groups * plan->D;
        if (batch->step == 0 || plan->by_sample)
            gn_clear_parameters(job, run.block, c, channels);
        finish_run(job, slot, &run);
        if (plan->by_sample)
            gn_store_parameters(job, run.block, run.n, c, channels);
        i += run.groups;
    }
}
