/* SPDX-License-Identifier: MIT */
/* The backward pass over points: an item is a block of samples. */
#include "backward.h"
#include "slot.h"

#include <string.h>

/* The moments of a sample's groups, where rounding took something from their statistics. */
static void find_moments(const struct gn_backward_call *call, const struct gn_backward_slot *slot,
                         const struct gn_run *run)
{
    const gn_plan *plan = call->plan;
    int64_t index = run->n * plan->G;
    if (plan->kernels->rounding_matters(plan->G, call->mean + index, call->rstd + index))
        plan->kernels->moments_rows(call->x + run->n * plan->C, plan->D, plan->G, plan->floor,
                                    gn_moments_from(slot->moments, run->first));
}

void gn_reduce_backward_points(const struct gn_job *job, const struct gn_batch *batch, int64_t tile,
                               void *memory, void *work)
{
    (void)tile;
    (void)work;
    const struct gn_backward_call *call = job->call;
    const gn_plan *plan = call->plan;
    const struct gn_backward_slot *slot = memory;
    for (int64_t i = 0; i < batch->items; i++) {
        struct gn_run run = gn_backward_run_at(plan, batch, i * plan->G, batch->items * plan->G);
        find_moments(call, slot, &run);
    }
}

/* `groups` groups of a sample from g on, which are those from `group` on of the slot. */
static void apply_groups(const struct gn_backward_call *call, const struct gn_backward_slot *slot,
                         int64_t sample, int64_t group, int64_t g, int64_t groups)
{
    const gn_plan *plan = call->plan;
    int64_t c = g * plan->D, start = sample * plan->C + c;
    int64_t parameter = gn_parameter(plan, sample, c);
    if (!slot->narrow[group]) {
        struct gn_columns columns = {.x = call->x + start,
                                     .dy = call->dy + start,
                                     .out = call->dx + start,
                                     .pixels = 1,
                                     .channels = plan->D,
                                     .stride = plan->C};
        gn_apply_wide_backward_columns(call, slot, group, parameter, columns);
        return;
    }
    struct gn_points points = {.x = call->x + start,
                               .dy = call->dy + start,
                               .out = call->dx + start,
                               .groups = groups,
                               .depth = plan->D,
                               .gamma = call->gamma ? call->gamma + parameter : NULL};
    if (plan->D < GN_SPREAD_BELOW) {
        points.mean = slot->mean + group * plan->D;
        points.rstd = slot->scale + group * plan->D;
        points.slope = slot->slopes + group * plan->D;
        points.offset = slot->offsets + group * plan->D;
    }
    plan->kernels->apply_points(&points, gn_statistics_from(slot->of, group), slot->slope + group,
                                slot->offset + group);
}

void gn_apply_backward_points(const struct gn_job *job, const struct gn_batch *batch, int64_t tile,
                              const void *memory)
{
    (void)tile;
    const struct gn_backward_call *call = job->call;
    const gn_plan *plan = call->plan;
    const struct gn_backward_slot *slot = memory;
    int64_t G = plan->G;
    for (int64_t i = 0; i < batch->items; i++) {
        struct gn_run run = gn_backward_run_at(plan, batch, i * G, batch->items * G);
        for (int64_t g = 0, end; g < G; g = end) {
            end = slot->narrow[i * G + g] ? gn_run_of(slot->narrow + i * G, g, G) : g + 1;
            apply_groups(call, slot, run.n, i * G + g, g, end - g);
        }
    }
}

/* Group i of the slot, which is one of samples from n on. */
static void mend_group(const struct gn_job *job, const struct gn_backward_slot *slot, int64_t i,
                       int64_t n, int64_t block)
{
    const struct gn_backward_call *call = job->call;
    const gn_plan *plan = call->plan;
    int64_t G = plan->G, group = n * G + i;
    struct gn_run run = {.first = i, .groups = 1, .n = n + i / G, .g = i % G, .block = block};
    if (plan->kernels->rounding_matters(1, call->mean + group, call->rstd + group))
        plan->kernels->moments_rows(call->x + group * plan->D, plan->D, 1, plan->floor,
                                    gn_moments_from(slot->moments, i));
    gn_finish_backward_run(job, slot, &run, true);
    if (call->dx)
        apply_groups(call, slot, run.n, i, run.g, 1);
}

/* A sample whose parameters do not fit. */
static void backward_sample(const struct gn_job *job, const struct gn_backward_slot *slot,
                            int64_t n, int64_t block)
{
    const struct gn_backward_call *call = job->call;
    struct gn_run run = {.groups = call->plan->G, .n = n, .block = block};
    find_moments(call, slot, &run);
    gn_finish_backward_run(job, slot, &run, false);
    for (int64_t g = 0; call->dx && g < run.groups; g++)
        apply_groups(call, slot, n, g, g, 1);
}

/* Samples from n on, which have the same parameters, and these fit. */
static void backward_samples(const struct gn_job *job, const struct gn_backward_slot *slot,
                             int64_t n, int64_t samples, int64_t block)
{
    const struct gn_backward_call *call = job->call;
    const gn_plan *plan = call->plan;
    int64_t C = plan->C, G = plan->G;
    double *sums = gn_parameter_sums(job, block, 0);
    bool *done = slot->narrow; /* of a group that is not done, it is in its place again below */
    struct gn_tiny tiny = {.x = call->x + n * C,
                           .dy = call->dy + n * C,
                           .out = call->dx ? call->dx + n * C : NULL,
                           .samples = samples,
                           .groups = G,
                           .depth = plan->D,
                           .gamma = call->gamma ? call->gamma + gn_parameter(plan, n, 0) : NULL,
                           .dgamma = sums,
                           .dbeta = sums ? sums + C : NULL};
    if (plan->kernels->gradient_tiny(&tiny, call->mean + n * G, call->rstd + n * G, done))
        return;
    for (int64_t i = 0; i < samples * G; i++)
        if (!done[i])
            mend_group(job, slot, i, n, block);
}

void gn_backward_tiny(const struct gn_job *job, const struct gn_batch *batch, int64_t tile,
                      void *memory, void *work)
{
    (void)tile;
    (void)work;
    const struct gn_backward_call *call = job->call;
    const gn_plan *plan = call->plan;
    const struct gn_partition *parts = &plan->parts;
    int64_t most = plan->by_sample ? 1 : parts->tiny;
    for (int64_t block = batch->item; block < batch->item + batch->items; block++) {
        int64_t n = block * parts->block_samples, end = n + parts->block_samples;
        if (end > plan->N)
            end = plan->N;
        for (int64_t i = n; i < end; i += most) {
            if (i == n || plan->by_sample)
                gn_clear_parameters(job, block, 0, plan->C);
            if (gn_points_fit(plan, call->points_fit, call->gamma, NULL, i))
                backward_samples(job, memory, i, end - i < most ? end - i : most, block);
            else
                backward_sample(job, memory, i, block);
            if (plan->by_sample)
                gn_store_parameters(job, block, i, 0, plan->C);
        }
    }
}
