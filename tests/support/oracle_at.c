/* SPDX-License-Identifier: MIT */
#include "oracle_parts.h"

#include <math.h>

int64_t oracle_count(const struct oracle *oracle, enum oracle_output output)
{
    const struct oracle_problem *in = &oracle->in;

    switch (output) {
    case ORACLE_MEAN:
    case ORACLE_RSTD:
        return in->n * in->g;
    case ORACLE_DGAMMA:
    case ORACLE_DBETA:
        return parameters(in);
    case ORACLE_DSKIP:
        return in->n * in->c;
    case ORACLE_Y:
    case ORACLE_DX:
        break;
    }
    return in->n * in->c * in->s;
}

gn_type oracle_type(const struct oracle *oracle, enum oracle_output output)
{
    switch (output) {
    case ORACLE_MEAN:
    case ORACLE_RSTD:
        return oracle->in.x_type == GN_F64 ? GN_F64 : GN_F32;
    case ORACLE_Y:
        return oracle->in.y_type;
    case ORACLE_DGAMMA:
    case ORACLE_DBETA:
        return oracle->in.param_type;
    case ORACLE_DX:
    case ORACLE_DSKIP:
        break;
    }
    return oracle->in.x_type;
}

long double oracle_unit(const struct oracle *oracle)
{
    return oracle->in.x_type == GN_F64 ? 0x1p-53L : 0x1p-24L;
}

static struct oracle_answer mean_of(const struct group *group)
{
    const long double mean = group->near + group->rest;

    return (struct oracle_answer){
        mean, {fabsl(mean) + 22 * group->dev, fabsl(mean) + group->dev}, {0}};
}

static struct oracle_answer rstd_of(const struct oracle *o, const struct group *group)
{
    const struct oracle_problem *in = &o->in;
    const long double m = (long double)(in->c / in->g * in->s), rstd = group->rstd;
    const long double most = in->x_type == GN_F64 ? 42 + log2l(m) : 42;

    return (struct oracle_answer){rstd, {most * rstd, 3 * rstd}, {0}};
}

void find_y(const struct oracle *o, const struct row *row, int64_t i, struct oracle_answer *y)
{
    const long double xhat = xhat_at(o, row, i);

    y->value = oracle_activation(o->in.activation, row->gamma * xhat + row->beta);
    for (int k = 0; k < ORACLE_BOUNDS; k++) {
        y->size[k] = z_size(o, row, xhat, (enum oracle_bound)k);
        if (o->in.activation == GN_ACTIVATION_SILU)
            y->size[k] = 1.1L * y->size[k] + 8 * fabsl(y->value);
        y->extra[k] = 0;
    }
}

void find_dx(const struct oracle *o, const struct row *row, int64_t i, struct oracle_answer *dx)
{
    const struct group *group = row->group;
    const long double xhat = xhat_at(o, row, i), gamma = fabsl(row->gamma);
    const long double a = group->a, b = group->b;
    struct g g;

    find_g(o, row, xhat, i, &g);
    const long double size = gamma * g.size + group->p + (1 + fabsl(xhat)) * (group->r + fabsl(a));
    dx->value = group->rstd * (row->gamma * g.value - a - xhat * b);
    for (int k = 0; k < ORACLE_BOUNDS; k++) {
        const long double factor = (k == ORACLE_ALWAYS ? 192 : 6) * group->rstd;
        dx->size[k] = factor * size;
        dx->extra[k] = 0;
        if (o->in.activation == GN_ACTIVATION_RELU) {
            dx->size[k] += factor * (1 + fabsl(xhat)) * group->unsure_a[k];
            dx->extra[k] = group->rstd * (gamma * g.unsure[k] + group->unsure_a[k] +
                                          fabsl(xhat) * group->unsure_b[k]);
        }
    }
}

/* The terms are as accurate as GN_F32, or GN_F64 if they are computed in it, whatever type stores
 * them. */
static struct oracle_answer dskip_at(const struct oracle *o, int64_t number)
{
    const gn_type type = o->in.x_type == GN_F64 ? GN_F64 : GN_F32;
    const struct row row = row_of(o, number);
    struct oracle_answer dskip = {0}, dx;
    struct sum sum = {0};

    for (int64_t s = 0; s < o->in.s; s++) {
        find_dx(o, &row, row.first + s * row.stride, &dx);
        const bool tiny = fabsl(dx.value) < type_normal(type);

        sum_add(&sum, dx.value);
        for (int k = 0; k < ORACLE_BOUNDS; k++) {
            dskip.size[k] += dx.size[k];
            dskip.extra[k] += dx.extra[k] + (tiny ? type_subnormal(type) : 0);
        }
    }
    dskip.value = sum_total(&sum);
    return dskip;
}

static struct oracle_answer dgamma_of(const struct channel *channel)
{
    return (struct oracle_answer){sum_total(&channel->dgamma),
                                  {64 * channel->dgamma_size, 4 * channel->dgamma_size},
                                  {channel->unsure_dgamma[0], channel->unsure_dgamma[1]}};
}

static struct oracle_answer dbeta_of(const struct channel *channel)
{
    return (struct oracle_answer){sum_total(&channel->dbeta),
                                  {24 * channel->dbeta_size, 2 * channel->dbeta_size},
                                  {channel->unsure_dbeta[0], channel->unsure_dbeta[1]}};
}

/* The row that holds element i of x. */
static struct row row_with(const struct oracle *o, int64_t i)
{
    const int64_t c = o->in.c, s = o->in.s;

    return row_of(o, o->in.layout == GN_CHANNELS_LAST ? i / (c * s) * c + i % c : i / s);
}

struct oracle_answer oracle_at(const struct oracle *oracle, enum oracle_output output, int64_t i)
{
    struct oracle_answer answer = {0};
    struct row row;

    switch (output) {
    case ORACLE_MEAN:
        return mean_of(&oracle->groups[i]);
    case ORACLE_RSTD:
        return rstd_of(oracle, &oracle->groups[i]);
    case ORACLE_DGAMMA:
        return dgamma_of(&oracle->channels[i]);
    case ORACLE_DBETA:
        return dbeta_of(&oracle->channels[i]);
    case ORACLE_DSKIP:
        return dskip_at(oracle, i);
    case ORACLE_Y:
        row = row_with(oracle, i);
        find_y(oracle, &row, i, &answer);
        break;
    case ORACLE_DX:
        row = row_with(oracle, i);
        find_dx(oracle, &row, i, &answer);
        break;
    }
    return answer;
}
