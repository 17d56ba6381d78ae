/* SPDX-License-Identifier: MIT */
#include "exact_parts.h"

#include <math.h>
#include <stdlib.h>

void sum_add(struct sum *sum, long double value)
{
    const long double next = sum->high + value;

    if (fabsl(sum->high) >= fabsl(value))
        sum->low += sum->high - next + value;
    else
        sum->low += value - next + sum->high;
    sum->high = next;
}

long double sum_total(const struct sum *sum)
{
    /* What was lost of an infinity is no number. */
    return is_finite(sum->high) ? sum->high + sum->low : sum->high;
}

struct group *group_of(const struct exact *e, int64_t row)
{
    const struct exact_problem *in = &e->in;

    return &e->groups[row / in->c * in->g + row % in->c / (in->c / in->g)];
}

static int64_t parameter_of(const struct exact_problem *in, int64_t row)
{
    return in->affine == GN_AFFINE_SAMPLE ? row : row % in->c;
}

int64_t parameters(const struct exact_problem *in)
{
    return in->affine == GN_AFFINE_SAMPLE ? in->n * in->c : in->c;
}

struct element element_at(const struct exact *e, int64_t row, int64_t i)
{
    const struct exact_problem *in = &e->in;
    const struct group *group = group_of(e, row);
    const int64_t parameter = parameter_of(in, row);
    struct element at = {.xhat = (in->x[i] - group->near - group->rest) * group->rstd,
                         .gamma = in->gamma ? in->gamma[parameter] : 1,
                         .beta = in->beta ? in->beta[parameter] : 0};
    const long double product = at.gamma * at.xhat, size = fabsl(product);
    const long double gamma = fabsl(at.gamma), beta = fabsl(at.beta);

    at.z = product + at.beta;
    at.z_size[EXACT_INDEPENDENT] = 5 * size + 2 * gamma + 2 * beta;
    at.z_size[EXACT_ALWAYS] =
        in->mean ? at.z_size[EXACT_INDEPENDENT] : 48 * size + 26 * gamma + 2 * beta;
    if (!in->dy)
        return at;
    /* Without an activation dbeta does not depend on x, but no one says so for x = NaN. */
    at.g = isnan(at.z) ? at.z : in->dy[i] * exact_slope(in->activation, at.z);
    at.g_size = fabsl(in->dy[i]);
    for (int k = 0; k < EXACT_BOUNDS; k++) {
        if (in->activation == GN_ACTIVATION_RELU && fabsl(at.z) <= exact_unit(e) * at.z_size[k])
            at.unsure[k] = at.g_size;
    }
    if (in->activation != GN_ACTIVATION_IDENTITY)
        at.g_size *= 2 + size + gamma + beta;
    return at;
}

/* The first pass finds a mean; the second the deviations from it, and with that the little by which
 * that mean is wrong. */
static void find_statistics(const struct exact *e, int64_t n, int64_t g)
{
    const struct exact_problem *in = &e->in;
    const int64_t m = in->c / in->g * in->s; /* the group's elements are neighbours */
    const long double *x = in->x + (n * in->g + g) * m;
    struct group *group = &e->groups[n * in->g + g];
    struct sum sum = {0}, off = {0}, squares = {0};

    if (in->mean) {
        group->near = in->mean[n * in->g + g];
        group->rstd = in->rstd[n * in->g + g];
        if (is_infinite(group->rstd))
            group->rstd = NAN;
        return;
    }
    for (int64_t i = 0; i < m; i++)
        sum_add(&sum, x[i]);
    const long double near = sum_total(&sum) / (long double)m;
    for (int64_t i = 0; i < m; i++) {
        sum_add(&off, x[i] - near);
        sum_add(&squares, (x[i] - near) * (x[i] - near));
    }
    const long double rest = sum_total(&off) / (long double)m;
    const long double var = sum_total(&squares) / (long double)m - rest * rest;

    group->near = is_finite(near) ? near : NAN;
    group->rest = rest;
    group->dev = sqrtl(fmaxl(var, 0));
    group->rstd = is_finite(near) ? 1 / sqrtl(fmaxl(var, 0) + in->eps) : NAN;
}

static void add_gradients(const struct exact *e, int64_t row)
{
    const struct exact_problem *in = &e->in;
    const long double m = (long double)(in->c / in->g * in->s);
    struct group *group = group_of(e, row);
    struct channel *channel = &e->channels[parameter_of(in, row)];

    for (int64_t i = row * in->s; i < (row + 1) * in->s; i++) {
        const struct element at = element_at(e, row, i);
        const long double gamma = fabsl(at.gamma), xhat = fabsl(at.xhat);

        sum_add(&channel->dbeta, at.g);
        sum_add(&channel->dgamma, at.g * at.xhat);
        channel->dbeta_size += at.g_size;
        channel->dgamma_size += at.g_size * (1 + xhat);
        sum_add(&group->a, at.gamma * at.g / m);
        sum_add(&group->b, at.gamma * at.g * at.xhat / m);
        group->p += gamma * at.g_size / m;
        group->r += gamma * at.g_size * xhat / m;
        for (int k = 0; k < EXACT_BOUNDS; k++) {
            channel->unsure_dbeta[k] += at.unsure[k];
            channel->unsure_dgamma[k] += at.unsure[k] * xhat;
            group->unsure_a[k] += gamma * at.unsure[k] / m;
            group->unsure_b[k] += gamma * at.unsure[k] * xhat / m;
        }
    }
}

struct exact *exact_create(const struct exact_problem *problem)
{
    struct exact *e = calloc(1, sizeof(*e));

    if (!e)
        return NULL;
    e->in = *problem;
    e->groups = calloc((size_t)(problem->n * problem->g), sizeof(*e->groups));
    e->channels = calloc((size_t)parameters(problem), sizeof(*e->channels));
    if (!e->groups || !e->channels) {
        exact_destroy(e);
        return NULL;
    }
    for (int64_t i = 0; i < problem->n * problem->g; i++)
        find_statistics(e, i / problem->g, i % problem->g);
    for (int64_t row = 0; problem->dy && row < problem->n * problem->c; row++)
        add_gradients(e, row);
    return e;
}

void exact_destroy(struct exact *exact)
{
    if (!exact)
        return;
    free(exact->groups);
    free(exact->channels);
    free(exact);
}
