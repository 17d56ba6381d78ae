/* SPDX-License-Identifier: MIT */
/* The calls that make and execute a plan: arguments are checked here and nowhere below. */
#include "arguments.h"
#include "backward.h"
#include "error.h"
#include "forward.h"
#include "plan.h"

#define TEXT_(a) #a
#define TEXT(a) TEXT_(a)

int gn_version(void)
{
    return GN_VERSION_MAJOR * 10000 + GN_VERSION_MINOR * 100 + GN_VERSION_PATCH;
}

const char *gn_version_string(void)
{
    return TEXT(GN_VERSION_MAJOR) "." TEXT(GN_VERSION_MINOR) "." TEXT(GN_VERSION_PATCH);
}

gn_status gn_plan_create(gn_plan **plan, const gn_desc *desc)
{
    if (!plan)
        return gn_fail(GN_INVALID_ARGUMENT, "plan is NULL");
    *plan = NULL;
    if (!desc)
        return gn_fail(GN_INVALID_ARGUMENT, "desc is NULL");
    gn_plan *made;
    gn_status status = gn_plan_make(&made, desc);
    if (status != GN_OK)
        return status;
    int64_t forward = gn_forward_scratch(made), backward = gn_backward_scratch(made);
    if (made->elements)
        status = gn_run_prepare(made, forward > backward ? forward : backward);
    if (status == GN_OK)
        *plan = made;
    else
        gn_plan_destroy(made);
    return status;
}

#define COUNT(array) (int)(sizeof(array) / sizeof(array)[0])

gn_status gn_forward(const gn_plan *plan, const void *x, const void *gamma, const void *beta,
                     void *y, void *mean, void *rstd)
{
    if (!plan)
        return gn_fail(GN_INVALID_ARGUMENT, "plan is NULL");
    int64_t tensor = plan->elements, groups = plan->N * plan->G;
    const struct gn_argument arguments[] = {
        {"x", x, tensor, GN_TENSOR},
        {"gamma", gamma, plan->parameters, GN_OPTIONAL},
        {"beta", beta, plan->parameters, GN_OPTIONAL},
        {"y", y, tensor, GN_OUTPUT | GN_TENSOR},
        {"mean", mean, groups, GN_OUTPUT | GN_OPTIONAL},
        {"rstd", rstd, groups, GN_OUTPUT | GN_OPTIONAL},
    };
    gn_status status = gn_check_arguments(arguments, COUNT(arguments));
    if (status != GN_OK)
        return status;
    const struct gn_forward_call call = {.plan = plan,
                                         .x = x,
                                         .gamma = gamma,
                                         .beta = beta,
                                         .y = y,
                                         .mean = mean,
                                         .rstd = rstd,
                                         .stream = plan->stream_forward && y != x,
                                         .points_fit = gn_shared_points_fit(plan, gamma, beta)};
    return gn_forward_run(&call);
}

gn_status gn_normalize(const gn_plan *plan, const void *x, const void *mean, const void *rstd,
                       const void *gamma, const void *beta, void *y)
{
    if (!plan)
        return gn_fail(GN_INVALID_ARGUMENT, "plan is NULL");
    int64_t tensor = plan->elements, groups = plan->N * plan->G;
    const struct gn_argument arguments[] = {
        {"x", x, tensor, GN_TENSOR},
        {"mean", mean, groups, 0},
        {"rstd", rstd, groups, 0},
        {"gamma", gamma, plan->parameters, GN_OPTIONAL},
        {"beta", beta, plan->parameters, GN_OPTIONAL},
        {"y", y, tensor, GN_OUTPUT | GN_TENSOR},
    };
    gn_status status = gn_check_arguments(arguments, COUNT(arguments));
    if (status != GN_OK)
        return status;
    const struct gn_forward_call call = {.plan = plan,
                                         .x = x,
                                         .gamma = gamma,
                                         .beta = beta,
                                         .given_mean = mean,
                                         .given_rstd = rstd,
                                         .y = y,
                                         .stream = plan->stream_forward && y != x};
    return gn_forward_run(&call);
}

gn_status gn_backward(const gn_plan *plan, const void *dy, const void *x, const void *mean,
                      const void *rstd, const void *gamma, const void *beta, void *dx, void *dgamma,
                      void *dbeta)
{
    if (!plan)
        return gn_fail(GN_INVALID_ARGUMENT, "plan is NULL");
    int64_t tensor = plan->elements, groups = plan->N * plan->G;
    const struct gn_argument arguments[] = {
        {"dy", dy, tensor, GN_TENSOR},
        {"x", x, tensor, GN_TENSOR},
        {"mean", mean, groups, 0},
        {"rstd", rstd, groups, 0},
        {"gamma", gamma, plan->parameters, GN_OPTIONAL},
        {"beta", beta, plan->parameters, GN_OPTIONAL},
        {"dx", dx, tensor, GN_OUTPUT | GN_OPTIONAL | GN_TENSOR},
        {"dgamma", dgamma, plan->parameters, GN_OUTPUT | GN_OPTIONAL},
        {"dbeta", dbeta, plan->parameters, GN_OUTPUT | GN_OPTIONAL},
    };
    gn_status status = gn_check_arguments(arguments, COUNT(arguments));
    if (status != GN_OK)
        return status;
    const struct gn_backward_call call = {.plan = plan,
                                          .dy = dy,
                                          .x = x,
                                          .mean = mean,
                                          .rstd = rstd,
                                          .gamma = gamma,
                                          .dx = dx,
                                          .dgamma = dgamma,
                                          .dbeta = dbeta,
                                          .stream = plan->stream_backward && dx != dy && dx != x,
                                          .points_fit = gn_shared_points_fit(plan, gamma, NULL)};
    return gn_backward_run(&call);
}
