/* SPDX-License-Identifier: MIT */
/*
 * Sums are about the stored mean, which is rounded to the type of the statistics. Where that
 * rounding matters, mean_lo = mean - stored is found again from x. If the stored mean is not the
 * mean of x, it is used as it is. An rstd that is infinite or subnormal is found again too.
 */
#include "norm/backward_phases.h"

#include <string.h>

#include "norm/backward.h"
#include "norm/parameter_sums.h"
#include "norm/skip.h"
#include "norm/tile_moments.h"

/*
 * With an activation the phase is also a barrier: threads may share a workspace, and none may save
 * the g of the next sample while another still reads that of the last one.
 */
bool gn_has_moments_phase(const gn_plan *plan)
{
    return plan->is_f64 || plan->activates;
}

static struct gn_stored stored_statistics(const struct gn_backward_call *call,
                                          const struct gn_group_range *range)
{
    int64_t index = gn_group_index(call->plan, range);
    gn_type type = call->plan->stored;
    return (struct gn_stored){range->groups, gn_at(call->mean, type, index),
                              gn_at(call->rstd, type, index), type};
}

static bool rounding_matters(const struct gn_backward_call *call, const struct gn_work_tile *t)
{
    const struct gn_statistics none = {NULL, NULL, NULL};
    return call->plan->kernels->load_statistics(stored_statistics(call, &t->range), NULL, none);
}

/* Whether tensors x, dy and, if it is wanted, dx may be processed in sequences of tiles. */
static bool all_direct(const struct gn_backward_call *call)
{
    return call->x_view->direct && call->plan->views[GN_TENSOR_DY].direct &&
           (!call->dx || call->dx_view->direct);
}

static void find_moments_of(const struct gn_place *place, int64_t tile, int64_t count)
{
    const struct gn_backward_call *call = place->job->call;
    const gn_plan *plan = call->plan;
    for (int64_t i = 0; i < gn_batch_samples(plan, place->batch); i++) {
        struct gn_work_tile t;
        gn_open_tile(plan, place, i, tile, count, &t);
        if (!rounding_matters(call, &t))
            continue;
        struct gn_tile k;
        gn_kernel_tile(plan, &t, plan->backward_beyond_llc, &k);
        gn_read_region(call->x_view, call->x, &t.region, t.buffers.x, &k.x);
        gn_find_tile_moments(plan, place->workspace, &t, &k);
    }
}

void gn_backward_moments_tiles(const struct gn_place *place, int64_t first, int64_t end)
{
    const struct gn_backward_call *call = place->job->call;
    int64_t most = call->x_view->direct ? GN_MOMENTS_SEQUENCE : 1;
    for (int64_t tile = first, count; tile < end; tile += count) {
        count = gn_sequence_from(call->plan, tile, end, most);
        find_moments_of(place, tile, count);
    }
}

/*
 * Loads the statistics of a range as stored and, where their rounding matters, finds what it took.
 */
static void load_statistics(const struct gn_backward_call *call, const struct gn_workspace *ws,
                            const struct gn_group_range *range)
{
    const struct gn_kernels *kernels = call->plan->kernels;
    struct gn_stored stored = stored_statistics(call, range);
    struct gn_statistics out = gn_statistics_from(ws->statistics, range->first);
    struct gn_statistics found = gn_statistics_from(ws->found, range->first);
    if (!kernels->load_statistics(stored, NULL, out))
        return;
    gn_find_statistics(call->plan, ws, range->first, range->groups, found);
    kernels->load_statistics(stored, &found, out);
}

void gn_backward_moments_groups(const struct gn_place *place, int64_t first_unit, int64_t last_unit)
{
    const struct gn_backward_call *call = place->job->call;
    const gn_plan *plan = call->plan;
    const struct gn_workspace *ws = place->workspace;
    int64_t first, end;
    gn_groups_of_units(plan, place, first_unit, last_unit, &first, &end);
    memset(ws->coefficients.use_f32 + first, !plan->is_f64, (size_t)(end - first));
    for (int64_t i = first; i < end;) {
        struct gn_group_range range;
        gn_range_at(plan, place, i, end, &range);
        struct gn_coefficients coefficients;
        load_statistics(call, ws, &range);
        gn_coefficients_at(plan, ws, &call->parameters, &range, &coefficients);
        if (!plan->is_f64)
            plan->kernels->forward_coefficients(range.groups, &coefficients);
        i += range.groups;
    }
}

