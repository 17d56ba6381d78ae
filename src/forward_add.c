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
static void add_tensor(const struct gn_forward_call *call, const struct gn_region *region,
                       const struct gn_buffers *buffers, const struct gn_operand *x,
                       const struct gn_operand *sum)
{
    const gn_plan *plan = call->plan;
    gn_type type = plan->desc.x;
    struct gn_operand skip;
    gn_read_region(plan, &plan->views[GN_TENSOR_SKIP], call->skip, region, buffers->out, &skip);
    for (int64_t c = 0; !plan->parts.columns && c < region->channels; c++)
        add_run(call, gn_at(x->data, type, c * x->stride), gn_at(skip.data, type, c * skip.stride),
                false, region->length,
                gn_out_at(sum->data, call->source_view->type, c * sum->stride));
    for (int64_t p = 0; plan->parts.columns && p < region->length; p++)
        add_run(call, gn_at(x->data, type, gn_offset_at(x->offsets, x->stride, p)),
                gn_at(skip.data, type, gn_offset_at(skip.offsets, skip.stride, p)), false,
                region->channels,
                gn_out_at(sum->data, call->source_view->type,
                          gn_offset_at(sum->offsets, sum->stride, p)));
}

/* One value a channel. */
static void add_channels(const struct gn_forward_call *call, const struct gn_region *region,
                         const struct gn_operand *x, const struct gn_operand *sum)
{
    const gn_plan *plan = call->plan;
    gn_type type = plan->desc.x, to = call->source_view->type;
    const void *skip = gn_at(call->skip, type, region->n * plan->C + region->c);
    if (!plan->parts.columns) {
        for (int64_t c = 0; c < region->channels; c++)
            add_run(call, gn_at(x->data, type, c * x->stride), gn_at(skip, type, c), true,
                    region->length, gn_out_at(sum->data, to, c * sum->stride));
        return;
    }
    for (int64_t p = 0; p < region->length; p++)
        add_run(call, gn_at(x->data, type, gn_offset_at(x->offsets, x->stride, p)), skip, false,
                region->channels,
                gn_out_at(sum->data, to, gn_offset_at(sum->offsets, sum->stride, p)));
}

void gn_forward_source(const struct gn_forward_call *call, const struct gn_region *region,
                       const struct gn_buffers *buffers, bool reducing, struct gn_operand *operand)
{
    const gn_plan *plan = call->plan;
    if (!call->skip || !reducing) {
        gn_read_region(plan, call->source_view, call->source, region, buffers->x, operand);
        return;
    }
    struct gn_operand x;
    gn_read_region(plan, &plan->views[GN_TENSOR_X], call->addend, region, buffers->dy, &x);
    gn_operand_at(call->source_view, call->source, region, plan->parts.columns, buffers->x,
                  operand);
    if (plan->desc.skip == GN_SKIP_TENSOR)
        add_tensor(call, region, buffers, &x, operand);
    else
        add_channels(call, region, &x, operand);
    gn_unpack(call->source_view, (void *)(uintptr_t)call->source, region, plan->parts.columns,
              operand);
}
