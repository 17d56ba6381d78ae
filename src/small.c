/* SPDX-License-Identifier: MIT */
#include "small.h"

#include "backward.h"
#include "forward.h"

/* What kernels need to know of `samples` samples from n on, but for the tensors. */
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
                             .min_m2 = plan->floor};
}

/* Adds skip to samples, into the tensor from which they are normalized. */
static void add_samples(const struct gn_forward_call *call, int64_t n, int64_t samples,
                        const struct gn_buffers *buffers)
{
    for (int64_t i = n; call->skip && i < n + samples; i++) {
        struct gn_region region = {.n = i, .channels = call->plan->C, .length = 1};
        struct gn_operand sum;
        gn_forward_source(call, &region, buffers, true, &sum);
    }
}

static void forward_samples(const struct gn_forward_call *call, int64_t n, int64_t samples,
                            const struct gn_buffers *buffers)
{
    const gn_plan *plan = call->plan;
    const struct gn_view *y_view = &plan->views[GN_TENSOR_Y];
    struct gn_small in = open_samples(plan, &call->parameters, n, samples);
    add_samples(call, n, samples, buffers);
    in.x = gn_read_points(plan, call->source_view, call->source, n, samples, buffers->x, buffers);
    in.out = gn_points_out(y_view, call->y, n, buffers->out);
    in.mean = gn_out_at(call->mean, GN_F32, n * plan->G);
    in.rstd = gn_out_at(call->rstd, GN_F32, n * plan->G);
    plan->kernels->forward_small(&in);
    gn_store_points(plan, y_view, call->y, n, samples, in.out, buffers);
}

void gn_forward_small(const struct gn_job *job, const struct gn_batch *batch, int64_t tile,
                      void *slot, void *work)
{
    (void)tile;
    (void)slot;
    const struct gn_forward_call *call = job->call;
    struct gn_buffers buffers;
    gn_buffers_of(call->plan, work, &buffers);
    int64_t end = batch->item + batch->items, most = call->plan->by_sample ? 1 : batch->items;
    for (int64_t n = batch->item; n < end; n += most)
        forward_samples(call, n, most, &buffers);
}

static void backward_samples(const struct gn_job *job, int64_t block, int64_t n, int64_t samples,
                             const struct gn_buffers *buffers)
{
    const struct gn_backward_call *call = job->call;
    const gn_plan *plan = call->plan;
    const struct gn_view *dy_view = &plan->views[GN_TENSOR_DY];
    struct gn_small in = open_samples(plan, &call->parameters, n, samples);
    in.beta = NULL; /* whatever it is, it does not count */
    in.x = gn_read_points(plan, call->x_view, call->x, n, samples, buffers->x, buffers);
    in.dy = gn_read_points(plan, dy_view, call->dy, n, samples, buffers->dy, buffers);
    in.out = call->dx ? gn_points_out(call->dx_view, call->dx, n, buffers->out) : NULL;
    in.mean = (float *)(uintptr_t)call->mean + n * plan->G;
    in.rstd = (float *)(uintptr_t)call->rstd + n * plan->G;
    in.dgamma = gn_parameter_sums(job, block, 0);
    in.dbeta = in.dgamma ? in.dgamma + plan->C : NULL;
    plan->kernels->backward_small(&in);
    if (call->dx)
        gn_store_points(plan, call->dx_view, call->dx, n, samples, in.out, buffers);
}

void gn_backward_small(const struct gn_job *job, const struct gn_batch *batch, int64_t tile,
                       void *slot, void *work)
{
    (void)tile;
    (void)slot;
    const struct gn_backward_call *call = job->call;
    const gn_plan *plan = call->plan;
    const struct gn_partition *parts = &plan->parts;
    struct gn_buffers buffers;
    gn_buffers_of(plan, work, &buffers);
    int64_t most = plan->by_sample ? 1 : parts->small_samples;
    for (int64_t block = batch->item; block < batch->item + batch->items; block++) {
        int64_t first = block * parts->block_samples, end = first + parts->block_samples;
        end = end < plan->N ? end : plan->N;
        for (int64_t n = first; n < end; n += most) {
            if (n == first || plan->by_sample)
                gn_clear_parameters(job, block, 0, plan->C);
            backward_samples(job, block, n, end - n < most ? end - n : most, &buffers);
            if (plan->by_sample)
                gn_store_parameters(job, block, n, 0, plan->C);
        }
    }
}
