/* SPDX-License-Identifier: MIT */
/* The calls that execute a plan. Arguments are checked here and nowhere below. */
#include "api/arguments.h"
#include "base/error.h"
#include "norm/skip.h"
#include "run/threads.h"

#define COUNT(array) (int)(sizeof(array) / sizeof(array)[0])

static gn_status null_plan(void)
{
    return gn_fail(GN_INVALID_ARGUMENT, "plan is NULL");
}

static struct gn_argument tensor(const gn_plan *plan, const char *name, const void *data,
                                 gn_tensor which, unsigned flags)
{
    const struct gn_view *view = &plan->views[which];
    return (struct gn_argument){name, data, plan->elements, flags, view->type, view};
}

static struct gn_argument parameter(const gn_plan *plan, const char *name, const void *data,
                                    unsigned flags)
{
    return (struct gn_argument){name, data, plan->parameters, flags | GN_OPTIONAL, plan->desc.param,
                                NULL};
}

static struct gn_argument statistic(const gn_plan *plan, const char *name, const void *data,
                                    unsigned flags)
{
    return (struct gn_argument){name, data, plan->N * plan->G, flags, plan->stored, NULL};
}

/* An array [N, C] of the type of x. */
static struct gn_argument channels(const gn_plan *plan, const char *name, const void *data,
                                   unsigned flags)
{
    return (struct gn_argument){name, data, plan->N * plan->C, flags, plan->desc.x, NULL};
}

/*
 * The parts of the last-level cache beyond which a tensor is large: an output in the cache would
 * only evict what is still to be read. One thread gains from nontemporal stores in smaller
 * tensors than several do: bench/NOTES.md, "other limits of non-temporal stores".
 */
struct limits {
    int64_t part, part_one_thread;
};

static const struct limits forward_limits = {3, 5}, backward_limits = {5, 7};

static bool is_large(const gn_plan *plan, struct limits limits)
{
    bool one_thread = gn_threads_for(plan->runner.threads, plan->elements) == 1;
    return plan->tensor_bytes > plan->llc / (one_thread ? limits.part_one_thread : limits.part);
}

/*
 * Use nontemporal stores if the output is large and is not also an input. Rows with gaps between
 * them must be long: their first and last cache lines are shared with what lies in the gaps, and a
 * nontemporal store of part of a line is slow. With columns, the kernel decides per tile.
 */
static bool use_nontemporal(const gn_plan *plan, struct limits limits, const struct gn_view *view,
                            const void *out, const void *in, const void *other)
{
    enum { MIN_ROW_BYTES = 4096 };
    bool fits = view->direct || (plan->parts.axis == GN_AXIS_COLUMNS
                                     ? view->in_place
                                     : view->contiguous_len * gn_size(view->type) >= MIN_ROW_BYTES);
    return fits && out != in && out != other && is_large(plan, limits);
}

/* The call that normalizes x into y. */
static struct gn_forward_call forward_call(const gn_plan *plan, const void *x, const void *gamma,
                                           const void *beta, void *y)
{
    return (struct gn_forward_call){
        .plan = plan,
        .source = x,
        .source_view = &plan->views[GN_TENSOR_X],
        .parameters = gn_parameters_of(plan, gamma, beta),
        .y = y,
        .nontemporal =
            use_nontemporal(plan, forward_limits, &plan->views[GN_TENSOR_Y], y, x, NULL)};
}

gn_status gn_forward(const gn_plan *plan, const void *x, const void *gamma, const void *beta,
                     void *y, void *mean, void *rstd)
{
    if (!plan)
        return null_plan();
    const struct gn_argument arguments[] = {
        tensor(plan, "x", x, GN_TENSOR_X, 0),
        parameter(plan, "gamma", gamma, 0),
        parameter(plan, "beta", beta, 0),
        tensor(plan, "y", y, GN_TENSOR_Y, GN_OUTPUT),
        statistic(plan, "mean", mean, GN_OUTPUT | GN_OPTIONAL),
        statistic(plan, "rstd", rstd, GN_OUTPUT | GN_OPTIONAL),
    };
    gn_status status = gn_check_arguments(arguments, COUNT(arguments));
    if (status != GN_OK)
        return status;
    struct gn_forward_call call = forward_call(plan, x, gamma, beta, y);
    call.mean = mean;
    call.rstd = rstd;
    return gn_forward_run(&call);
}

