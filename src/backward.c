/* SPDX-License-Identifier: MIT */
#include "backward.h"

#include <string.h>

#include "slot.h"
#include "small.h"

static int64_t carve_slot(const gn_plan *plan, char *memory, struct gn_backward_slot *slot)
{
    /* Small groups need nothing here. */
    int64_t groups = plan->parts.small ? 0 : plan->parts.batch_groups, channels = groups * plan->D;
    int64_t at = gn_round_up((int64_t)sizeof *slot);
    slot->of = gn_carve_statistics(memory, &at, groups);
    slot->found = gn_carve_statistics(memory, &at, groups);
    slot->slope = gn_carve(memory, &at, groups, sizeof(double));
    slot->offset = gn_carve(memory, &at, groups, sizeof(double));
    slot->narrow = gn_carve(memory, &at, groups, sizeof(bool));
    slot->mean = gn_carve(memory, &at, channels, sizeof(float));
    slot->scale = gn_carve(memory, &at, channels, sizeof(float));
    slot->shift = gn_carve(memory, &at, channels, sizeof(float));
    slot->slopes = gn_carve(memory, &at, channels, sizeof(float));
    slot->offsets = gn_carve(memory, &at, channels, sizeof(float));
    int64_t one = at;
    slot->dy = gn_carve(memory, &at, channels, sizeof(double));
    slot->dyx = gn_carve(memory, &at, channels, sizeof(double));
    slot->hard = gn_carve(memory, &at, channels, sizeof(double));
    slot->of_channels = gn_carve_moments(memory, &at, channels);
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

void gn_backward_coefficients_from(const struct gn_backward_call *call,
                                   const struct gn_backward_slot *slot, int64_t group,
                                   int64_t index, struct gn_coefficients *with)
{
    const gn_plan *plan = call->plan;
    int64_t c = group * plan->D;
    *with = (struct gn_coefficients){
        .mean = slot->mean + c,
        .scale = slot->scale + c,
        .shift = slot->shift + c,
        .slope = slot->slopes + c,
        .offset = slot->offsets + c,
        .use_f32 = slot->narrow + group,
        .of = gn_statistics_from(slot->of, group),
        .group_slope = slot->slope + group,
        .group_offset = slot->offset + group,
        .parameters = &call->parameters,
        .group = plan->by_sample ? index : index % plan->G,
    };
}

void gn_backward_coefficients_at(const struct gn_backward_call *call,
                                 const struct gn_backward_slot *slot, const struct gn_batch_tile *t,
                                 struct gn_coefficients *with)
{
    int64_t c = t->shape.channel % call->plan->D;
    gn_backward_coefficients_from(call, slot, t->group, gn_group_index(call->plan, t), with);
    with->channel = c;
    with->mean += c;
    with->scale += c;
    with->shift += c;
    with->slope += c;
    with->offset += c;
}

double *gn_parameter_sums(const struct gn_job *job, int64_t block, int64_t c)
{
    const struct gn_backward_call *call = job->call;
    return job->left ? (double *)job->left + block * 2 * call->plan->C + c : NULL;
}

void gn_clear_parameters(const struct gn_job *job, int64_t block, int64_t c, int64_t channels)
{
    const struct gn_backward_call *call = job->call;
    double *sums = gn_parameter_sums(job, block, c);
    if (!sums)
        return;
    memset(sums, 0, (size_t)channels * sizeof *sums);
    memset(sums + call->plan->C, 0, (size_t)channels * sizeof *sums);
}

void gn_store_parameters(const struct gn_job *job, int64_t block, int64_t n, int64_t c,
                         int64_t channels)
{
    const struct gn_backward_call *call = job->call;
    const double *dgamma = gn_parameter_sums(job, block, c);
    if (!dgamma)
        return;
    const double *dbeta = dgamma + call->plan->C;
    int64_t to = gn_parameter(call->plan, n, c);
    gn_type type = call->plan->desc.param;
    for (int64_t i = 0; call->dgamma && i < channels; i++)
        gn_put_double(call->dgamma, type, to + i, dgamma[i]);
    for (int64_t i = 0; call->dbeta && i < channels; i++)
        gn_put_double(call->dbeta, type, to + i, dbeta[i]);
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
    gn_store_parameters(job, 0, 0, first, last - first);
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

int64_t gn_kept_bytes(const gn_plan *plan)
{
    const struct gn_partition *p = &plan->parts;
    if (!plan->activates || plan->wide || p->tiles > 1)
        return 0;
    int64_t item = p->columns ? plan->C * plan->S : plan->D * plan->S;
    return gn_round_up(p->batch * item * (int64_t)sizeof(float));
}

static int64_t other_work(const gn_plan *plan)
{
    int64_t scratch = gn_columns_scratch_bytes(plan->parts.tile_channels, plan->activates);
    return gn_buffers_bytes(plan) + (plan->parts.columns ? gn_round_up(scratch) : 0);
}

float *gn_kept(const gn_plan *plan, void *work)
{
    return (float *)(void *)((char *)work + other_work(plan));
}

static struct gn_job backward_job(const gn_plan *plan)
{
    bool columns = plan->parts.columns;
    bool prepares = plan->wide || plan->activates;
    int64_t sums = plan->parts.blocks * 2 * plan->C * (int64_t)sizeof(double);
    return (struct gn_job){.items = plan->parts.blocks * (columns ? 1 : plan->G),
                           .most = plan->parts.batch,
                           .tiles = plan->parts.tiles,
                           .units = columns ? (plan->G + GN_UNIT - 1) / GN_UNIT : 1,
                           .collects = plan->by_sample ? 0 : plan->C,
                           .open = open_slot,
                           .batch = batch_of_equals,
                           .steps = block_steps,
                           .prepare = prepares ? gn_prepare_backward : NULL,
                           .prepared = prepares ? gn_prepared_backward : NULL,
                           .reduce = gn_reduce_backward,
                           .finish = gn_finish_backward,
                           .apply = gn_apply_backward,
                           .collect = collect_parameters,
                           .slot_bytes = slot_bytes(plan),
                           .work_bytes = other_work(plan) + gn_kept_bytes(plan),
                           .left_bytes = gn_round_up(sums)};
}

int64_t gn_backward_scratch(const gn_plan *plan)
{
    if (plan->elements == 0)
        return 0;
    struct gn_job job = backward_job(plan);
    return gn_run_bytes(plan, &job);
}

gn_status gn_backward_run(struct gn_backward_call *call)
{
    const gn_plan *plan = call->plan;
    if (plan->elements == 0) {
        size_t bytes = (size_t)(plan->parameters * gn_size(plan->desc.param));
        if (call->dgamma)
            memset(call->dgamma, 0, bytes);
        if (call->dbeta)
            memset(call->dbeta, 0, bytes);
        if (call->dskip)
            memset(call->dskip, 0, (size_t)(plan->N * plan->C * gn_size(plan->desc.x)));
        return GN_OK;
    }
    struct gn_job job = backward_job(plan);
    job.call = call;
    if (!call->dx)
        job.apply = NULL;
    if (plan->parts.small) {
        job.steps = NULL;
        job.reduce = gn_backward_small;
        job.finish = NULL;
        job.apply = NULL;
    }
    if (!call->dgamma && !call->dbeta) {
        job.collects = 0;
        job.left_bytes = 0;
    }
    return gn_run(plan, &job);
}
