/* SPDX-License-Identifier: MIT */
#include "oracle.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

/* The statistics of one group; a and b are the two means in the formula of dx, P and R those of the
 * magnitudes. */
struct group {
    long double mean, dev, rstd;
    long double a, b, p, r;
};

/* The gradients of one channel, and the sums that bound their errors. */
struct channel {
    long double dgamma, dbeta;
    long double dgamma_size, dbeta_size;
};

struct oracle {
    struct oracle_problem in;
    struct group *groups;     /* [N, G] */
    struct channel *channels; /* as gamma */
};

/* Where the elements of one channel of one sample lie. */
struct run {
    int64_t first, stride;
};

static struct run run_of(const struct oracle_problem *in, int64_t n, int64_t c)
{
    if (in->channels_last)
        return (struct run){n * in->s * in->c + c, in->c};
    return (struct run){(n * in->c + c) * in->s, 1};
}

static struct group *group_of(const struct oracle *o, int64_t n, int64_t c)
{
    return &o->groups[n * o->in.g + c / (o->in.c / o->in.g)];
}

/* Where the parameters of a channel lie, and how many of each there are. */
static int64_t parameter_of(const struct oracle_problem *in, int64_t n, int64_t c)
{
    return in->per_sample ? n * in->c + c : c;
}

static int64_t parameters(const struct oracle_problem *in)
{
    return in->per_sample ? in->n * in->c : in->c;
}

static long double gamma_of(const struct oracle_problem *in, int64_t n, int64_t c)
{
    return in->gamma ? in->gamma[parameter_of(in, n, c)] : 1.0L;
}

static long double beta_of(const struct oracle_problem *in, int64_t n, int64_t c)
{
    return in->beta ? in->beta[parameter_of(in, n, c)] : 0.0L;
}

/* The first pass finds a mean; the second finds the deviation from it, and with that the little by
 * which rounding put that mean wrong. */
static void find_statistics(const struct oracle *o, int64_t n, int64_t g)
{
    const struct oracle_problem *in = &o->in;
    const int64_t d = in->c / in->g;
    const long double m = (long double)d * (long double)in->s;
    struct group *group = &o->groups[n * in->g + g];
    long double sum = 0, off = 0, squares = 0;

    for (int64_t c = g * d; c < (g + 1) * d; c++) {
        const struct run run = run_of(in, n, c);
        for (int64_t s = 0; s < in->s; s++)
            sum += in->x[run.first + s * run.stride];
    }
    const long double near = sum / m;

    for (int64_t c = g * d; c < (g + 1) * d; c++) {
        const struct run run = run_of(in, n, c);
        for (int64_t s = 0; s < in->s; s++) {
            const long double diff = in->x[run.first + s * run.stride] - near;
            off += diff;
            squares += diff * diff;
        }
    }
    const long double var = fmaxl((squares - off * off / m) / m, 0.0L);

    group->mean = near + off / m;
    group->dev = sqrtl(var);
    group->rstd = 1.0L / sqrtl(var + in->eps);
}

/* The sums over one channel of one sample, into its channel and its group. */
static void add_gradients(const struct oracle *o, int64_t n, int64_t c)
{
    const struct oracle_problem *in = &o->in;
    const struct run run = run_of(in, n, c);
    struct group *group = group_of(o, n, c);
    struct channel *channel = &o->channels[parameter_of(in, n, c)];
    const long double gamma = gamma_of(in, n, c);
    long double sum = 0, size = 0, sum_xhat = 0, size_xhat = 0;

    for (int64_t s = 0; s < in->s; s++) {
        const int64_t i = run.first + s * run.stride;
        const long double dy = in->dy[i];
        const long double dy_xhat = dy * ((in->x[i] - group->mean) * group->rstd);
        sum += dy;
        size += fabsl(dy);
        sum_xhat += dy_xhat;
        size_xhat += fabsl(dy_xhat);
    }
    channel->dbeta += sum;
    channel->dbeta_size += size;
    channel->dgamma += sum_xhat;
    channel->dgamma_size += size + size_xhat;

    const long double m = (long double)(in->c / in->g) * (long double)in->s;
    group->a += gamma * sum / m;
    group->b += gamma * sum_xhat / m;
    group->p += fabsl(gamma) * size / m;
    group->r += fabsl(gamma) * size_xhat / m;
}

struct oracle *oracle_create(const struct oracle_problem *problem)
{
    struct oracle *o = malloc(sizeof(*o));

    if (!o)
        return NULL;
    o->in = *problem;
    o->groups = calloc((size_t)(problem->n * problem->g), sizeof(*o->groups));
    o->channels = calloc((size_t)parameters(problem), sizeof(*o->channels));
    if (!o->groups || !o->channels) {
        oracle_destroy(o);
        return NULL;
    }
    for (int64_t n = 0; n < problem->n; n++) {
        for (int64_t g = 0; g < problem->g; g++)
            find_statistics(o, n, g);
        for (int64_t c = 0; problem->dy && c < problem->c; c++)
            add_gradients(o, n, c);
    }
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
    default:
        return in->n * in->c * in->s;
    }
}

