/* SPDX-License-Identifier: MIT */
#include "forward.h"

#include <math.h>
#include <string.h>

#include "slot.h"
#include "small.h"

/* The moments of the first set come last: those of the others follow. */
static int64_t carve_slot(const gn_plan *plan, char *memory, struct gn_forward_slot *slot)
{
    int64_t groups = plan->parts.batch_groups, channels = groups * plan->D;
    int64_t at = gn_round_up((int64_t)sizeof *slot);
    slot->of = gn_carve_statistics(memory, &at, groups);
    slot->mean = gn_carve(memory, &at, channels, sizeof(float));
    slot->scale = gn_carve(memory, &at, channels, sizeof(float));
    slot->shift = gn_carve(memory, &at, channels, sizeof(float));
    slot->narrow = gn_carve(memory, &at, groups, sizeof(bool));
    int64_t one = at;
    slot->moments = gn_carve_moments(memory, &at, groups);
    slot->set = (at - one) / (int64_t)sizeof(double);
    return one + plan->parts.moments * (at - one);
}

/* A slot begins with where all the rest of it is. */
static void open_slot(const struct gn_job *job, void *memory)
{
    const struct gn_forward_call *call = job->call;
    carve_slot(call->plan, memory, memory);
}

static int64_t slot_bytes(const gn_plan *plan)
{
    struct gn_forward_slot slot;
    return carve_slot(plan, NULL, &slot);
}

/* The numbers of groups from one of the slot on, which is number `index` of all samples'. */
static void coefficients_from(const struct gn_forward_call *call,
                              const struct gn_forward_slot *slot, int64_t group, int64_t index,
                              struct gn_coefficients *with)
{
    const gn_plan *plan = call->plan;
    int64_t c = group * plan->D;
    *with = (struct gn_coefficients){
        .mean = slot->mean + c,
        .scale = slot->scale + c,
        .shift = slot->shift + c,
        .use_f32 = slot->narrow + group,
        .of = gn_statistics_from(slot->of, group),
        .parameters = &call->parameters,
        .group = plan->by_sample ? index : index % plan->G,
    };
}

void gn_forward_coefficients_at(const struct gn_forward_call *call,
                                const struct gn_forward_slot *slot, const struct gn_batch_tile *t,
                                struct gn_coefficients *with)
{
    coefficients_from(call, slot, t->group, gn_group_index(call->plan, t), with);
    with->channel = t->shape.channel % call->plan->D;
    with->mean += with->channel;
    with->scale += with->channel;
    with->shift += with->channel;
}

static void store_statistics(const struct gn_forward_call *call, const struct gn_forward_slot *slot,
                             int64_t index, int64_t first, int64_t end)
{
    gn_type type = call->plan->stored;
    for (int64_t i = first; call->mean && i < end; i++)
        gn_put_double(call->mean, type, index + i, slot->of.mean[i]);
    for (int64_t i = first; call->rstd && i < end; i++)
        gn_put_double(call->rstd, type, index + i, slot->of.rstd[i]);
}

static void find_statistics(const struct gn_forward_call *call, const struct gn_forward_slot *slot,
                            int64_t index, int64_t first, int64_t end)
{
    if (call->given_mean) {
        gn_type type = call->plan->stored;
        struct gn_stored stored = {end - first, gn_at(call->given_mean, type, index + first),
                                   gn_at(call->given_rstd, type, index + first), type};
        call->plan->kernels->load_statistics(stored, NULL, gn_statistics_from(slot->of, first));
        return;
    }
    gn_finish_moments(call->plan, gn_moments_from(slot->moments, first), slot->set, end - first,
                      gn_statistics_from(slot->of, first));
    store_statistics(call, slot, index, first, end);
}

/*
 * Floats do not do for given means that are so large that x - mean can overflow: those found are
 * never that far from x. 2^102 is less than half of the distance of the largest float to the next
 * power of two: it is rounded away.
 */
