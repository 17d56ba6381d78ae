/* SPDX-License-Identifier: MIT */
/* What gn_forward_add adds up before it is normalized, a part at a time. */
#include "forward.h"

/*
 * n sums, into a tensor of the same type, or into floats, which hold all sums of shorter types;
 * `one` as in kernels.h, add.
 */
static void add_run(const struct gn_forward_call *call, const void *x, const void *skip, bool one,
                    int64_t n, void *to)
{
    const struct gn_kernels *kernels = call->plan->kernels;
    gn_type type = call->plan->desc.x;
    uint16_t sums[512];
    if (call->source_view->type == type) {
        kernels->add(x, skip, one, type, n, to);
        return;
    }
    const int64_t most = sizeof sums / sizeof *sums;
    for (int64_t i = 0; i < n; i += most) {
        int64_t count = n - i < most ? n - i : most;
        kernels->add(gn_at(x, type, i), gn_at(skip, type, one ? 0 : i), one, type, count, sums);
        kernels->convert(sums, type, count, (float *)to + i);
    }
}

/* A tensor skip. */
static void add_tensor(const struct gn_forward_call *call, const struct gn_part *part,
                       const struct gn_stage *stage, const struct gn_block *x,
                       const struct gn_block *sum)
{
    const gn_plan *plan = call->plan;
    gn_type type = plan->desc.x;
    struct gn_block skip;
    gn_stage_in(plan, &plan->views[GN_TENSOR_SKIP], call->skip, part, stage->out, &skip);
    for (int64_t c = 0; !plan->parts.columns && c < part->channels; c++)
        add_run(call, gn_at(x->data, type, c * x->stride), gn_at(skip.data, type, c * skip.stride),
                false, part->length,
                gn_out_at(sum->data, call->source_view->type, c * sum->stride));
    for (int64_t p = 0; plan->parts.columns && p < part->length; p++)
        add_run(
            call, gn_at(x->data, type, gn_pixel_at(x->at, x->stride, p)),
            gn_at(skip.data, type, gn_pixel_at(skip.at, skip.stride, p)), false, part->channels,
            gn_out_at(sum->data, call->source_view->type, gn_pixel_at(sum->at, sum->stride, p)));
}

/* One value a channel. */
static void add_channels(const struct gn_forward_call *call, const struct gn_part *part,
                         const struct gn_block *x, const struct gn_block *sum)
{
    const gn_plan *plan = call->plan;
    gn_type type = plan->desc.x, to = call->source_view->type;
    const void *skip = gn_at(call->skip, type, part->n * plan->C + part->c);
    if (!plan->parts.columns) {
        for (int64_t c = 0; c < part->channels; c++)
            add_run(call, gn_at(x->data, type, c * x->stride), gn_at(skip, type, c), true,
                    part->length, gn_out_at(sum->data, to, c * sum->stride));
        return;
    }
    for (int64_t p = 0; p < part->length; p++)
        add_run(call, gn_at(x->data, type, gn_pixel_at(x->at, x->stride, p)), skip, false,
                part->channels, gn_out_at(sum->data, to, gn_pixel_at(sum->at, sum->stride, p)));
}

void gn_forward_source(const struct gn_forward_call *call, const struct gn_part *part,
                       const struct gn_stage *stage, bool reducing, struct gn_block *block)
{
    const gn_plan *plan = call->plan;
    if (!call->skip || !reducing) {
        gn_stage_in(plan, call->source_view, call->source, part, stage->x, block);
        return;
    }
    struct gn_block x;
    gn_stage_in(plan, &plan->views[GN_TENSOR_X], call->addend, part, stage->dy, &x);
    gn_block_at(call->source_view, call->source, part, plan->parts.columns, stage->x, block);
    if (plan->desc.skip == GN_SKIP_TENSOR)
        add_tensor(call, part, stage, &x, block);
    else
        add_channels(call, part, &x, block);
    gn_scatter(call->source_view, (void *)(uintptr_t)call->source, part, plan->parts.columns,
               block);
}
