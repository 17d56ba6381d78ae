/* SPDX-License-Identifier: MIT */
/* The backward pass on a tile: the moments of its groups where they matter, its sums, and dx. */
#include "backward.h"
#include "batch.h"
#include "slot.h"

static void open_backward_tile(const gn_plan *plan, const struct gn_batch *batch, int64_t sample,
                               int64_t tile, void *work, struct gn_batch_tile *t)
{
    gn_open_tile(plan, batch, plan->parts.block_samples, sample, tile, work, t);
}

/* What kernels need of a tile whatever they do with it; x is read. */
static void open_kernel_tile(const struct gn_backward_call *call, const struct gn_batch_tile *t,
                             struct gn_tile *k)
{
    const gn_plan *plan = call->plan;
    *k = (struct gn_tile){.axis = plan->parts.columns ? GN_COLUMNS : GN_ROWS,
                          .channels = t->region.channels,
                          .length = t->region.length,
                          .depth = t->shape.depth,
                          .first_len = gn_first_len(&t->region),
                          .contiguous_len = t->region.contiguous_len,
                          .activation = plan->desc.activation,
                          .beyond_llc = plan->far_backward};
    gn_read_region(plan, call->x_view, call->x, &t->region, t->buffers.x, &k->x);
}

static void read_dy(const struct gn_backward_call *call, const struct gn_batch_tile *t,
                    struct gn_operand *dy)
{
    gn_read_region(call->plan, &call->plan->views[GN_TENSOR_DY], call->dy, &t->region,
                   t->buffers.dy, dy);
}

/* Where dx of the tile goes, and g until then. */
static void place_dx(const struct gn_backward_call *call, const struct gn_batch_tile *t, void *work,
                     struct gn_tile *k)
{
    const gn_plan *plan = call->plan;
    bool columns = plan->parts.columns;
    gn_operand_at(call->dx_view, call->dx, &t->region, columns, t->buffers.out, &k->out);
    if (!call->keeps)
        return;
    k->saved_g = (struct gn_operand){
        .data = k->out.data, .type = GN_F32, .stride = columns ? k->out.stride : k->length};
    if (call->keeps_apart) {
        k->saved_g.data = gn_kept(plan, work) + t->range.first * plan->D * plan->S;
        k->saved_g.stride = columns ? plan->C : k->length;
    }
}

static bool matters(const struct gn_backward_call *call, const struct gn_batch_tile *t)
{
    return gn_rounding_matters(call, gn_group_index(call->plan, t), t->groups);
}

/* The moments of the tile's groups, or of its channels. */
static void find_moments(const gn_plan *plan, const struct gn_batch_tile *t, struct gn_tile k,
                         double floor, struct gn_moments out)
{
    if (k.axis == GN_ROWS)
        gn_flatten_rows(&t->region, t->buffers.out, &k.x);
    plan->kernels->moments(&k, floor, out, t->buffers.kernel);
}

static struct gn_moments moments_at(const struct gn_backward_slot *slot,
                                    const struct gn_batch_tile *t)
{
    return gn_moments_from(slot->moments, t->shape.moments * slot->set + t->group);
}

void gn_prepare_backward(const struct gn_job *job, const struct gn_batch *batch, int64_t tile,
                         void *memory, void *work)
{
    const struct gn_backward_call *call = job->call;
    const gn_plan *plan = call->plan;
    for (int64_t i = 0; i < gn_batch_samples(plan, batch); i++) {
        struct gn_batch_tile t;
        struct gn_tile k;
        open_backward_tile(plan, batch, i, tile, work, &t);
        if (!matters(call, &t))
            continue;
        open_kernel_tile(call, &t, &k);
        find_moments(plan, &t, k, plan->floor, moments_at(memory, &t));
    }
}

static void reduce_tile(const struct gn_job *job, const struct gn_backward_slot *slot,
                        const struct gn_batch_tile *t, void *work)
{
    const struct gn_backward_call *call = job->call;
    const gn_plan *plan = call->plan;
    int64_t at = t->shape.sums * slot->sums + t->channel;
    struct gn_tile k;
    struct gn_coefficients with;
    open_kernel_tile(call, t, &k);
    read_dy(call, t, &k.dy);
    if (call->keeps)
        place_dx(call, t, work, &k);
    gn_backward_coefficients_at(call, slot, t, &with);
    if (!job->prepare)
        with.group_mean = gn_at(call->mean, GN_F32, gn_group_index(plan, t));
    struct gn_sums sums = {slot->dy + at, slot->dyx + at, job->prepare ? slot->hard + at : NULL};
    plan->kernels->gradient_sums(&k, &with, sums, t->buffers.kernel);
    if (!job->prepare && matters(call, t))
        find_moments(plan, t, k, plan->floor, moments_at(slot, t));
    if (call->dskip) {
        k.depth = 1;
        find_moments(plan, t, k, 0, gn_moments_from(slot->of_channels, at));
    }
}

void gn_reduce_backward(const struct gn_job *job, const struct gn_batch *batch, int64_t tile,
                        void *memory, void *work)
{
    const struct gn_backward_call *call = job->call;
    for (int64_t i = 0; i < gn_batch_samples(call->plan, batch); i++) {
        struct gn_batch_tile t;
        open_backward_tile(call->plan, batch, i, tile, work, &t);
        reduce_tile(job, memory, &t, work);
    }
}

void gn_apply_backward(const struct gn_job *job, const struct gn_batch *batch, int64_t tile,
                       const void *memory, void *work)
{
    const struct gn_backward_call *call = job->call;
    const gn_plan *plan = call->plan;
    const struct gn_backward_slot *slot = memory;
    const struct gn_view *views[] = {call->x_view, &plan->views[GN_TENSOR_DY], call->dx_view};
    bool columns = plan->parts.columns;
    for (int64_t i = 0; i < gn_batch_samples(plan, batch); i++) {
        struct gn_batch_tile t;
        struct gn_tile k;
        struct gn_coefficients with;
        open_backward_tile(plan, batch, i, tile, work, &t);
        t.region.contiguous_len = columns ? 0 : gn_shared_contiguous_len(plan->S, views, 3);
        open_kernel_tile(call, &t, &k);
        if (gn_reads_dy(call, slot, t.range.first, t.range.groups))
            read_dy(call, &t, &k.dy);
        place_dx(call, &t, work, &k);
        k.nontemporal = call->stream;
        gn_backward_coefficients_at(call, slot, &t, &with);
        plan->kernels->gradient_apply(&k, &with);
        gn_unpack(call->dx_view, call->dx, &t.region, columns, &k.out);
    }
}
