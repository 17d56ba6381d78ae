/* SPDX-License-Identifier: MIT */
/* The forward pass over points: an item is a sample, and all groups lie one after the other. */
#include "forward.h"
#include "slot.h"

/* Samples from n on as floats: where they lie, or copies, of which y is then to be stored. */
struct samples {
    const float *x;
    float *y;
    int64_t n, samples;
    struct gn_buffers buffers;
};

static struct samples open_samples(const struct gn_forward_call *call, int64_t n, int64_t samples,
                                   void *work)
{
    const gn_plan *plan = call->plan;
    struct samples s = {.n = n, .samples = samples};
    gn_buffers_of(plan, work, &s.buffers);
    s.x =
        gn_read_points(plan, call->source_view, call->source, n, samples, s.buffers.x, &s.buffers);
    s.y = gn_points_out(&plan->views[GN_TENSOR_Y], call->y, n, s.buffers.out);
    return s;
}

static void close_samples(const struct gn_forward_call *call, const struct samples *s)
{
    gn_store_points(call->plan, &call->plan->views[GN_TENSOR_Y], call->y, s->n, s->samples, s->y,
                    &s->buffers);
}

/* The sums of samples, to where they are normalized from. */
static void add_samples(const struct gn_forward_call *call, int64_t n, int64_t samples, void *work)
{
    struct gn_buffers buffers;
    gn_buffers_of(call->plan, work, &buffers);
    for (int64_t i = n; call->skip && i < n + samples; i++) {
        struct gn_region part = {.n = i, .channels = call->plan->C, .length = 1};
        struct gn_operand sum;
        gn_forward_source(call, &part, &buffers, true, &sum);
    }
}

void gn_reduce_forward_points(const struct gn_job *job, const struct gn_batch *batch, int64_t tile,
                              void *memory, void *work)
{
    (void)tile;
    const struct gn_forward_call *call = job->call;
    const gn_plan *plan = call->plan;
    const struct gn_forward_slot *slot = memory;
    add_samples(call, batch->item, batch->items, work);
    struct samples s = open_samples(call, batch->item, batch->items, work);
    gn_moments_of_points(plan, s.x, batch->items * plan->G, slot->moments);
}

/* `groups` groups of sample i from g on, which are those from `group` on of the slot. */
static void apply_groups(const struct gn_forward_call *call, const struct gn_forward_slot *slot,
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
                               .out = {.data = s->y + start}};
        struct gn_coefficients with = {.use_f32 = slot->narrow + group,
                                       .of = gn_statistics_from(slot->of, group),
                                       .parameters = &call->parameters,
                                       .group = parameter / plan->D};
        plan->kernels->normalize(&tile, &with);
        return;
    }
    struct gn_points points = {.x = s->x + start,
                               .out = s->y + start,
                               .groups = groups,
                               .depth = plan->D,
                               .gamma = gn_parameters_at(plan, call->parameters.gamma, parameter),
                               .beta = gn_parameters_at(plan, call->parameters.beta, parameter)};
    if (plan->D < GN_SPREAD_BELOW) {
        points.mean = slot->mean + group * plan->D;
        points.rstd = slot->scale + group * plan->D;
        points.low = slot->shift + group * plan->D;
    }
    plan->kernels->normalize_points(&points, gn_statistics_from(slot->of, group));
}

void gn_apply_forward_points(const struct gn_job *job, const struct gn_batch *batch, int64_t tile,
                             const void *memory, void *work)
{
    (void)tile;
    const struct gn_forward_call *call = job->call;
    const struct gn_forward_slot *slot = memory;
    struct samples s = open_samples(call, batch->item, batch->items, work);
    int64_t G = call->plan->G;
    for (int64_t i = 0; i < batch->items; i++) {
        for (int64_t g = 0, end; g < G; g = end) {
            end = slot->narrow[i * G + g] ? gn_run_of(slot->narrow + i * G, g, G) : g + 1;
            apply_groups(call, slot, &s, i, i * G + g, g, end - g);
        }
    }
    close_samples(call, &s);
}

/* Samples that have the same parameters, and these fit. */
static void forward_samples(const struct gn_forward_call *call, const struct gn_forward_slot *slot,
                            const struct samples *s)
{
    const gn_plan *plan = call->plan;
    int64_t G = plan->G, index = s->n * G, parameter = gn_parameter(plan, s->n, 0);
    bool *done = slot->narrow; /* of a group that is not done, it is in its place again below */
    struct gn_tiny tiny = {.x = s->x,
                           .out = s->y,
                           .samples = s->samples,
                           .groups = G,
                           .depth = plan->D,
                           .gamma = gn_parameters_at(plan, call->parameters.gamma, parameter),
                           .beta = gn_parameters_at(plan, call->parameters.beta, parameter)};
    if (plan->kernels->normalize_tiny(&tiny, plan->desc.epsilon, plan->floor,
                                      gn_out_at(call->mean, GN_F32, index),
                                      gn_out_at(call->rstd, GN_F32, index), done))
        return;
    for (int64_t i = 0; i < s->samples * G; i++) {
        if (done[i])
            continue;
        gn_moments_of_points(plan, tiny.x + i * plan->D, 1, gn_moments_from(slot->moments, i));
        gn_finish_forward_points(call, slot, index, i, i + 1, true);
        apply_groups(call, slot, s, i / G, i, i % G, 1);
    }
}

void gn_forward_tiny(const struct gn_job *job, const struct gn_batch *batch, int64_t tile,
                     void *memory, void *work)
{
    const struct gn_forward_call *call = job->call;
    const gn_plan *plan = call->plan;
    int64_t end = batch->item + batch->items, most = plan->by_sample ? 1 : batch->items;
    for (int64_t n = batch->item; n < end; n += most) {
        if (gn_points_fit(plan, call->points_fit, call->parameters.gamma, call->parameters.beta,
                          n)) {
            add_samples(call, n, most, work);
            struct samples s = open_samples(call, n, most, work);
            forward_samples(call, memory, &s);
            close_samples(call, &s);
            continue;
        }
        struct gn_batch one = {n, 1, 0};
        gn_reduce_forward_points(job, &one, tile, memory, work);
        gn_finish_forward_points(call, memory, n * plan->G, 0, plan->G, false);
        gn_apply_forward_points(job, &one, tile, memory, work);
    }
}