static void limit_given(const struct gn_forward_slot *slot, int64_t first, int64_t end)
{
    for (int64_t i = first; i < end; i++)
        slot->narrow[i] &= fabs(slot->of.mean[i]) <= 0x1p102;
}

static void finish_forward(const struct gn_job *job, const struct gn_batch *batch, void *memory,
                           int64_t first_unit, int64_t last_unit, void *work)
{
    (void)work;
    const struct gn_forward_call *call = job->call;
    const gn_plan *plan = call->plan;
    const struct gn_forward_slot *slot = memory;
    int64_t groups = batch->items * (plan->parts.columns ? plan->G : 1);
    int64_t index = batch->item * (plan->parts.columns ? plan->G : 1);
    int64_t first = first_unit * GN_UNIT, end = last_unit * GN_UNIT;
    if (end > groups || last_unit == job->units)
        end = groups;
    if (first >= end)
        return;
    find_statistics(call, slot, index, first, end);
    if (plan->wide) {
        memset(slot->narrow + first, false, (size_t)(end - first));
        return;
    }
    struct gn_coefficients with;
    coefficients_from(call, slot, first, index + first, &with);
    plan->kernels->forward_coefficients(end - first, &with);
    if (call->given_mean)
        limit_given(slot, first, end);
}

/* Whether samples follow on each other in all tensors of the call. */
static bool is_dense(const struct gn_forward_call *call)
{
    const struct gn_view *views = call->plan->views;
    bool dense = call->source_view->dense && views[GN_TENSOR_Y].dense;
    if (call->skip)
        dense &= views[GN_TENSOR_X].dense &&
                 (call->plan->desc.skip != GN_SKIP_TENSOR || views[GN_TENSOR_SKIP].dense);
    return dense;
}

/* Groups of several samples, but where the samples do not follow on each other. */
static int64_t batch_of_any(const struct gn_job *job, int64_t item, int64_t limit)
{
    const struct gn_forward_call *call = job->call;
    const gn_plan *plan = call->plan;
    int64_t items = limit < plan->parts.batch ? limit : plan->parts.batch;
    int64_t left = plan->G - item % plan->G;
    return plan->parts.columns || items < left || is_dense(call) ? items : left;
}

static struct gn_job forward_job(const gn_plan *plan)
{
    bool columns = plan->parts.columns;
    return (struct gn_job){
        .items = columns ? plan->N : plan->N * plan->G,
        .most = plan->parts.batch,
        .tiles = plan->parts.tiles,
        .units = columns ? (plan->G + GN_UNIT - 1) / GN_UNIT : 1,
        .open = open_slot,
        .batch = batch_of_any,
        .reduce = gn_reduce_forward,
        .finish = finish_forward,
        .apply = gn_apply_forward,
        .slot_bytes = slot_bytes(plan),
        .work_bytes =
            gn_buffers_bytes(plan) +
            (columns ? gn_round_up(gn_columns_scratch_bytes(plan->parts.tile_channels, false))
                     : 0)};
}

int64_t gn_forward_scratch(const gn_plan *plan)
{
    if (plan->elements == 0)
        return 0;
    struct gn_job job = forward_job(plan);
    return gn_run_bytes(plan, &job);
}

gn_status gn_forward_run(struct gn_forward_call *call)
{
    const gn_plan *plan = call->plan;
    if (plan->elements == 0) {
        for (int64_t group = 0; group < plan->N * plan->G; group++) {
            if (call->mean)
                gn_put_double(call->mean, plan->stored, group, (double)NAN);
            if (call->rstd)
                gn_put_double(call->rstd, plan->stored, group, (double)NAN);
        }
        return GN_OK;
    }
    struct gn_job job = forward_job(plan);
    job.call = call;
    if (call->given_mean) {
        job.reduce = NULL;
    } else if (plan->parts.small) {
        job.reduce = gn_forward_small;
        job.finish = NULL;
        job.apply = NULL;
    }
    return gn_run(plan, &job);
}
