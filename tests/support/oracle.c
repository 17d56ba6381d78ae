/* SPDX-License-Identifier: MIT */
#include "oracle_parts.h"

#include <stdlib.h>

int64_t parameters(const struct oracle_problem *in)
{
    return in->affine == GN_AFFINE_SAMPLE ? in->n * in->c : in->c;
}

struct row row_of(const struct oracle *o, int64_t number)
{
    const struct oracle_problem *in = &o->in;
    const int64_t n = number / in->c, c = number % in->c;
    const int64_t parameter = in->affine == GN_AFFINE_SAMPLE ? number : c;
    struct row row = {.first = number * in->s,
                      .stride = 1,
                      .group = &o->groups[n * in->g + c / (in->c / in->g)],
                      .channel = &o->channels[parameter],
                      .gamma = in->gamma ? type_load(in->param_type, in->gamma, parameter) : 1,
                      .beta = in->beta ? type_load(in->param_type, in->beta, parameter) : 0};

    if (in->layout == GN_CHANNELS_LAST) {
        row.first = n * in->s * in->c + c;
        row.stride = in->c;
    }
    return row;
}

/* The number of elements per group. */
static int64_t group_size(const struct oracle_problem *in)
{
    return in->c / in->g * in->s;
}

/* The first pass computes a mean. The second computes the deviations from it, and from their sum
 * the small error of that mean. */
static void find_statistics(const struct oracle *o, int64_t number)
{
    const struct oracle_problem *in = &o->in;
    const int64_t d = in->c / in->g; /* the rows of a group are consecutive */
    const long double m = (long double)group_size(in);
    struct group *group = &o->groups[number];
    struct sum sum = {0}, off = {0}, squares = {0};

    if (in->mean) {
        group->near = type_load(oracle_type(o, ORACLE_MEAN), in->mean, number);
        group->rstd = type_load(oracle_type(o, ORACLE_RSTD), in->rstd, number);
        if (is_infinite(group->rstd))
            group->rstd = NAN;
        return;
    }
    for (int64_t r = number * d; r < (number + 1) * d; r++) {
        const struct row row = row_of(o, r);
        for (int64_t k = 0; k < in->s; k++)
            sum_add(&sum, type_load(in->x_type, in->x, row.first + k * row.stride));
    }
    const long double near = sum_total(&sum) / m;
    for (int64_t r = number * d; r < (number + 1) * d; r++) {
        const struct row row = row_of(o, r);
        for (int64_t k = 0; k < in->s; k++) {
            const long double diff =
                type_load(in->x_type, in->x, row.first + k * row.stride) - near;
            sum_add(&off, diff);
            sum_add(&squares, diff * diff);
        }
    }
    const long double rest = sum_total(&off) / m;
    const long double var = sum_total(&squares) / m - rest * rest;

    group->near = is_finite(near) ? near : NAN;
    group->rest = rest;
    group->dev = sqrtl(fmaxl(var, 0));
    group->rstd = is_finite(near) ? 1 / sqrtl(fmaxl(var, 0) + in->eps) : NAN;
}

static void add_sum(struct sum *sum, const struct sum *terms, long double factor)
{
    sum_add(sum, factor * terms->high);
    sum_add(sum, factor * terms->low);
}

/* Adds the sums over one row to its channel and its group. */
static void add_gradients(const struct oracle *o, int64_t number)
{
    const struct row row = row_of(o, number);
    const long double gamma = fabsl(row.gamma);
    struct group *group = row.group;
    struct channel *channel = row.channel;
    struct sum sum = {0}, sum_xhat = {0};
    long double size = 0, size_xhat = 0, unsure[ORACLE_BOUNDS] = {0},
                unsure_xhat[ORACLE_BOUNDS] = {0};
    struct g g;

    for (int64_t s = 0; s < o->in.s; s++) {
        const int64_t i = row.first + s * row.stride;
        const long double xhat = xhat_at(o, &row, i);

        find_g(o, &row, xhat, i, &g);
        sum_add(&sum, g.value);
        sum_add(&sum_xhat, g.value * xhat);
        size += g.size;
        size_xhat += g.size * fabsl(xhat);
        for (int k = 0; o->in.activation == GN_ACTIVATION_RELU && k < ORACLE_BOUNDS; k++) {
            unsure[k] += g.unsure[k];
            unsure_xhat[k] += g.unsure[k] * fabsl(xhat);
        }
    }
    add_sum(&channel->dbeta, &sum, 1);
    add_sum(&channel->dgamma, &sum_xhat, 1);
    channel->dbeta_size += size;
    channel->dgamma_size += size + size_xhat;
    channel->nonfinite = channel->nonfinite || isnan(group->near);
    add_sum(&group->sum_a, &sum, row.gamma);
    add_sum(&group->sum_b, &sum_xhat, row.gamma);
    group->p += gamma * size;
    group->r += gamma * size_xhat;
    for (int k = 0; k < ORACLE_BOUNDS; k++) {
        channel->unsure_dbeta[k] += unsure[k];
        channel->unsure_dgamma[k] += unsure_xhat[k];
        group->unsure_a[k] += gamma * unsure[k];
        group->unsure_b[k] += gamma * unsure_xhat[k];
    }
}

/* Divides a group's sums by its number of elements. */
static void divide_gradients(struct group *group, long double m)
{
    group->a = sum_total(&group->sum_a) / m;
    group->b = sum_total(&group->sum_b) / m;
    group->p /= m;
    group->r /= m;
    for (int k = 0; k < ORACLE_BOUNDS; k++) {
        group->unsure_a[k] /= m;
        group->unsure_b[k] /= m;
    }
}

struct oracle *oracle_create(const struct oracle_problem *problem)
{
    const int64_t groups = problem->n * problem->g;
    struct oracle *o = calloc(1, sizeof(*o));

    if (!o)
        return NULL;
    o->in = *problem;
    o->groups = calloc((size_t)groups, sizeof(*o->groups));
    o->channels = calloc((size_t)parameters(problem), sizeof(*o->channels));
    if (!o->groups || !o->channels) {
        oracle_destroy(o);
        return NULL;
    }
    for (int64_t i = 0; i < groups; i++)
        find_statistics(o, i);
    for (int64_t row = 0; problem->dy && row < problem->n * problem->c; row++)
        add_gradients(o, row);
    for (int64_t i = 0; i < groups; i++)
        divide_gradients(&o->groups[i], (long double)group_size(problem));
    return o;
}

void oracle_destroy(struct oracle *oracle)
{
    if (!oracle)
        return;
    free(oracle->groups);
    free(oracle->channels);
    free(oracle);
}
