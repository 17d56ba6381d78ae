/* SPDX-License-Identifier: MIT */
#include "norm/skip.h"

#include <string.h>

/*
 * Stores n sums x + skip in a tensor of the type of x, or in floats, which hold all sums of shorter
 * types. If `broadcast` is true, skip is a single element.
 */
static void add(const struct gn_forward_call *call, const void *x, const void *skip, bool broadcast,
                int64_t n, void *to)
{
    const struct gn_kernels *kernels = call->plan->kernels;
    gn_type type = call->plan->desc.x;
    uint16_t sums[512];
    if (call->source_view->type == type) {
        kernels->add(x, skip, broadcast, type, n, to);
        return;
    }
    const int64_t most = sizeof sums / sizeof *sums;
    for (int64_t i = 0; i < n; i += most) {
        int64_t count = n - i < most ? n - i : most;
        kernels->add(gn_at(x, type, i), gn_at(skip, type, broadcast ? 0 : i), broadcast, type,
                     count, sums);
        kernels->convert(sums, type, count, (float *)to + i);
    }
}

/* The first element of row or pixel i of an operand. */
static void *at(const struct gn_operand *operand, int64_t i)
{
    return gn_out_at(operand->data, operand->type,
                     gn_offset_at(operand->offsets, operand->stride, i));
}

static void add_tensor(const struct gn_forward_call *call, const struct gn_region *region,
                       void *buffer, const struct gn_operand *x, const struct gn_operand *sum)
{
    const gn_plan *plan = call->plan;
    bool columns = plan->parts.axis == GN_AXIS_COLUMNS;
    struct gn_operand skip;
    gn_read_region(&plan->views[GN_TENSOR_SKIP], call->skip, region, buffer, &skip);
    int64_t outer = columns ? region->length : region->channels;
    int64_t inner = columns ? region->channels : region->length;
    for (int64_t i = 0; i < outer; i++)
        add(call, at(x, i), at(&skip, i), false, inner, at(sum, i));
}

/* Adds a skip of [N, C]: one value per channel. */
static void add_channels(const struct gn_forward_call *call, const struct gn_region *region,
                         const struct gn_operand *x, const struct gn_operand *sum)
{
    const gn_plan *plan = call->plan;
    gn_type type = plan->desc.x;
    const void *skip = gn_at(call->skip, type, region->n * plan->C + region->c);
    for (int64_t c = 0; plan->parts.axis == GN_AXIS_ROWS && c < region->channels; c++)
        add(call, at(x, c), gn_at(skip, type, c), true, region->length, at(sum, c));
    for (int64_t p = 0; plan->parts.axis == GN_AXIS_COLUMNS && p < region->length; p++)
        add(call, at(x, p), skip, false, region->channels, at(sum, p));
}

void gn_add_skip(const struct gn_forward_call *call, const struct gn_region *region,
                 const struct gn_buffers *buffers, struct gn_operand *sum)
{
    const gn_plan *plan = call->plan;
    struct gn_operand x;
    gn_read_region(&plan->views[GN_TENSOR_X], call->addend, region, buffers->dy, &x);
    gn_operand_at(call->source_view, call->source, region, buffers->x, sum);
    if (plan->desc.skip == GN_SKIP_TENSOR)
        add_tensor(call, region, buffers->out, &x, sum);
    else
        add_channels(call, region, &x, sum);
    gn_unpack(call->source_view, (void *)(uintptr_t)call->source, region, sum);
}

/* The number of a channel's elements that one set of sums covers. */
static int64_t sums_count(const gn_plan *plan, int64_t set)
{
    int64_t length = plan->parts.tile_length, left = plan->S - set * length;
    return left < length ? left : length;
}

/* The sum of x - mean over a channel, where mean is the stored mean of its group. */
static double sum_about_mean(const gn_plan *plan, const struct gn_workspace *ws, int64_t c)
{
    struct gn_moments m = ws->x_moments;
    struct gn_moment all = {(double)sums_count(plan, 0), m.origin[c], m.offset[c], 0};
    for (int64_t set = 1; set < plan->parts.sums; set++) {
        int64_t i = set * ws->sums_set + c;
        struct gn_moment more = {(double)sums_count(plan, set), m.origin[i], m.offset[i], 0};
        gn_merge_moments(&all, &more);
    }
    return (double)plan->S * ((all.origin - ws->statistics.mean[c / plan->D]) + all.offset);
}

/*
 * The sum of dx over a channel of S elements is, with X = sum (x - mean),
 *
 *     rstd * gamma * sum g + slope * X + S * offset.
 */
void gn_store_dskip(const struct gn_backward_call *call, const struct gn_workspace *ws,
                    const struct gn_group_range *range)
{
    const gn_plan *plan = call->plan;
    const struct gn_coefficients *with = &ws->coefficients;
    for (int64_t i = 0; i < range->groups * plan->D; i++) {
        int64_t c = range->first * plan->D + i, g = c / plan->D;
        int64_t channel = range->g * plan->D + i;
        double gamma = 1;
        if (call->parameters.gamma)
            gamma = gn_double_at(call->parameters.gamma, plan->desc.param,
                                 gn_parameter(plan, range->n, channel));
        double sum = ws->statistics.rstd[g] * gamma * ws->sums.dy[c] +
                     (with->group_slope[g] * sum_about_mean(plan, ws, c) +
                      (double)plan->S * with->group_offset[g]);
        gn_put_double(call->dskip, plan->desc.x, range->n * plan->C + channel, sum);
    }
}

gn_status gn_run_with_dskip_as_dx(struct gn_backward_call *call)
{
    const gn_plan *plan = call->plan;
    void *dskip = call->dskip, *dx = call->dx;
    call->dskip = NULL;
    if (!dx) {
        call->dx = dskip;
        call->dx_view = &plan->channels;
    }
    gn_status status = gn_backward_run(call);
    for (int64_t n = 0; status == GN_OK && dx && plan->elements && n < plan->N; n++) {
        struct gn_region region = {.n = n, .channels = plan->C, .length = 1};
        void *to = gn_out_at(dskip, plan->desc.x, n * plan->C);
        struct gn_operand sample;
        gn_read_region(call->dx_view, dx, &region, to, &sample);
        if (sample.data != to)
            memcpy(to, sample.data, (size_t)(plan->C * gn_size(plan->desc.x)));
    }
    return status;
}