gn_status gn_forward_add(const gn_plan *plan, const void *x, const void *skip, const void *gamma,
                         const void *beta, void *sum, void *y, void *mean, void *rstd)
{
    if (!plan)
        return null_plan();
    bool whole = plan->desc.skip == GN_SKIP_TENSOR;
    const struct gn_argument arguments[] = {
        tensor(plan, "x", x, GN_TENSOR_X, 0),
        whole ? tensor(plan, "skip", skip, GN_TENSOR_SKIP, 0) : channels(plan, "skip", skip, 0),
        parameter(plan, "gamma", gamma, 0),
        parameter(plan, "beta", beta, 0),
        tensor(plan, "sum", sum, GN_TENSOR_SUM, GN_OUTPUT | GN_OPTIONAL),
        tensor(plan, "y", y, GN_TENSOR_Y, GN_OUTPUT),
        statistic(plan, "mean", mean, GN_OUTPUT | GN_OPTIONAL),
        statistic(plan, "rstd", rstd, GN_OUTPUT | GN_OPTIONAL),
    };
    gn_status status = gn_check_arguments(arguments, COUNT(arguments));
    if (status != GN_OK)
        return status;
    if (!sum && gn_is_short(plan->desc.y) && !gn_is_short(plan->desc.x))
        return gn_fail(GN_UNSUPPORTED,
                       "sum is NULL, and y of type %s cannot hold it: supported are a sum that is "
                       "stored, and a y of x's type or wider, here %s",
                       gn_types[plan->desc.y].name, gn_types[plan->desc.x].name);
    /* If the caller does not want the sum, it is computed in y and normalized there. */
    struct gn_forward_call call = forward_call(plan, x, gamma, beta, y);
    call.source = sum ? sum : y;
    call.source_view = &plan->views[sum ? GN_TENSOR_SUM : GN_TENSOR_Y];
    call.addend = x;
    call.skip = skip;
    call.mean = mean;
    call.rstd = rstd;
    call.nontemporal &= sum && y != skip;
    return gn_forward_run(&call);
}

gn_status gn_normalize(const gn_plan *plan, const void *x, const void *mean, const void *rstd,
                       const void *gamma, const void *beta, void *y)
{
    if (!plan)
        return null_plan();
    const struct gn_argument arguments[] = {
        tensor(plan, "x", x, GN_TENSOR_X, 0), statistic(plan, "mean", mean, 0),
        statistic(plan, "rstd", rstd, 0),     parameter(plan, "gamma", gamma, 0),
        parameter(plan, "beta", beta, 0),     tensor(plan, "y", y, GN_TENSOR_Y, GN_OUTPUT),
    };
    gn_status status = gn_check_arguments(arguments, COUNT(arguments));
    if (status != GN_OK)
        return status;
    struct gn_forward_call call = forward_call(plan, x, gamma, beta, y);
    call.given_mean = mean;
    call.given_rstd = rstd;
    return gn_forward_run(&call);
}

/*
 * The arguments that gn_backward and gn_backward_add share. x is the tensor that was normalized:
 * the argument called `name`, the tensor `which`.
 */
struct gradient {
    const char *name;
    gn_tensor which;
    const void *dy, *x, *mean, *rstd, *gamma, *beta;
    void *dx, *dskip, *dgamma, *dbeta;
};

static gn_status backward(const gn_plan *plan, const struct gradient *g)
{
    if (!plan)
        return null_plan();
    const struct gn_argument arguments[] = {
        tensor(plan, "dy", g->dy, GN_TENSOR_DY, 0),
        tensor(plan, g->name, g->x, g->which, 0),
        statistic(plan, "mean", g->mean, 0),
        statistic(plan, "rstd", g->rstd, 0),
        parameter(plan, "gamma", g->gamma, 0),
        parameter(plan, "beta", g->beta, 0),
        tensor(plan, "dx", g->dx, GN_TENSOR_DX, GN_OUTPUT | GN_OPTIONAL),
        channels(plan, "dskip", g->dskip, GN_OUTPUT | GN_OPTIONAL),
        parameter(plan, "dgamma", g->dgamma, GN_OUTPUT),
        parameter(plan, "dbeta", g->dbeta, GN_OUTPUT),
    };
    gn_status status = gn_check_arguments(arguments, COUNT(arguments));
    if (status != GN_OK)
        return status;
    struct gn_backward_call call = {
        .plan = plan,
        .dy = g->dy,
        .x = g->x,
        .x_view = &plan->views[g->which],
        .mean = g->mean,
        .rstd = g->rstd,
        .parameters = gn_parameters_of(plan, g->gamma, g->beta),
        .dx = g->dx,
        .dx_view = &plan->views[GN_TENSOR_DX],
        .dskip = g->dskip,
        .dgamma = g->dgamma,
        .dbeta = g->dbeta,
        .nontemporal =
            use_nontemporal(plan, backward_limits, &plan->views[GN_TENSOR_DX], g->dx, g->x, g->dy)};
    gn_choose_saved_g(&call);
    return g->dskip && plan->S == 1 ? gn_run_with_dskip_as_dx(&call) : gn_backward_run(&call);
}

gn_status gn_backward(const gn_plan *plan, const void *dy, const void *x, const void *mean,
                      const void *rstd, const void *gamma, const void *beta, void *dx, void *dgamma,
                      void *dbeta)
{
    const struct gradient g = {"x",   GN_TENSOR_X, dy, x,    mean,   rstd,
                               gamma, beta,        dx, NULL, dgamma, dbeta};
    return backward(plan, &g);
}

gn_status gn_backward_add(const gn_plan *plan, const void *dy, const void *sum, const void *mean,
                          const void *rstd, const void *gamma, const void *beta, void *dx,
                          void *dskip, void *dgamma, void *dbeta)
{
    const struct gradient g = {"sum", GN_TENSOR_SUM, dy, sum,   mean,   rstd,
                               gamma, beta,          dx, dskip, dgamma, dbeta};
    return backward(plan, &g);
}
