/* SPDX-License-Identifier: MIT */
/* moments, statistics, load_statistics. */
#include "kernel_cases.h"

#include "support.h"
#include "typed.h"

#include <float.h>
#include <math.h>

static struct array *output(struct kernel_case *c, const char *name, gn_type type, int64_t n,
                            int64_t padding)
{
    struct array *a = array_of(&c->arrays, name, type, n, padding);

    array_is_output(a);
    return a;
}

/* ---- moments ---- */

/* The moments have no padding, because the groups after them may belong to another thread. */
static void make_moments(struct kernel_case *c)
{
    const gn_type type = pick_type(c);

    make_tile(c);
    pick_ranges(c, type);
    c->min_m2 = one_in(c, 2) ? GN_LEAST_SQUARES : 0;
    c->x = make_tensor(c, "x", &c->tile.x, type,
                       c->tile.axis == GN_AXIS_COLUMNS ? &c->x_offsets : NULL, false);
    c->origin = output(c, "origin", GN_F64, c->groups, 0);
    c->m_offset = output(c, "offset", GN_F64, c->groups, 0);
    c->m2 = output(c, "m2", GN_F64, c->groups, 0);
    make_scratch(c, false);
}

static struct gn_moments moments_of(const struct kernel_case *c)
{
    return (struct gn_moments){data_of(c->origin), data_of(c->m_offset), data_of(c->m2)};
}

static void call_moments(const struct kernel_case *c, const struct gn_kernels *kernels)
{
    const struct gn_tile tile = tile_of(c);

    kernels->moments(&tile, c->min_m2, moments_of(c), data_of(c->scratch));
}

/* The sum of (x - from)^power over a group. */
static long double sum_of(const struct kernel_case *c, int64_t g, long double from, int power)
{
    long double sum = 0;

    for (int64_t k = g * c->tile.depth; k < (g + 1) * c->tile.depth; k++)
        for (int64_t i = 0; i < c->tile.length; i++) {
            const int64_t at = element_at(c, &c->tile.x, c->x_offsets, k, i);
            const long double d = (long double)initial_at(c->x, at) - from;

            sum += power == 2 ? d * d : d;
        }
    return sum;
}

static void check_moments(const struct kernel_case *c)
{
    const long double n = (long double)(c->tile.depth * c->tile.length);
    const bool is_f64 = c->x->type == GN_F64;
    /*
     * `part` is several times the error of a few dozen roundings. `lost` bounds what squares lose
     * by underflow.
     */
    const long double part = is_f64 ? 0x1p-44L : 0x1p-17L;
    const long double lost = n * (is_f64 ? 0x1p-1000L : c->min_m2 > 0 ? 0 : 0x1p-149L);

    for (int64_t g = 0; g < c->groups; g++) {
        const long double first = sum_of(c, g, 0, 1) / n;
        const long double mean = first + sum_of(c, g, first, 1) / n;
        const long double m2 = sum_of(c, g, mean, 2);
        const long double found =
            (long double)result_at(c->origin, g) + (long double)result_at(c->m_offset, g);

        /* If m2 is not finite, all statistics are NaN and the mean does not matter. */
        if (!is_finite((long double)result_at(c->m2, g)))
            c->origin->fate[g] = c->m_offset->fate[g] = ANY;
        if (is_finite(m2) && m2 > 0x1p1000L)
            continue;
        check_near(c, "m2", g, (long double)result_at(c->m2, g), m2, part * m2 + lost);
        if (is_finite(m2))
            check_near(c, "mean", g, found, mean,
                       part * sqrtl(m2 / n) + fabsl(mean) * 0x1p-52L + sqrtl(lost / n));
    }
}

const struct entry entry_moments = {"moments", make_moments, call_moments, check_moments};

/* ---- statistics ---- */

static struct array *padded(struct kernel_case *c, const char *name, bool is_output)
{
    struct array *a =
        array_of(&c->arrays, name, GN_F64, c->groups, gn_padded(c->groups) - c->groups);

    if (is_output)
        array_is_output(a);
    return a;
}

static void make_statistics_entry(struct kernel_case *c)
{
    c->type = one_in(c, 2) ? GN_F32 : GN_F64;
    c->groups = pick(c, 1, 40);
    c->count = (double)(pick_length(c) * pick_depth(c));
    c->epsilon = one_in(c, 3) ? 0 : one_in(c, 2) ? 1e-5 : 1e-30;
    pick_ranges(c, c->type);
    c->origin = padded(c, "origin", false);
    c->m_offset = padded(c, "offset", false);
    c->m2 = padded(c, "m2", false);
    for (int64_t g = 0; g < c->groups; g++) {
        const double m2 = c->spread[g] * c->spread[g] * c->count;

        set_initial(c->origin, g, (double)(float)c->center[g]);
        set_initial(c->m_offset, g, c->spread[g] * (double)random_normal(&c->random) / 10);
        set_initial(c->m2, g, one_in(c, 20) ? (one_in(c, 2) ? INFINITY : (double)NAN) : m2);
    }
    c->statistics_mean = padded(c, "mean", true);
    c->statistics_mean_lo = padded(c, "mean_lo", true);
    c->statistics_rstd = padded(c, "rstd", true);
}

static void call_statistics(const struct kernel_case *c, const struct gn_kernels *kernels)
{
    kernels->statistics(c->groups, c->count, c->epsilon, c->type, moments_of(c), statistics_of(c));
}

