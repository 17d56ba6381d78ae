/* SPDX-License-Identifier: MIT */
/* The forward pass on a tile: the moments of its groups, and y. */
#include "batch.h"
#include "forward.h"
#include "slot.h"

static void open_forward_tile(const gn_plan *plan, const struct gn_batch *batch, int64_t sample,
                              int64_t tile, void *work, struct gn_batch_tile *t)
{
    gn_open_tile(plan, batch, 1, sample, tile, work, t);
}

/* What kernels need of a tile whatever they do with it. */
static struct gn_tile kernel_tile(const gn_plan *plan, const struct gn_batch_tile *t)
{
    return (struct gn_tile){.axis = plan->parts.columns ? GN_COLUMNS : GN_ROWS,
                            .channels = t->region.channels,
                            .length = t->region.length,
                            .depth = t->shape.depth,
                            .activation = plan->desc.activation,
                            .beyond_llc = plan->far_forward};
}

void gn_reduce_forward(const struct gn_job *job, const struct gn_batch *batch, int64_t tile,
                       void *memory, void *work)
{
    const struct gn_forward_call *call = job->call;
    const gn_plan *plan = call->plan;
    const struct gn_forward_slot *slot = memory;
    for (int64_t i = 0; i < gn_batch_samples(plan, batch); i++) {
        struct gn_batch_tile t;
        open_forward_tile(plan, batch, i, tile, work, &t);
        struct gn_tile k = kernel_tile(plan, &t);
        gn_forward_source(call, &t.region, &t.buffers, true, &k.x);
        if (k.axis == GN_ROWS)
            gn_flatten_rows(&t.region, t.buffers.out, &k.x);
        plan->kernels->moments(
            &k, plan->floor, gn_moments_from(slot->moments, t.shape.moments * slot->set + t.group),
            t.buffers.kernel);
    }
}

void gn_apply_forward(const struct gn_job *job, const struct gn_batch *batch, int64_t tile,
                      const void *memory, void *work)
{
    const struct gn_forward_call *call = job->call;
    const gn_plan *plan = call->plan;
    const struct gn_forward_slot *slot = memory;
    const struct gn_view *y_view = &plan->views[GN_TENSOR_Y];
    const struct gn_view *views[] = {call->source_view, y_view};
    bool columns = plan->parts.columns;
    for (int64_t i = 0; i < gn_batch_samples(plan, batch); i++) {
        struct gn_batch_tile t;
        open_forward_tile(plan, batch, i, tile, work, &t);
        t.region.contiguous_len = columns ? 0 : gn_shared_contiguous_len(plan->S, views, 2);
        struct gn_tile k = kernel_tile(plan, &t);
        gn_forward_source(call, &t.region, &t.buffers, false, &k.x);
        gn_operand_at(y_view, call->y, &t.region, columns, t.buffers.out, &k.out);
        k.first_len = gn_first_len(&t.region);
        k.contiguous_len = t.region.contiguous_len;
        k.nontemporal = call->stream;
        struct gn_coefficients with;
        gn_forward_coefficients_at(call, slot, &t, &with);
        plan->kernels->normalize(&k, &with);
        gn_unpack(y_view, call->y, &t.region, columns, &k.out);
    }
}