/* The index of a tile's first element in saved_g, which has a batch's elements without gaps. */
static int64_t saved_at(const gn_plan *plan, const struct gn_work_tile *t)
{
    if (plan->parts.axis == GN_AXIS_COLUMNS)
        return t->first * plan->D * plan->S + t->region.s * plan->C + t->shape->channel;
    return t->channel * plan->S + t->region.s;
}

/* Sets the operands for dx of the tile, and for g until then. */
static void place_dx(const struct gn_backward_call *call, const struct gn_workspace *ws,
                     const struct gn_work_tile *t, struct gn_tile *k)
{
    const gn_plan *plan = call->plan;
    bool columns = plan->parts.axis == GN_AXIS_COLUMNS;
    gn_operand_at(call->dx_view, call->dx, &t->region, t->buffers.out, &k->out);
    switch (call->save_g) {
    case GN_SAVE_NOT:
        break;
    case GN_SAVE_IN_DX:
        k->saved_g = (struct gn_operand){
            .data = k->out.data, .type = GN_F32, .stride = columns ? k->out.stride : k->length};
        break;
    case GN_SAVE_IN_WORKSPACE:
        k->saved_g = (struct gn_operand){.data = ws->saved_g + saved_at(plan, t),
                                         .type = GN_F32,
                                         .stride = columns ? plan->C : k->length};
        break;
    }
}

static void sums_of_tile(const struct gn_place *place, const struct gn_work_tile *t)
{
    const struct gn_backward_call *call = place->job->call;
    const gn_plan *plan = call->plan;
    const struct gn_workspace *ws = place->workspace;
    const bool in_phase = !gn_has_moments_phase(plan);
    int64_t at = t->shape->sums * ws->sums_set + t->channel;
    struct gn_tile k;
    gn_kernel_tile(plan, t, plan->backward_beyond_llc, &k);
    struct gn_sums sums = gn_sums_from(ws->sums, at);
    struct gn_coefficients coefficients;
    gn_read_region(call->x_view, call->x, &t->region, t->buffers.x, &k.x);
    gn_read_region(&plan->views[GN_TENSOR_DY], call->dy, &t->region, t->buffers.dy, &k.dy);
    if (call->save_g != GN_SAVE_NOT)
        place_dx(call, ws, t, &k);
    gn_tile_coefficients(plan, ws, &call->parameters, t, &coefficients);
    if (in_phase) {
        coefficients.group_mean = stored_statistics(call, &t->range).mean;
        sums.needs_f64 = NULL;
    }
    plan->kernels->gradient_sums(&k, &coefficients, sums, t->buffers.scratch);
    if (in_phase && rounding_matters(call, t))
        gn_find_tile_moments(plan, ws, t, &k);
    if (call->dskip)
        gn_find_channel_moments(plan, t, &k, gn_moments_from(ws->x_moments, at));
}

void gn_backward_sums_tiles(const struct gn_place *place, int64_t first, int64_t end)
{
    const struct gn_backward_call *call = place->job->call;
    const gn_plan *plan = call->plan;
    /* The tiles of one row have sets of sums of their own. */
    int64_t most = plan->parts.sums == 1 && all_direct(call) ? GN_PASS_SEQUENCE : 1;
    for (int64_t tile = first, count; tile < end; tile += count) {
        count = gn_sequence_from(plan, tile, end, most);
        for (int64_t i = 0; i < gn_batch_samples(plan, place->batch); i++) {
            struct gn_work_tile t;
            gn_open_tile(plan, place, i, tile, count, &t);
            sums_of_tile(place, &t);
        }
    }
}

/* Adds the other tiles' sums of channels first to end - 1 to the first set. */
static void add_sets(const gn_plan *plan, const struct gn_workspace *ws, int64_t first, int64_t end)
{
    struct gn_sums all = ws->sums;
    for (int64_t set = 1; set < plan->parts.sums; set++) {
        struct gn_sums more = gn_sums_from(all, set * ws->sums_set);
        for (int64_t c = first; c < end; c++) {
            all.dy[c] += more.dy[c];
            all.dyx[c] += more.dyx[c];
        }
        for (int64_t c = first; plan->activates && c < end; c++)
            all.needs_f64[c] += more.needs_f64[c];
    }
}

