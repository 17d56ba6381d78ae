/* SPDX-License-Identifier: MIT */
/*
 * The forward pass as a job of two phases: moments, normalize. An item is a group in channels
 * first, a sample in channels last.
 */
#include "norm/forward.h"

#include <math.h>
#include <string.h>

#include "norm/skip.h"
#include "norm/small.h"
#include "norm/tile_moments.h"

static void find_moments_of(const struct gn_place *place, int64_t tile, int64_t count)
{
    const struct gn_forward_call *call = place->job->call;
    const gn_plan *plan = call->plan;
    for (int64_t i = 0; i < gn_batch_samples(plan, place->batch); i++) {
        struct gn_work_tile t;
        gn_open_tile(plan, place, i, tile, count, &t);
        struct gn_tile k;
        gn_kernel_tile(plan, &t, plan->forward_beyond_llc, &k);
        if (call->skip)
            gn_add_skip(call, &t.region, &t.buffers, &k.x);
        else
            gn_read_region(call->source_view, call->source, &t.region, t.buffers.x, &k.x);
        gn_find_tile_moments(plan, place->workspace, &t, &k);
    }
}

static void find_moments(const struct gn_place *place, int64_t first, int64_t end)
{
    const struct gn_forward_call *call = place->job->call;
    /* With a skip, the moments of each tile follow while its sums are in the cache. */
    int64_t most = call->source_view->direct && !call->skip ? GN_MOMENTS_SEQUENCE : 1;
    for (int64_t tile = first, count; tile < end; tile += count) {
        count = gn_sequence_from(call->plan, tile, end, most);
        find_moments_of(place, tile, count);
    }
}

static void store_statistics(const struct gn_forward_call *call, const struct gn_workspace *ws,
                             const struct gn_group_range *range)
{
    gn_type type = call->plan->stored;
    int64_t index = gn_group_index(call->plan, range);
    gn_put_doubles(call->mean, type, index, range->groups, ws->statistics.mean + range->first);
    gn_put_doubles(call->rstd, type, index, range->groups, ws->statistics.rstd + range->first);
}

/* Computes or loads the statistics of a range of groups, which may belong to several samples. */
static void find_statistics(const struct gn_forward_call *call, const struct gn_workspace *ws,
                            const struct gn_group_range *range)
{
    const gn_plan *plan = call->plan;
    struct gn_statistics out = gn_statistics_from(ws->statistics, range->first);
    int64_t index = gn_group_index(plan, range);
    if (call->given_mean) {
        struct gn_stored given = {range->groups, gn_at(call->given_mean, plan->stored, index),
                                  gn_at(call->given_rstd, plan->stored, index), plan->stored};
        plan->kernels->load_statistics(given, NULL, out);
        return;
    }
    gn_find_statistics(plan, ws, range->first, range->groups, out);
    store_statistics(call, ws, range);
}

static void find_coefficients(const struct gn_place *place, int64_t first_unit, int64_t last_unit)
{
    const struct gn_forward_call *call = place->job->call;
    const gn_plan *plan = call->plan;
    const struct gn_workspace *ws = place->workspace;
    struct gn_coefficients coefficients;
    int64_t first, end;
    gn_groups_of_units(plan, place, first_unit, last_unit, &first, &end);
    if (first == end)
        return;
    struct gn_group_range range;
    /* One range for all: statistics follow each other across samples, and parameters repeat. */
    gn_range_at(plan, place, first, end, &range);
    range.groups = end - first;
    find_statistics(call, ws, &range);
    if (plan->is_f64) {
        memset(ws->coefficients.use_f32 + first, false, (size_t)(end - first));
        return;
    }
    gn_coefficients_at(plan, ws, &call->parameters, &range, &coefficients);
    plan->kernels->forward_coefficients(end - first, &coefficients);
}

