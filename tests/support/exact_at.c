/* SPDX-License-Identifier: MIT */
#include "exact_parts.h"

#include <math.h>

int64_t exact_count(const struct exact *exact, enum exact_output output)
{
    const struct exact_problem *in = &exact->in;

    switch (output) {
    case EXACT_MEAN:
    case EXACT_RSTD:
        return in->n * in->g;
    case EXACT_DGAMMA:
    case EXACT_DBETA:
        return parameters(in);
    case EXACT_DSKIP:
        return in->n * in->c;
    default:
        return in->n * in->c * in->s;
    }
}

gn_type exact_type(const struct exact *exact, enum exact_output output)
{
    switch (output) {
    case EXACT_MEAN:
    case EXACT_RSTD:
        return exact->in.x_type == GN_F64 ? GN_F64 : GN_F32;
    case EXACT_Y:
        return exact->in.y_type;
    case EXACT_DGAMMA:
    case EXACT_DBETA:
        return exact->in.param_type;
    default:
        return exact->in.x_type;
    }
}

long double exact_unit(const struct exact *exact)
{
    return exact->in.x_type == GN_F64 ? 0x1p-53L : 0x1p-24L;
}

static struct exact_answer statistic_at(const struct exact *e, enum exact_output output, int64_t i)
{
    const struct exact_problem *in = &e->in;
    const struct group *group = &e->groups[i];
    const long double mean = group->near + group->rest, rstd = group->rstd;
    const long double m = (long double)(in->c / in->g * in->s);
    const long double most = in->x_type == GN_F64 ? 42 + log2l(m) : 42;

    if (output == EXACT_RSTD)
        return (struct exact_answer){rstd, {most * rstd, 3 * rstd}, {0}};
    return (struct exact_answer){
        mean, {fabsl(mean) + 22 * group->dev, fabsl(mean) + group->dev}, {0}};
}

static struct exact_answer y_at(const struct exact *e, int64_t i)
{
    const struct element at = element_at(e, i / e->in.s, i);
    struct exact_answer y = {exact_activation(e->in.activation, at.z), {0}, {0}};

    for (int k = 0; k < EXACT_BOUNDS; k++) {
        y.size[k] = at.z_size[k];
        if (e->in.activation == GN_ACTIVATION_SILU)
            y.size[k] = 1.1L * at.z_size[k] + 8 * fabsl(y.value);
    }
    return y;
}

static struct exact_answer dx_at(const struct exact *e, int64_t i)
{
    const struct group *group = group_of(e, i / e->in.s);
    const struct element at = element_at(e, i / e->in.s, i);
    const long double gamma = fabsl(at.gamma), xhat = fabsl(at.xhat);
    const long double a = sum_total(&group->a), b = sum_total(&group->b);
    struct exact_answer dx = {group->rstd * (at.gamma * at.g - a - at.xhat * b), {0}, {0}};

    for (int k = 0; k < EXACT_BOUNDS; k++) {
        const long double mean = fabsl(a) + group->unsure_a[k];
        dx.size[k] = (k == EXACT_ALWAYS ? 192 : 6) * group->rstd *
                     (gamma * at.g_size + group->p + (1 + xhat) * (group->r + mean));
        dx.extra[k] =
            group->rstd * (gamma * at.unsure[k] + group->unsure_a[k] + xhat * group->unsure_b[k]);
    }
    return dx;
}

/* The terms are as accurate as GN_F32, or GN_F64, whatever type they are stored in. */
static struct exact_answer dskip_at(const struct exact *e, int64_t row)
{
    const gn_type type = e->in.x_type == GN_F64 ? GN_F64 : GN_F32;
    struct exact_answer dskip = {0};
    struct sum sum = {0};

    for (int64_t i = row * e->in.s; i < (row + 1) * e->in.s; i++) {
        const struct exact_answer dx = dx_at(e, i);
        const bool tiny = fabsl(dx.value) < type_normal(type);

        sum_add(&sum, dx.value);
        for (int k = 0; k < EXACT_BOUNDS; k++) {
            dskip.size[k] += dx.size[k];
            dskip.extra[k] += dx.extra[k] + (tiny ? type_subnormal(type) : 0);
        }
    }
    dskip.value = sum_total(&sum);
    return dskip;
}

struct exact_answer exact_at(const struct exact *exact, enum exact_output output, int64_t i)
{
    const struct channel *channel =
        &exact->channels[output == EXACT_DGAMMA || output == EXACT_DBETA ? i : 0];

    switch (output) {
    case EXACT_Y:
        return y_at(exact, i);
    case EXACT_DX:
        return dx_at(exact, i);
    case EXACT_DGAMMA:
        return (struct exact_answer){sum_total(&channel->dgamma),
                                     {64 * channel->dgamma_size, 4 * channel->dgamma_size},
                                     {channel->unsure_dgamma[0], channel->unsure_dgamma[1]}};
    case EXACT_DBETA:
        return (struct exact_answer){sum_total(&channel->dbeta),
                                     {24 * channel->dbeta_size, 2 * channel->dbeta_size},
                                     {channel->unsure_dbeta[0], channel->unsure_dbeta[1]}};
    case EXACT_DSKIP:
        return dskip_at(exact, i);
    default:
        return statistic_at(exact, output, i);
    }
}
