/* SPDX-License-Identifier: MIT */
#include "norm/parameter_sums.h"

#include <string.h>

double *gn_parameter_sums(const struct gn_job *job, int64_t block, int64_t c)
{
    const struct gn_backward_call *call = job->call;
    return job->partial ? (double *)job->partial + block * 2 * call->plan->C + c : NULL;
}

void gn_clear_parameter_sums(const struct gn_job *job, int64_t block, int64_t c, int64_t channels)
{
    const struct gn_backward_call *call = job->call;
    double *sums = gn_parameter_sums(job, block, c);
    if (!sums)
        return;
    memset(sums, 0, (size_t)channels * sizeof *sums);
    memset(sums + call->plan->C, 0, (size_t)channels * sizeof *sums);
}

void gn_store_parameter_sums(const struct gn_job *job, int64_t block, int64_t n, int64_t c,
                             int64_t channels)
{
    const struct gn_backward_call *call = job->call;
    const double *dgamma = gn_parameter_sums(job, block, c);
    if (!dgamma)
        return;
    const double *dbeta = dgamma + call->plan->C;
    int64_t to = gn_parameter(call->plan, n, c);
    gn_type type = call->plan->desc.param;
    gn_put_doubles(call->dgamma, type, to, channels, dgamma);
    gn_put_doubles(call->dbeta, type, to, channels, dbeta);
}

void gn_reduce_parameter_sums(const struct gn_job *job, int64_t first, int64_t last)
{
    const struct gn_backward_call *call = job->call;
    const gn_plan *plan = call->plan;
    double *sums = job->partial;
    for (int64_t block = 1; block < plan->parts.blocks; block++) {
        const double *more = sums + block * 2 * plan->C;
        for (int64_t c = first; c < last; c++) {
            sums[c] += more[c];
            sums[plan->C + c] += more[plan->C + c];
        }
    }
    gn_store_parameter_sums(job, 0, 0, first, last - first);
}

int64_t gn_parameter_sums_bytes(const gn_plan *plan)
{
    return gn_round_up(plan->parts.blocks * 2 * plan->C * (int64_t)sizeof(double));
}
