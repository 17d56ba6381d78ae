/* SPDX-License-Identifier: MIT */
/* The forward pass over points: an item is a sample, and all groups lie one after the other. */
#include "forward.h"
#include "slot.h"

void gn_reduce_forward_points(const struct gn_job *job, const struct gn_batch *batch, int64_t tile,
                              void *memory, void *work)
{
    (void)tile;
    (void)work;
    const struct gn_forward_call *call = job->call;
    const gn_plan *plan = call->plan;
    const struct gn_forward_slot *slot = memory;
    plan->kernels->moments_rows(call->x + batch->item * plan->C, plan->D, batch->items * plan->G,
                                plan->floor, slot->moments);
}

/* `groups` groups of a sample from g on, which are those from `group` on of the slot. */
static void apply_groups(const struct gn_forward_call *call, const struct gn_forward_slot *slot,
                         int64_t sample, int64_t group, int64_t g, int64_t groups)
{
    const gn_plan *plan = call->plan;
    int64_t c = g * plan->D, start = sample * plan->C + c;
    int64_t parameter = gn_parameter(plan, sample, c);
    if (!slot->narrow[group]) {
        struct gn_columns columns = {.x = call->x + start,
                                     .out = call->y + start,
                                     .pixels = 1,
                                     .channels = plan->D,
                                     .stride = plan->C};
        gn_apply_wide_forward_columns(call, slot, group, parameter, columns);
        return;
    }
    struct gn_points points = {.x = call->x + start,
                               .out = call->y + start,
                               .groups = groups,
                               .depth = plan->D,
                               .gamma = call->gamma ? call->gamma + parameter : NULL,
                               .beta = call->beta ? call->beta + parameter : NULL};
    if (plan->D < GN_SPREAD_BELOW) {
        points.mean = slot->mean + group * plan->D;
        points.rstd = slot->scale + group * plan->D;
        points.low = slot->shift + group * plan->D;
    }
    plan->kernels->normalize_points(&points, gn_statistics_from(slot->of, group));
}

void gn_apply_forward_points(const struct gn_job *job, const struct gn_batch *batch, int64_t tile,
                             const void *memory)
{
    (void)tile;
    const struct gn_forward_call *call = job->call;
    const struct gn_forward_slot *slot = memory;
    int64_t G = call->plan->G;
    for (int64_t i = 0; i < batch->items; i++) {
        for (int64_t g = 0, end; g < G; g = end) {
            end = slot->narrow[i * G + g] ? gn_run_of(slot->narrow + i * G, g, G) : g + 1;
            apply_groups(call, slot, batch->item + i, i * G + g, g, end - g);
        }
    }
}

/* Samples from n on, which have the same parameters, and these fit. */
static void forward_samples(const struct gn_forward_call *call, const struct gn_forward_slot *slot,
                            int64_t n, int64_t samples)
{
    const gn_plan *plan = call->plan;
    int64_t G = plan->G, index = n * G, parameter = gn_parameter(plan, n, 0);
    bool *done = slot->narrow; /* of a group that is not done, it is in its place again below */
    struct gn_tiny tiny = {.x = call->x + index * plan->D,
                           .out = call->y + index * plan->D,
                           .samples = samples,
                           .groups = G,
                           .depth = plan->D,
                           .gamma = call->gamma ? call->gamma + parameter : NULL,
                           .beta = call->beta ? call->beta + parameter : NULL};
    if (plan->kernels->normalize_tiny(&tiny, plan->desc.epsilon, plan->floor,
                                      call->mean ? call->mean + index : NULL,
                                      call->rstd ? call->rstd + index : NULL, done))
        return;
    for (int64_t i = 0; i < samples * G; i++) {
        if (done[i])
            continue;
        plan->kernels->moments_rows(tiny.x + i * plan->D, plan->D, 1, plan->floor,
                                    gn_moments_from(slot->moments, i));
        gn_finish_forward_points(call, slot, index, i, i + 1, true);
        apply_groups(call, slot, n + i / G, i, i % G, 1);
    }
}

void gn_forward_tiny(const struct gn_job *job, const struct gn_batch *batch, int64_t tile,
                     void *memory, void *work)
{
    const struct gn_forward_call *call = job->call;
    const gn_plan *plan = call->plan;
    int64_t end = batch->item + batch->items, most = plan->by_sample ? 1 : batch->items;
    for (int64_t n = batch->item; n < end; n += most) {
        if (gn_points_fit(plan, call->points_fit, call->gamma, call->beta, n)) {
            forward_samples(call, memory, n, most);
            continue;
        }
        struct gn_batch one = {n, 1, 0};
        gn_reduce_forward_points(job, &one, tile, memory, work);
        gn_finish_forward_points(call, memory, n * plan->G, 0, plan->G, false);
        gn_apply_forward_points(job, &one, tile, memory);
    }
}