/* Computes the coefficients of the last pass, dgamma, dbeta and dskip from the sums of a range. */
static void finish_range(const struct gn_place *place, const struct gn_group_range *range)
{
    const struct gn_backward_call *call = place->job->call;
    const gn_plan *plan = call->plan;
    const struct gn_workspace *ws = place->workspace;
    int64_t c = range->g * plan->D, channels = range->groups * plan->D;
    struct gn_sums sums = gn_sums_from(ws->sums, range->first * plan->D);
    struct gn_coefficients coefficients;
    double *dgamma = gn_parameter_sums(place->job, range->block, c);
    if (place->batch->step == 0 || plan->by_sample)
        gn_clear_parameter_sums(place->job, range->block, c, channels);
    if (!gn_has_moments_phase(plan))
        load_statistics(call, ws, range);
    gn_coefficients_at(plan, ws, &call->parameters, range, &coefficients);
    if (!call->dx || plan->is_f64)
        coefficients.slope = NULL;
    if (!plan->activates)
        sums.needs_f64 = NULL;
    plan->kernels->gradient_coefficients(range->groups, (double)(plan->D * plan->S), sums,
                                         &coefficients, dgamma, dgamma ? dgamma + plan->C : NULL);
    if (call->dskip)
        gn_store_dskip(call, ws, range);
    if (plan->by_sample)
        gn_store_parameter_sums(place->job, range->block, range->n, c, channels);
}

void gn_backward_sums_groups(const struct gn_place *place, int64_t first_unit, int64_t last_unit)
{
    const struct gn_backward_call *call = place->job->call;
    const gn_plan *plan = call->plan;
    const struct gn_workspace *ws = place->workspace;
    int64_t first, end;
    gn_groups_of_units(plan, place, first_unit, last_unit, &first, &end);
    if (!gn_has_moments_phase(plan))
        memset(ws->coefficients.use_f32 + first, true, (size_t)(end - first));
    add_sets(plan, ws, first * plan->D, end * plan->D);
    for (int64_t i = first; i < end;) {
        struct gn_group_range range;
        gn_range_at(plan, place, i, end, &range);
        finish_range(place, &range);
        i += range.groups;
    }
}

/*
 * Whether the last pass over a sample reads dy: g is not saved, or was not computed in float for
 * all of the sample's groups.
 */
static bool reads_dy(const struct gn_backward_call *call, const struct gn_workspace *ws,
                     const struct gn_work_tile *t)
{
    bool all = call->save_g != GN_SAVE_NOT;
    for (int64_t i = 0; all && i < t->groups; i++)
        all = ws->coefficients.use_f32[t->first + i];
    return !all;
}

static void apply_to_tiles(const struct gn_place *place, int64_t tile, int64_t count)
{
    const struct gn_backward_call *call = place->job->call;
    const gn_plan *plan = call->plan;
    const struct gn_view *dy_view = &plan->views[GN_TENSOR_DY];
    const struct gn_view *views[] = {call->x_view, dy_view, call->dx_view};
    for (int64_t i = 0; i < gn_batch_samples(plan, place->batch); i++) {
        struct gn_work_tile t;
        struct gn_coefficients coefficients;
        gn_open_tile(plan, place, i, tile, count, &t);
        if (plan->parts.axis == GN_AXIS_ROWS)
            t.region.contiguous_len = gn_shared_contiguous_len(plan->S, views, 3);
        struct gn_tile k;
        gn_kernel_tile(plan, &t, plan->backward_beyond_llc, &k);
        k.nontemporal = call->nontemporal;
        gn_read_region(call->x_view, call->x, &t.region, t.buffers.x, &k.x);
        if (reads_dy(call, place->workspace, &t))
            gn_read_region(dy_view, call->dy, &t.region, t.buffers.dy, &k.dy);
        place_dx(call, place->workspace, &t, &k);
        gn_tile_coefficients(plan, place->workspace, &call->parameters, &t, &coefficients);
        plan->kernels->gradient_apply(&k, &coefficients);
        gn_unpack(call->dx_view, call->dx, &t.region, &k.out);
    }
}

/* The last tile first: what was read last is still in the cache. */
void gn_backward_apply_tiles(const struct gn_place *place, int64_t first, int64_t end)
{
    const struct gn_backward_call *call = place->job->call;
    int64_t most = all_direct(call) ? GN_PASS_SEQUENCE : 1;
    for (int64_t tile = end, count; tile > first; tile -= count) {
        count = gn_sequence_before(call->plan, first, tile, most);
        apply_to_tiles(place, tile - count, count);
    }
}
