/* SPDX-License-Identifier: MIT */
/* The backward pass over points: an item is a block of samples. */
#include "backward.h"
#include "slot.h"

#include <string.h>

/* Samples from n on as floats: where they lie, or copies, of which dx is then to be stored. */
struct samples {
    const float *x, *dy;
    float *dx; /* NULL: not wanted */
    int64_t n, samples;
    struct gn_buffers buffers;
};

static struct samples open_samples(const struct gn_backward_call *call, int64_t n, int64_t samples,
                                   void *work)
{
    const gn_plan *plan = call->plan;
    struct samples s = {.n = n, .samples = samples};
    gn_buffers_of(plan, work, &s.buffers);
    s.x = gn_read_points(plan, call->x_view, call->x, n, samples, s.buffers.x, &s.buffers);
    s.dy = gn_read_points(plan, &plan->views[GN_TENSOR_DY], call->dy, n, samples, s.buffers.dy,
                          &s.buffers);
    s.dx = call->dx ? gn_points_out(call->dx_view, call->dx, n, s.buffers.out) : NULL;
    return s;
}

static void close_samples(const struct gn_backward_call *call, const struct samples *s)
{
    if (call->dx)
        gn_store_points(call->plan, call->dx_view, call->dx, s->n, s->samples, s->dx, &s->buffers);
}

/* The moments of a sample's groups, where rounding took something from their statistics. */
static void find_moments(const struct gn_backward_call *call, const struct gn_backward_slot *slot,
                         const float *x, int64_t n, int64_t first)
{
    const gn_plan *plan = call->plan;
    if (gn_rounding_matters(call, n * plan->G, plan->G))
        gn_moments_of_points(plan, x, plan->G, gn_moments_from(slot->moments, first));
}

void gn_reduce_backward_points(const struct gn_job *job, const struct gn_batch *batch, int64_t tile,
                               void *memory, void *work)
{
    (void)tile;
    const struct gn_backward_call *call = job->call;
    const gn_plan *plan = call->plan;
    struct gn_buffers buffers;
    gn_buffers_of(plan, work, &buffers);
    for (int64_t i = 0; i < batch->items; i++) {
        struct gn_run run;
        gn_backward_run_at(plan, batch, i * plan->G, batch->items * plan->G, &run);
        find_moments(call, memory,
                     gn_read_points(plan, call->x_view, call->x, run.n, 1, buffers.x, &buffers),
                     run.n, run.first);
    }
}

/* `groups` groups of sample i from g on, which are those from `group` on of the slot. */
static void apply_groups(const struct gn_backward_call *call, const struct gn_backward_slot *slot,
                         const struct samples *s, int64_t i, int64_t group, int64_t g,
                         int64_t groups)
{
    const gn_plan *plan = call->plan;
    int64_t c = g * plan->D, start = i * plan->C + c;
    int64_t parameter = gn_parameter(plan, s->n + i, c);
    if (!slot->narrow[group]) {
        struct gn_tile tile = {.axis = GN_COLUMNS,
                               .channels = plan->D,
                               .length = 1,
                               .depth = plan->D,
                               .x = {.data = (float *)(uintptr_t)s->x + start},
                               .dy = {.data = (float *)(uintptr_t)s->dy + start},
                               .out = {.data = s->dx + start}};
        struct gn_coefficients with = {.use_f32 = slot->narrow + group,
                                       .of = gn_statistics_from(slot->of, group),
                                       .group_slope = slot->slope + group,
                                       .group_offset = slot->offset + group,
                                       .parameters = &call->parameters,
                                       .group = parameter / plan->D};
        plan->kernels->gradient_apply(&tile, &with);
        return;
    }
    struct gn_points points = {.x = s->x + start,
                               .dy = s->dy + start,
                               .out = s->dx + start,
                               .groups = groups,
                               .depth = plan->D,
                               .gamma = gn_parameters_at(plan, call->parameters.gamma, parameter)};
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
                              const void *memory, void *work)
{
    (void)tile;
    const struct gn_backward_call *call = job->call;
    const gn_plan *plan = call->plan;
    const struct gn_backward_slot *slot = memory;
    int64_t G = plan->G;
    for (int64_t i = 0; i < batch->items; i++) {
        struct gn_run run;
        gn_backward_run_at(plan, batch, i * G, batch->items * G, &run);
        struct samples s = open_samples(call, run.n, 1, work);
        for (int64_t g = 0, end; g < G; g = end) {
            end = slot->narrow[i * G + g] ? gn_run_of(slot->narrow + i * G, g, G) : g + 1;
            apply_groups(call, slot, &s, 0, i * G + g, g, end - g);
        }
        close_samples(call, &s);
    }
}

