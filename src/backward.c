/* SPDX-License-Identifier: MIT */
/*
 * With A = sum dy and B = sum dy * (x - mean) over a channel of a group of m elements,
 *
 *     dx = rstd * gamma * dy - rstd * P/m - (x - mean) * rstd^3 * R/m,
 *     P = sum_c gamma * A,  R = sum_c gamma * B,
 *     dbeta = sum_n A,      dgamma = sum_n rstd * B.
 *
 * The kernels sum about the mean as it was stored, rounded to float. Where what the rounding took
 * away matters, low = mean - stored is found again from x, and B = B_stored - low * A; a stored
 * mean that is not that of x is taken as it is. An rstd that is no normal float is found again too.
 */
#include "backward.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* An item is a block of samples: of one group in channels first, of all in channels last. */
static int64_t item_block(const gn_plan *plan, int64_t item)
{
    return plan->columns ? item : item / plan->G;
}

int64_t gn_backward_sample(const gn_plan *plan, int64_t item, int64_t step)
{
    return item_block(plan, item) * plan->block_samples + step;
}

static int64_t block_steps(const struct gn_job *job, int64_t item)
{
    const struct gn_backward_call *call = job->call;
    const gn_plan *plan = call->plan;
    int64_t left = plan->N - gn_backward_sample(plan, item, 0);
    return left < plan->block_samples ? left : plan->block_samples;
}

static bool is_normal_or_zero(double rstd)
{
    return rstd == 0 || (rstd >= FLT_MIN && rstd <= FLT_MAX);
}

/*
 * The rounding of the mean is up to u * |mean| * rstd in xhat: from a deviation below the mean on,
 * more than the rounding of xhat itself. Where rstd is NaN, all is.
 */
bool gn_rounding_matters(const struct gn_backward_call *call, int64_t group)
{
    double mean = (double)call->mean[group], rstd = (double)call->rstd[group];
    return !isnan(rstd) && (fabs(mean * rstd) > 1.0 || !is_normal_or_zero(rstd));
}

struct gn_group gn_start_group(const struct gn_backward_call *call, int64_t n, int64_t g,
                               const struct gn_moments *moments)
{
    int64_t index = n * call->plan->G + g;
    struct gn_group group = {.of = {(double)call->mean[index], 0, (double)call->rstd[index]}};
    if (!gn_rounding_matters(call, index))
        return group;
    struct gn_moments all = gn_plan_merge(call->plan, moments, g);
    struct gn_statistics found = gn_finish_moments(&all, call->plan->desc.epsilon);
    double low = (found.mean - group.of.mean) + found.low;
    if (fabs(low) <= fmax(FLT_EPSILON * fabs(group.of.mean), FLT_TRUE_MIN))
        group.of.low = low;
    if (!is_normal_or_zero(group.of.rstd))
        group.of.rstd = found.rstd;
    return group;
}

struct gn_norm gn_backward_norm(const struct gn_backward_call *call, int64_t first,
                                int64_t channels, const struct gn_group *group)
{
    return (struct gn_norm){.channels = channels,
                            .gamma = call->gamma ? call->gamma + first : NULL,
                            .of = group->of,
                            .slope = group->slope,
                            .offset = group->offset};
}

/*
 * Adds a group's part of dgamma and dbeta to the sums over the item's block of samples, which are
 * two arrays of C for each block; the block's first step sets them.
 */
static void add_parameters(const struct gn_job *job, int64_t item, int64_t step, int64_t g,
                           const double *dy, const double *dyx, int64_t stride,
                           const struct gn_group *group)
{
    const struct gn_backward_call *call = job->call;
    const gn_plan *plan = call->plan;
    double *dgamma = (double *)job->left + item_block(plan, item) * 2 * plan->C + g * plan->D;
    double *dbeta = dgamma + plan->C;
    for (int64_t c = 0; c < plan->D; c++) {
        double A = dy[c * stride], B = dyx[c * stride] - group->of.low * A;
        dgamma[c] = (step ? dgamma[c] : 0) + B * group->of.rstd;
        dbeta[c] = (step ? dbeta[c] : 0) + A;
    }
}

static void collect_parameters(const struct gn_job *job, int64_t first, int64_t last)
{
    const struct gn_backward_call *call = job->call;
    const gn_plan *plan = call->plan;
    const double *sums = job->left;
    for (int64_t c = first; c < last; c++) {
        double dgamma = 0, dbeta = 0;
        for (int64_t block = 0; block < plan->blocks; block++) {
            dgamma += sums[block * 2 * plan->C + c];
            dbeta += sums[block * 2 * plan->C + plan->C + c];
        }
        if (call->dgamma)
            call->dgamma[c] = (float)dgamma;
        if (call->dbeta)
            call->dbeta[c] = (float)dbeta;
    }
}

void gn_finish_group(const struct gn_job *job, int64_t item, int64_t step, int64_t g,
                     const double *dy, const double *dyx, int64_t stride, struct gn_group *group)
{
    const struct gn_backward_call *call = job->call;
    const gn_plan *plan = call->plan;
    const float *gamma = call->gamma ? call->gamma + g * plan->D : NULL;
    double inverse = 1.0 / (double)(plan->D * plan->S);
    double P = 0, R = 0;
    for (int64_t c = 0; c < plan->D; c++) {
        double weight = gamma ? (double)gamma[c] : 1, A = dy[c * stride];
        P += weight * A;
        R += weight * (dyx[c * stride] - group->of.low * A);
    }
    group->slope = -(R * inverse * group->of.rstd) * group->of.rstd * group->of.rstd;
    group->offset = -group->of.rstd * (P * inverse) - group->slope * group->of.low;
    if (job->left)
        add_parameters(job, item, step, g, dy, dyx, stride, group);
}

static struct gn_job backward_job(const gn_plan *plan)
{
    struct gn_job job = {.tiles = plan->tiles, .steps = block_steps};
    if (plan->columns)
        gn_backward_columns(plan, &job);
    else
        gn_backward_rows(plan, &job);
    job.collects = plan->C;
    job.collect = collect_parameters;
    job.left_bytes = gn_round_up(plan->blocks * 2 * plan->C * (int64_t)sizeof(double));
    return job;
}

int64_t gn_backward_scratch(const gn_plan *plan, int threads)
{
    struct gn_job job = backward_job(plan);
    return gn_schedule_scratch(&job, threads);
}

gn_status gn_backward_run(const struct gn_backward_call *call)
{
    const gn_plan *plan = call->plan;
    if (plan->elements == 0) {
        if (call->dgamma)
            memset(call->dgamma, 0, (size_t)plan->C * sizeof *call->dgamma);
        if (call->dbeta)
            memset(call->dbeta, 0, (size_t)plan->C * sizeof *call->dbeta);
        return GN_OK;
    }
    struct gn_job job = backward_job(plan);
    job.call = call;
    if (!call->dx)
        job.apply = NULL;
    if (!call->dgamma && !call->dbeta) {
        job.collects = 0;
        job.left_bytes = 0;
    }
    return gn_plan_run(plan, &job);
}
