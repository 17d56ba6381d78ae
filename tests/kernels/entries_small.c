/* SPDX-License-Identifier: MIT */
/* forward_small, backward_small: c->n samples of c->groups groups of c->tile.depth channels. */
#include "kernel_cases.h"

#include "support.h"
#include "typed.h"

#include <math.h>

static int64_t channels(const struct kernel_case *c)
{
    return c->groups * c->tile.depth;
}

static struct array *samples_of(struct kernel_case *c, const char *name)
{
    struct array *a = array_of(&c->arrays, name, GN_F32, c->n * channels(c), 0);

    for (int64_t i = 0; i < a->count; i++)
        set_initial(a, i, pick_value(c, i / c->tile.depth % MAX_GROUPS, GN_F32));
    return a;
}

static struct array *output(struct kernel_case *c, const char *name, int64_t count)
{
    struct array *a = array_of(&c->arrays, name, GN_F32, count, 0);

    array_is_output(a);
    return a;
}

static void open_samples(struct kernel_case *c)
{
    static const int64_t depths[] = {1,  2,  2,  3,  4,  4,  5,  8,  8,
                                     16, 16, 17, 31, 32, 33, 64, 65, 513};

    c->tile.depth = depths[pick(c, 0, 17)];
    c->groups = pick(c, 1, c->tile.depth > 65 ? 4 : 40);
    c->n = one_in(c, 4) && channels(c) < 50 ? pick(c, 60, 140) : pick(c, 1, 8);
    c->epsilon = one_in(c, 4) ? 0 : one_in(c, 4) ? 1e-30 : 1e-5;
    c->min_m2 = c->epsilon >= 0x1p-60 ? 0 : GN_LEAST_SQUARES;
    c->parameters =
        (struct gn_parameters){.type = GN_F32, .groups = c->groups, .depth = c->tile.depth};
    if (!one_in(c, 4))
        c->gamma = make_parameter(c, "gamma", 1);
    pick_ranges(c, GN_F32);
}

static void write_to(struct kernel_case *c, struct array *in_place)
{
    c->out = in_place;
    if (in_place)
        array_set_fate(in_place, WRITTEN);
    else
        c->out = output(c, "out", c->n * channels(c));
}

static struct gn_small small_of(const struct kernel_case *c)
{
    return (struct gn_small){.x = data_of(c->x),
                             .dy = data_of(c->dy),
                             .out = data_of(c->out),
                             .samples = c->n,
                             .groups = c->groups,
                             .depth = c->tile.depth,
                             .gamma = data_of(c->gamma),
                             .beta = data_of(c->beta),
                             .mean = data_of(c->in_mean),
                             .rstd = data_of(c->in_rstd),
                             .dgamma = data_of(c->dgamma),
                             .dbeta = data_of(c->dbeta),
                             .epsilon = c->epsilon,
                             .min_m2 = c->min_m2};
}

/* Computes the mean and variance of group g. The index counts the groups of all samples. */
static void moments_of(const struct kernel_case *c, int64_t g, long double *mean, long double *var)
{
    const int64_t depth = c->tile.depth, first = g * depth;
    long double sum = 0, squares = 0;

    for (int64_t i = first; i < first + depth; i++)
        sum += (long double)initial_at(c->x, i);
    *mean = sum / (long double)depth;
    for (int64_t i = first; i < first + depth; i++) {
        const long double d = (long double)initial_at(c->x, i) - *mean;

        squares += d * d;
    }
    *var = squares / (long double)depth;
}

/* ---- forward_small ---- */

static void make_forward_small(struct kernel_case *c)
{
    open_samples(c);
    if (!one_in(c, 4))
        c->beta = make_parameter(c, "beta", 0);
    c->x = samples_of(c, "x");
    write_to(c, one_in(c, 3) ? c->x : NULL);
    if (!one_in(c, 4))
        c->in_mean = output(c, "mean", c->n * c->groups);
    if (!one_in(c, 4))
        c->in_rstd = output(c, "rstd", c->n * c->groups);
}

static void call_forward_small(const struct kernel_case *c, const struct gn_kernels *kernels)
{
    const struct gn_small samples = small_of(c);

    kernels->forward_small(&samples);
}

/* Whether the value and its square neither overflow nor underflow in float. */
static bool is_plain(long double value)
{
    return value == 0 || (fabsl(value) >= 0x1p-60L && fabsl(value) <= 0x1p60L);
}