/* Group i of the slot, which is one of the samples'. */
static void mend_group(const struct gn_job *job, const struct gn_backward_slot *slot,
                       const struct samples *s, int64_t i, int64_t block)
{
    const struct gn_backward_call *call = job->call;
    const gn_plan *plan = call->plan;
    int64_t G = plan->G;
    struct gn_run run = {.first = i,
                         .groups = 1,
                         .n = s->n + i / G,
                         .g = i % G,
                         .block = block,
                         .x = s->x + i * plan->D,
                         .dy = s->dy + i * plan->D};
    if (gn_rounding_matters(call, s->n * G + i, 1))
        gn_moments_of_points(plan, run.x, 1, gn_moments_from(slot->moments, i));
    gn_finish_backward_run(job, slot, &run, true);
    if (call->dx)
        apply_groups(call, slot, s, i / G, i, run.g, 1);
}

/* A sample whose parameters do not fit. */
static void backward_sample(const struct gn_job *job, const struct gn_backward_slot *slot,
                            const struct samples *s, int64_t block)
{
    const struct gn_backward_call *call = job->call;
    struct gn_run run = {
        .groups = call->plan->G, .n = s->n, .block = block, .x = s->x, .dy = s->dy};
    find_moments(call, slot, s->x, s->n, 0);
    gn_finish_backward_run(job, slot, &run, false);
    for (int64_t g = 0; call->dx && g < run.groups; g++)
        apply_groups(call, slot, s, 0, g, g, 1);
}

/* Samples that have the same parameters, and these fit. */
static void backward_samples(const struct gn_job *job, const struct gn_backward_slot *slot,
                             const struct samples *s, int64_t block)
{
    const struct gn_backward_call *call = job->call;
    const gn_plan *plan = call->plan;
    int64_t C = plan->C, G = plan->G;
    double *sums = gn_parameter_sums(job, block, 0);
    bool *done = slot->narrow; /* of a group that is not done, it is in its place again below */
    struct gn_tiny tiny = {
        .x = s->x,
        .dy = s->dy,
        .out = s->dx,
        .samples = s->samples,
        .groups = G,
        .depth = plan->D,
        .gamma = gn_parameters_at(plan, call->parameters.gamma, gn_parameter(plan, s->n, 0)),
        .dgamma = sums,
        .dbeta = sums ? sums + C : NULL};
    if (plan->kernels->gradient_tiny(&tiny, gn_at(call->mean, GN_F32, s->n * G),
                                     gn_at(call->rstd, GN_F32, s->n * G), done))
        return;
    for (int64_t i = 0; i < s->samples * G; i++)
        if (!done[i])
            mend_group(job, slot, s, i, block);
}

void gn_backward_tiny(const struct gn_job *job, const struct gn_batch *batch, int64_t tile,
                      void *memory, void *work)
{
    (void)tile;
    const struct gn_backward_call *call = job->call;
    const gn_plan *plan = call->plan;
    const struct gn_partition *parts = &plan->parts;
    int64_t most = plan->by_sample ? 1 : parts->tiny;
    for (int64_t block = batch->item; block < batch->item + batch->items; block++) {
        int64_t n = block * parts->block_samples, end = n + parts->block_samples;
        if (end > plan->N)
            end = plan->N;
        for (int64_t i = n; i < end; i += most) {
            struct samples s = open_samples(call, i, end - i < most ? end - i : most, work);
            if (i == n || plan->by_sample)
                gn_clear_parameters(job, block, 0, plan->C);
            if (gn_points_fit(plan, call->points_fit, call->parameters.gamma, NULL, i)) {
                backward_samples(job, memory, &s, block);
            } else {
                s.samples = 1;
                backward_sample(job, memory, &s, block);
            }
            close_samples(call, &s);
            if (plan->by_sample)
                gn_store_parameters(job, block, i, 0, plan->C);
        }
    }
}
