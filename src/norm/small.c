/* SPDX-License-Identifier: MIT */
#include "norm/small.h"

#include <string.h>

#include "norm/parameter_sums.h"
#include "norm/skip.h"

static bool are_floats(const struct gn_view *view)
{
    return view->dense && view->type == GN_F32;
}

static struct gn_region sample_region(const gn_plan *plan, int64_t n)
{
    return (struct gn_region){.n = n, .channels = plan->C, .length = 1};
}

/* Returns samples n to n + samples - 1 as contiguous floats: in place, or in the buffer. */
static const float *read_samples(const gn_plan *plan, const struct gn_view *view,
                                 const void *tensor, int64_t n, int64_t samples, void *buffer,
                                 void *raw)
{
    float *to = buffer;
    if (are_floats(view))
        return (const float *)tensor + n * plan->C;
    for (int64_t i = 0; i < samples; i++, to += plan->C) {
        struct gn_region region = sample_region(plan, n + i);
        struct gn_operand sample;
        gn_read_region(view, tensor, &region, raw, &sample);
        if (view->type == GN_F32)
            memcpy(to, sample.data, (size_t)plan->C * sizeof *to);
        else
            plan->kernels->convert(sample.data, view->type, plan->C, to);
    }
    return buffer;
}

/* Where to write the floats of samples from n on: in place, or in the buffer. */
static float *place_samples(const struct gn_view *view, void *tensor, int64_t n, void *buffer)
{
    return are_floats(view) ? (float *)tensor + n * view->n : buffer;
}

/* Converts and copies samples from the buffer to the tensor, unless they were written in place. */
static void store_samples(const gn_plan *plan, const struct gn_view *view, void *tensor, int64_t n,
                          int64_t samples, const float *buffer, void *raw)
{
    for (int64_t i = 0; !are_floats(view) && i < samples; i++, buffer += plan->C) {
        struct gn_region region = sample_region(plan, n + i);
        struct gn_operand sample;
        gn_operand_at(view, tensor, &region, raw, &sample);
        if (view->type == GN_F32)
            memcpy(sample.data, buffer, (size_t)plan->C * sizeof *buffer);
        else
            plan->kernels->convert_back(buffer, view->type, plan->C, sample.data);
        gn_unpack(view, tensor, &region, &sample);
    }
}

/* The kernels' arguments for `samples` samples from n on, except for the tensors. */
static struct gn_small open_samples(const gn_plan *plan, const struct gn_parameters *parameters,
                                    int64_t n, int64_t samples)
{
    int64_t at = gn_parameter(plan, n, 0);
    return (struct gn_small){.samples = samples,
                             .groups = plan->G,
                             .depth = plan->D,
                             .gamma = gn_at(parameters->gamma, GN_F32, at),
                             .beta = gn_at(parameters->beta, GN_F32, at),
                             .epsilon = plan->desc.epsilon,
                             .min_m2 = plan->min_m2};
}

/* Adds skip to samples, into the tensor from which they are normalized. */
static void add_skip(const struct gn_forward_call *call, int64_t n, int64_t samples,
                     const struct gn_buffers *buffers)
{
    for (int64_t i = n; call->skip && i < n + samples; i++) {
        struct gn_region region = sample_region(call->plan, i);
        struct gn_operand sum;
        gn_add_skip(call, &region, buffers, &sum);
    }
}

static void forward_samples(const struct gn_forward_call *call, int64_t n, int64_t samples,
                            const struct gn_buffers *b)
{
    const gn_plan *plan = call->plan;
    const struct gn_view *y_view = &plan->views[GN_TENSOR_Y];
    struct gn_small in = open_samples(plan, &call->parameters, n, samples);
    add_skip(call, n, samples, b);
    in.x = read_samples(plan, call->source_view, call->source, n, samples, b->x, b->raw);
    in.out = place_samples(y_view, call->y, n, b->out);
    in.mean = gn_out_at(call->mean, GN_F32, n * plan->G);
    in.rstd = gn_out_at(call->rstd, GN_F32, n * plan->G);
    plan->kernels->forward_small(&in);
    store_samples(plan, y_view, call->y, n, samples, in.out, b->raw);
}

void gn_forward_small(const struct gn_place *place, int64_t first_tile, int64_t last_tile)
{
    (void)first_tile;
    (void)last_tile;
    const struct gn_forward_call *call = place->job->call;
    int64_t first = place->batch->item, end = first + place->batch->items;
    int64_t most = call->plan->by_sample ? 1 : place->batch->items;
    struct gn_buffers buffers;
    gn_buffers_of(call->plan, place->buffer, &buffers);
    for (int64_t n = first; n < end; n += most)
        forward_samples(call, n, most, &buffers);
}

static void backward_samples(const struct gn_place *place, int64_t block, int64_t n,
                             int64_t samples, const struct gn_buffers *b)
{
    const struct gn_backward_call *call = place->job->call;
    const gn_plan *plan = call->plan;
    const struct gn_view *dy_view = &plan->views[GN_TENSOR_DY];
    struct gn_small in = open_samples(plan, &call->parameters, n, samples);
    in.beta = NULL; /* without an activation, gradients do not depend on beta */
    in.x = read_samples(plan, call->x_view, call->x, n, samples, b->x, b->raw);
    in.dy = read_samples(plan, dy_view, call->dy, n, samples, b->dy, b->raw);
    in.out = call->dx ? place_samples(call->dx_view, call->dx, n, b->out) : NULL;
    in.mean = (float *)(uintptr_t)call->mean + n * plan->G;
    in.rstd = (float *)(uintptr_t)call->rstd + n * plan->G;
    in.dgamma = gn_parameter_sums(place->job, block, 0);
    in.dbeta = in.dgamma ? in.dgamma + plan->C : NULL;
    plan->kernels->backward_small(&in);
    if (call->dx)
        store_samples(plan, call->dx_view, call->dx, n, samples, in.out, b->raw);
}

static void backward_block(const struct gn_place *place, int64_t block)
{
    const struct gn_backward_call *call = place->job->call;
    const gn_plan *plan = call->plan;
    int64_t first = block * plan->parts.block_samples, end = first + plan->parts.block_samples;
    int64_t most = plan->by_sample ? 1 : plan->parts.small_sums;
    struct gn_buffers buffers;
    gn_buffers_of(plan, place->buffer, &buffers);
    end = end < plan->N ? end : plan->N;
    for (int64_t n = first; n < end; n += most) {
        if (n == first || plan->by_sample)
            gn_clear_parameter_sums(place->job, block, 0, plan->C);
        backward_samples(place, block, n, end - n < most ? end - n : most, &buffers);
        if (plan->by_sample)
            gn_store_parameter_sums(place->job, block, n, 0, plan->C);
    }
}

void gn_backward_small(const struct gn_place *place, int64_t first_tile, int64_t last_tile)
{
    (void)first_tile;
    (void)last_tile;
    int64_t first = place->batch->item, end = first + place->batch->items;
    for (int64_t block = first; block < end; block++)
        backward_block(place, block);
}
