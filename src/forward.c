/* SPDX-License-Identifier: MIT */
#include "forward.h"

#include <math.h>

void gn_forward_store(const struct gn_forward_call *call, int64_t group,
                      const struct gn_statistics *of)
{
    if (call->mean)
        call->mean[group] = (float)of->mean;
    if (call->rstd)
        call->rstd[group] = (float)of->rstd;
}

struct gn_norm gn_forward_norm(const struct gn_forward_call *call, int64_t first, int64_t channels,
                               const struct gn_statistics *of)
{
    return (struct gn_norm){.channels = channels,
                            .gamma = call->gamma ? call->gamma + first : NULL,
                            .beta = call->beta ? call->beta + first : NULL,
                            .of = *of};
}

static int64_t one_step(const struct gn_job *job, int64_t item)
{
    (void)job;
    (void)item;
    return 1;
}

static struct gn_job forward_job(const gn_plan *plan)
{
    struct gn_job job = {.tiles = plan->tiles, .steps = one_step};
    if (plan->columns)
        gn_forward_columns(plan, &job);
    else
        gn_forward_rows(plan, &job);
    return job;
}

int64_t gn_forward_scratch(const gn_plan *plan, int threads)
{
    struct gn_job job = forward_job(plan);
    return gn_schedule_scratch(&job, threads);
}

gn_status gn_forward_run(const struct gn_forward_call *call)
{
    const gn_plan *plan = call->plan;
    if (plan->elements == 0) {
        const struct gn_statistics none = {NAN, NAN, NAN};
        for (int64_t group = 0; group < plan->N * plan->G; group++)
            gn_forward_store(call, group, &none);
        return GN_OK;
    }
    struct gn_job job = forward_job(plan);
    job.call = call;
    return gn_plan_run(plan, &job);
}
