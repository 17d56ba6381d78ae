/* SPDX-License-Identifier: MIT */
#include "buffers.h"

#include <string.h>

static int64_t buffer_bytes(const gn_plan *plan)
{
    const struct gn_partition *p = &plan->parts;
    int64_t elements = p->tile_channels * p->tile_length;
    if (p->tiles == 1)
        elements = p->small     ? p->batch * plan->C
                   : p->columns ? plan->C * plan->S
                                : p->batch * plan->D * plan->S;
    return gn_round_up(elements * (plan->wide ? (int64_t)sizeof(double) : (int64_t)sizeof(float)));
}

static int64_t raw_bytes(const gn_plan *plan)
{
    return plan->parts.small ? gn_round_up(plan->C * (int64_t)sizeof(double)) : 0;
}

static bool needed(const gn_plan *plan)
{
    bool as_it_is = plan->desc.x == plan->desc.y;
    for (int i = 0; i < GN_TENSORS; i++) {
        const struct gn_view *view = &plan->views[i];
        as_it_is &= plan->parts.small ? view->dense && view->type == GN_F32 : view->direct;
    }
    return !as_it_is;
}

void gn_set_buffers(gn_plan *plan)
{
    plan->buffer_bytes = needed(plan) ? buffer_bytes(plan) : 0;
    plan->raw_bytes = needed(plan) ? raw_bytes(plan) : 0;
}

void gn_flatten_rows(const struct gn_region *region, void *buffer, struct gn_operand *rows)
{
    gn_type type = rows->type;
    if (rows->stride == region->length || region->channels == 1)
        return;
    for (int64_t c = 0; c < region->channels; c++)
        memcpy(gn_out_at(buffer, type, c * region->length),
               gn_at(rows->data, type, c * rows->stride), (size_t)(region->length * gn_size(type)));
    rows->data = buffer;
    rows->stride = region->length;
}

static bool as_floats(const struct gn_view *view)
{
    return view->dense && view->type == GN_F32;
}

const float *gn_read_points(const gn_plan *plan, const struct gn_view *view, const void *tensor,
                            int64_t n, int64_t samples, void *buffer,
                            const struct gn_buffers *buffers)
{
    float *to = buffer;
    if (as_floats(view))
        return (const float *)tensor + n * plan->C;
    for (int64_t i = 0; i < samples; i++, to += plan->C) {
        struct gn_region region = {.n = n + i, .channels = plan->C, .length = 1};
        struct gn_operand operand;
        gn_read_region(plan, view, tensor, &region, buffers->raw, &operand);
        if (view->type == GN_F32)
            memcpy(to, operand.data, (size_t)plan->C * sizeof *to);
        else
            plan->kernels->convert(operand.data, view->type, plan->C, to);
    }
    return buffer;
}

float *gn_points_out(const struct gn_view *view, void *tensor, int64_t n, void *buffer)
{
    return as_floats(view) && tensor ? (float *)tensor + n * view->n : buffer;
}

void gn_store_points(const gn_plan *plan, const struct gn_view *view, void *tensor, int64_t n,
                     int64_t samples, const void *buffer, const struct gn_buffers *buffers)
{
    const float *from = buffer;
    if (as_floats(view))
        return;
    for (int64_t i = 0; i < samples; i++, from += plan->C) {
        struct gn_region region = {.n = n + i, .channels = plan->C, .length = 1};
        struct gn_operand operand;
        gn_operand_at(view, tensor, &region, true, buffers->raw, &operand);
        if (view->type == GN_F32)
            memcpy(operand.data, from, (size_t)plan->C * sizeof *from);
        else
            plan->kernels->convert_back(from, view->type, plan->C, operand.data);
        gn_unpack(view, tensor, &region, true, &operand);
    }
}