static void check_group(const struct kernel_case *c, int64_t g)
{
    const int64_t depth = c->tile.depth;
    long double mean, var;

    moments_of(c, g, &mean, &var);
    var += (long double)c->epsilon;
    if (!is_plain(mean) || !is_plain(var) || var == 0)
        return;
    const long double rstd = 1 / sqrtl(var);
    if (c->in_mean)
        check_near(c, "mean", g, (long double)result_at(c->in_mean, g), mean,
                   fabsl(mean) * 0x1.1p-24L + 0x1p-18L / rstd);
    if (c->in_rstd)
        check_near(c, "rstd", g, (long double)result_at(c->in_rstd, g), rstd, rstd * 0x1p-17L);
    for (int64_t i = g * depth; i < (g + 1) * depth; i++) {
        const long double xhat = ((long double)initial_at(c->x, i) - mean) * rstd;
        const int64_t k = i % channels(c);
        const long double gamma = c->gamma ? (long double)initial_at(c->gamma, k) : 1;
        const long double beta = c->beta ? (long double)initial_at(c->beta, k) : 0;
        const long double y = xhat * gamma + beta;

        if (is_plain(gamma) && is_plain(beta))
            check_near(c, "y", i, (long double)result_at(c->out, i), y,
                       fabsl(gamma) * (fabsl(xhat) + 0x1p-10L) * 0x1p-16L + fabsl(beta) * 0x1p-22L);
    }
}

static void check_forward_small(const struct kernel_case *c)
{
    for (int64_t g = 0; g < c->n * c->groups; g++)
        check_group(c, g);
}

const struct entry entry_forward_small = {"forward_small", make_forward_small, call_forward_small,
                                          check_forward_small};

/* ---- backward_small ---- */

/* Makes sums to which the kernel adds. */
static struct array *sums(struct kernel_case *c, const char *name)
{
    struct array *a = array_of(&c->arrays, name, GN_F64, channels(c), 0);

    for (int64_t k = 0; k < a->count; k++)
        set_initial(a, k, (double)random_normal(&c->random));
    array_set_fate(a, WRITTEN);
    return a;
}

/*
 * Makes mean and rstd as a forward pass stores them. In one case of eight, mean is not that of x.
 */
static void make_stored(struct kernel_case *c)
{
    const bool foreign = one_in(c, 8);

    c->in_mean = array_of(&c->arrays, "mean", GN_F32, c->n * c->groups, 0);
    c->in_rstd = array_of(&c->arrays, "rstd", GN_F32, c->n * c->groups, 0);
    for (int64_t g = 0; g < c->n * c->groups; g++) {
        long double mean, var;

        moments_of(c, g, &mean, &var);
        if (foreign)
            mean += 1;
        set_initial(c->in_mean, g, (double)mean);
        set_initial(c->in_rstd, g, (double)(1 / sqrtl(var + (long double)c->epsilon)));
    }
}

static void make_backward_small(struct kernel_case *c)
{
    open_samples(c);
    c->dy = samples_of(c, "dy");
    pick_ranges(c, GN_F32);
    c->x = samples_of(c, "x");
    make_stored(c);
    if (!one_in(c, 5))
        write_to(c, !one_in(c, 3) ? NULL : one_in(c, 2) ? c->x : c->dy);
    if (!c->out || !one_in(c, 4)) {
        c->dgamma = sums(c, "dgamma");
        c->dbeta = sums(c, "dbeta");
    }
}

static void call_backward_small(const struct kernel_case *c, const struct gn_kernels *kernels)
{
    const struct gn_small samples = small_of(c);

    kernels->backward_small(&samples);
}

/* dbeta is the sum of dy over samples. The kernel may sum some of the samples in float. */
static void check_backward_small(const struct kernel_case *c)
{
    for (int64_t k = 0; c->dbeta && k < channels(c); k++) {
        long double sum = (long double)initial_at(c->dbeta, k), size = fabsl(sum);

        for (int64_t n = 0; n < c->n; n++) {
            const long double dy = (long double)initial_at(c->dy, n * channels(c) + k);

            sum += dy;
            size += fabsl(dy);
        }
        if (size < 0x1p120L)
            check_near(c, "dbeta", k, (long double)result_at(c->dbeta, k), sum,
                       size * (long double)c->n * 0x1p-23L);
    }
}

const struct entry entry_backward_small = {"backward_small", make_backward_small,
                                           call_backward_small, check_backward_small};