static void normalize_tiles(const struct gn_place *place, int64_t tile, int64_t count)
{
    const struct gn_forward_call *call = place->job->call;
    const gn_plan *plan = call->plan;
    const struct gn_view *y_view = &plan->views[GN_TENSOR_Y];
    const struct gn_view *views[] = {call->source_view, y_view};
    for (int64_t i = 0; i < gn_batch_samples(plan, place->batch); i++) {
        struct gn_work_tile t;
        struct gn_coefficients coefficients;
        gn_open_tile(plan, place, i, tile, count, &t);
        if (plan->parts.axis == GN_AXIS_ROWS)
            t.region.contiguous_len = gn_shared_contiguous_len(plan->S, views, 2);
        struct gn_tile k;
        gn_kernel_tile(plan, &t, plan->forward_beyond_llc, &k);
        k.nontemporal = call->nontemporal;
        gn_read_region(call->source_view, call->source, &t.region, t.buffers.x, &k.x);
        gn_operand_at(y_view, call->y, &t.region, t.buffers.out, &k.out);
        gn_tile_coefficients(plan, place->workspace, &call->parameters, &t, &coefficients);
        plan->kernels->normalize(&k, &coefficients);
        gn_unpack(y_view, call->y, &t.region, &k.out);
    }
}

/* The last tile first: its x was read last, and is still in the cache. */
static void normalize(const struct gn_place *place, int64_t first, int64_t end)
{
    const struct gn_forward_call *call = place->job->call;
    const gn_plan *plan = call->plan;
    bool direct = call->source_view->direct && plan->views[GN_TENSOR_Y].direct;
    for (int64_t tile = end, count; tile > first; tile -= count) {
        count = gn_sequence_before(plan, first, tile, direct ? GN_PASS_SEQUENCE : 1);
        normalize_tiles(place, tile - count, count);
    }
}

static void open_workspace(const struct gn_job *job, void *workspace)
{
    const struct gn_forward_call *call = job->call;
    gn_open_workspace(call->plan, false, 0, workspace);
}

/*
 * Whether samples follow each other without a gap in all tensors of the call. Only then may a batch
 * contain groups of several samples.
 */
static bool is_dense(const struct gn_forward_call *call)
{
    const struct gn_view *views = call->plan->views;
    bool dense = call->source_view->dense && views[GN_TENSOR_Y].dense;
    if (call->skip)
        dense &= views[GN_TENSOR_X].dense &&
                 (call->plan->desc.skip != GN_SKIP_TENSOR || views[GN_TENSOR_SKIP].dense);
    return dense;
}

static struct gn_job forward_job(const gn_plan *plan)
{
    bool columns = plan->parts.axis == GN_AXIS_COLUMNS;
    return (struct gn_job){.phases = {{find_moments, find_coefficients}, {normalize, NULL}},
                           .phase_count = 2,
                           .items = columns ? plan->N : plan->N * plan->G,
                           .tiles = plan->parts.tiles,
                           .units = columns ? (plan->G + GN_UNIT - 1) / GN_UNIT : 1,
                           .most_items = plan->parts.most_items,
                           .items_per_block = columns ? 1 : plan->G,
                           .block_samples = 1,
                           .samples = plan->N,
                           .open = open_workspace,
                           .workspace_bytes = gn_workspace_bytes(plan, false, 0),
                           .buffer_bytes = gn_buffers_bytes(plan, false)};
}

int64_t gn_forward_scratch(const gn_plan *plan)
{
    if (plan->elements == 0)
        return 0;
    struct gn_job job = forward_job(plan);
    return gn_run_bytes(&plan->runner, &job);
}

static void store_nan(const struct gn_forward_call *call)
{
    const gn_plan *plan = call->plan;
    for (int64_t group = 0; group < plan->N * plan->G; group++) {
        if (call->mean)
            gn_put_double(call->mean, plan->stored, group, (double)NAN);
        if (call->rstd)
            gn_put_double(call->rstd, plan->stored, group, (double)NAN);
    }
}

gn_status gn_forward_run(const struct gn_forward_call *call)
{
    const gn_plan *plan = call->plan;
    if (plan->elements == 0) {
        store_nan(call);
        return GN_OK;
    }
    struct gn_job job = forward_job(plan);
    job.call = call;
    job.kind = GN_JOB_FORWARD;
    if (plan->parts.axis == GN_AXIS_ROWS && !is_dense(call))
        job.within = plan->G;
    if (call->given_mean) {
        job.kind = GN_JOB_NORMALIZE;
        job.phases[0].tiles = NULL;
    } else if (plan->parts.small) {
        job.phases[0] = (struct gn_phase){gn_forward_small, NULL};
        job.phase_count = 1;
        job.most_items = plan->parts.small_batch;
    }
    return gn_run(&plan->runner, &job);
}