static void check_statistics(const struct kernel_case *c)
{
    for (int64_t g = 0; g < c->groups; g++) {
        const long double offset = (long double)initial_at(c->m_offset, g);
        const long double right = (long double)initial_at(c->origin, g) + offset;
        const long double var = (long double)initial_at(c->m2, g) / (long double)c->count;
        const long double rstd = 1 / sqrtl(var + (long double)c->epsilon);
        const long double mean = (long double)result_at(c->statistics_mean, g);
        const long double lo = (long double)result_at(c->statistics_mean_lo, g);
        const bool none = !is_finite(var);

        check_near(c, "mean", g, mean, none ? (long double)NAN : right,
                   c->type == GN_F32 ? fabsl(right) * 0x1.01p-24L + 0x1p-149L
                                     : fabsl(right) * 0x1.01p-53L);
        check_near(c, "mean and mean_lo", g, mean + lo, none ? (long double)NAN : right,
                   (fabsl(lo) + fabsl(offset)) * 0x1p-51L + fabsl(mean) * 0x1p-62L);
        if (none || var > 0 || c->epsilon > 0)
            check_near(c, "rstd", g, (long double)result_at(c->statistics_rstd, g),
                       none ? (long double)NAN : rstd, rstd * 0x1p-50L);
    }
}

const struct entry entry_statistics = {"statistics", make_statistics_entry, call_statistics,
                                       check_statistics};

/* ---- load_statistics ---- */

/*
 * Makes the found statistics. Most means differ from the stored ones only by rounding. The others
 * differ by more, as if the stored ones were those of another x.
 */
static void make_found(struct kernel_case *c)
{
    const double unit = c->type == GN_F32 ? FLT_EPSILON : DBL_EPSILON;

    c->found_mean = padded(c, "mean found", false);
    c->found_mean_lo = padded(c, "mean_lo found", false);
    c->found_rstd = padded(c, "rstd found", false);
    for (int64_t g = 0; g < c->groups; g++) {
        const double mean = initial_at(c->in_mean, g), far = one_in(c, 4) ? 3 : 0.5;

        set_initial(c->found_mean, g, mean);
        set_initial(c->found_mean_lo, g, mean * unit * far * (double)random_uniform(&c->random));
        set_initial(c->found_rstd, g, 1.01 * initial_at(c->in_rstd, g) + 1e-3);
    }
}

static double least_normal(const struct kernel_case *c)
{
    return c->type == GN_F32 ? (double)FLT_MIN : DBL_MIN;
}

/*
 * An rstd. It is mostly 1. Otherwise it is infinite, as for a nearly constant x, or subnormal, as
 * for a huge x, or 0.
 */
static double pick_rstd(struct kernel_case *c, bool is_usual)
{
    const double unusual[] = {INFINITY, least_normal(c) / 8, 0};

    return is_usual || !one_in(c, 8) ? 1 : unusual[pick(c, 0, 2)];
}

static void make_load_statistics(struct kernel_case *c)
{
    const bool far = one_in(c, 2), is_usual = one_in(c, 2), only_asks = one_in(c, 4);

    c->type = one_in(c, 2) ? GN_F32 : GN_F64;
    c->groups = pick(c, 1, 40);
    pick_ranges(c, c->type);
    c->in_mean = array_of(&c->arrays, "mean stored", c->type, c->groups, 0);
    c->in_rstd = array_of(&c->arrays, "rstd stored", c->type, c->groups, 0);
    for (int64_t g = 0; g < c->groups; g++) {
        const double mean = far && one_in(c, 4) ? c->center[g] : one_in(c, 4) ? 0 : 0.1;

        set_initial(c->in_mean, g, one_in(c, 100) ? (double)NAN : mean);
        set_initial(c->in_rstd, g, pick_rstd(c, is_usual));
    }
    if (!only_asks) {
        c->statistics_mean = padded(c, "mean", true);
        c->statistics_mean_lo = padded(c, "mean_lo", true);
        c->statistics_rstd = padded(c, "rstd", true);
        if (one_in(c, 2))
            make_found(c);
    }
    c->answer = array_of_bytes(&c->arrays, "what it returns", sizeof(bool), 1);
    array_is_output(c->answer);
}

static void call_load_statistics(const struct kernel_case *c, const struct gn_kernels *kernels)
{
    const struct gn_stored stored = {c->groups, data_of(c->in_mean), data_of(c->in_rstd), c->type};
    const struct gn_statistics found = {data_of(c->found_mean), data_of(c->found_mean_lo),
                                        data_of(c->found_rstd)};
    bool *answer = data_of(c->answer);

    *answer = kernels->load_statistics(stored, c->found_mean ? &found : NULL, statistics_of(c));
}

/* The kernel keeps the stored mean. It replaces an infinite or subnormal rstd by the found one. */
static void check_load_statistics(const struct kernel_case *c)
{
    bool matters = false;

    for (int64_t g = 0; g < c->groups; g++) {
        const double mean = initial_at(c->in_mean, g), rstd = initial_at(c->in_rstd, g);
        const bool is_unusual = isinf(rstd) || (rstd > 0 && rstd < least_normal(c));

        matters |= is_unusual || fabs(mean * rstd) > GN_ROUNDING_MATTERS;
        if (!c->statistics_mean)
            continue;
        check_near(c, "mean", g, (long double)result_at(c->statistics_mean, g), (long double)mean,
                   0);
        check_near(c, "rstd", g, (long double)result_at(c->statistics_rstd, g),
                   (long double)(is_unusual && c->found_rstd ? initial_at(c->found_rstd, g) : rstd),
                   0);
    }
    check_near(c, "answer", 0, (long double)c->answer->result[0], (long double)matters, 0);
}

const struct entry entry_load_statistics = {"load_statistics", make_load_statistics,
                                            call_load_statistics, check_load_statistics};