/* An exact value, and the size that each column of bounds multiplies by 2^-24. */
struct exact {
    long double value;
    long double size[2];
};

static struct exact exact_y(const struct oracle *o, int64_t n, int64_t c, float x)
{
    const struct group *group = group_of(o, n, c);
    const long double gamma = gamma_of(&o->in, n, c), beta = beta_of(&o->in, n, c);
    const long double product = gamma * ((x - group->mean) * group->rstd);

    return (struct exact){product + beta,
                          {48 * fabsl(product) + 26 * fabsl(gamma) + 2 * fabsl(beta),
                           5 * fabsl(product) + 2 * fabsl(gamma) + 2 * fabsl(beta)}};
}

static struct exact exact_dx(const struct oracle *o, int64_t n, int64_t c, float x, float dy)
{
    const struct group *group = group_of(o, n, c);
    const long double xhat = (x - group->mean) * group->rstd;
    const long double product = gamma_of(&o->in, n, c) * dy;
    const long double size = group->rstd * (fabsl(product) + group->p +
                                            (1 + fabsl(xhat)) * (group->r + fabsl(group->a)));

    return (struct exact){group->rstd * (product - group->a - xhat * group->b),
                          {192 * size, 6 * size}};
}

static struct exact exact_at(const struct oracle *o, enum oracle_output output, int64_t n,
                             int64_t c, int64_t i)
{
    switch (output) {
    case ORACLE_MEAN: {
        const long double mean = o->groups[i].mean, dev = o->groups[i].dev;
        return (struct exact){mean, {fabsl(mean) + 22 * dev, fabsl(mean) + dev}};
    }
    case ORACLE_RSTD: {
        const long double rstd = o->groups[i].rstd;
        return (struct exact){rstd, {42 * rstd, 3 * rstd}};
    }
    case ORACLE_DGAMMA: {
        const struct channel *channel = &o->channels[i];
        return (struct exact){channel->dgamma,
                              {64 * channel->dgamma_size, 4 * channel->dgamma_size}};
    }
    case ORACLE_DBETA: {
        const struct channel *channel = &o->channels[i];
        return (struct exact){channel->dbeta, {24 * channel->dbeta_size, 2 * channel->dbeta_size}};
    }
    case ORACLE_DX:
        return exact_dx(o, n, c, o->in.x[i], o->in.dy[i]);
    default:
        return exact_y(o, n, c, o->in.x[i]);
    }
}

/* Visits an output's elements as rows of equal (n, c); the small outputs are one row each. */
static void rows_of(const struct oracle *o, enum oracle_output output, int64_t *rows,
                    int64_t *length)
{
    const bool tensor = output == ORACLE_Y || output == ORACLE_DX;

    *rows = tensor ? o->in.n * o->in.c : 1;
    *length = tensor ? o->in.s : oracle_count(o, output);
}

static struct run row_of(const struct oracle *o, enum oracle_output output, int64_t row)
{
    if (output == ORACLE_Y || output == ORACLE_DX)
        return run_of(&o->in, row / o->in.c, row % o->in.c);
    return (struct run){0, 1};
}

void oracle_values(const struct oracle *oracle, enum oracle_output output, long double *values)
{
    const int64_t channels = oracle->in.c;
    int64_t rows, length;

    rows_of(oracle, output, &rows, &length);
    for (int64_t row = 0; row < rows; row++) {
        const struct run run = row_of(oracle, output, row);
        for (int64_t k = 0; k < length; k++) {
            const int64_t i = run.first + k * run.stride;
            values[i] = exact_at(oracle, output, row / channels, row % channels, i).value;
        }
    }
}

/* The error in units of the bound, or 0 where it is no more than worst. */
static long double error_beyond(const struct exact *exact, enum oracle_bound bound, float result,
                                long double worst)
{
    long double allowed = exact->size[bound] * 0x1p-24L;

    if (isnan(exact->value))
        return isnan(result) ? 0 : INFINITY;
    if (fabsl(exact->value) < FLT_MIN)
        allowed += 0x1p-149L;
    if (isinf(result) && (result > 0 ? exact->value : -exact->value) + allowed > FLT_MAX)
        return 0;

    const long double error = fabsl(result - exact->value);
    if (error <= worst * allowed)
        return 0;
    return isfinite(error) && allowed > 0 ? error / allowed : INFINITY;
}

double oracle_error(const struct oracle *oracle, enum oracle_output output, enum oracle_bound bound,
                    const float *result, int64_t *where)
{
    const int64_t channels = oracle->in.c;
    long double worst = 0;
    int64_t rows, length, at = 0;

    rows_of(oracle, output, &rows, &length);
    for (int64_t row = 0; row < rows; row++) {
        const struct run run = row_of(oracle, output, row);
        for (int64_t k = 0; k < length; k++) {
            const int64_t i = run.first + k * run.stride;
            const struct exact exact = exact_at(oracle, output, row / channels, row % channels, i);
            const long double error = error_beyond(&exact, bound, result[i], worst);
            if (error > worst) {
                worst = error;
                at = i;
            }
        }
    }
    if (where)
        *where = at;
    return (double)worst;
}
