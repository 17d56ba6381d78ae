/* SPDX-License-Identifier: MIT */
#include "norm/workspace.h"

/* Memory from which arrays are taken. If `memory` is NULL, only their bytes are counted. */
struct arena {
    char *memory;
    int64_t at;
};

/* Takes an array of n elements and padding. */
static void *take(struct arena *arena, int64_t n, size_t size)
{
    char *array = arena->memory ? arena->memory + arena->at : NULL;
    arena->at += gn_round_up(gn_padded(n) * (int64_t)size);
    return array;
}

static struct gn_moments take_moments(struct arena *arena, int64_t n)
{
    struct gn_moments m;
    m.origin = take(arena, n, sizeof(double));
    m.offset = take(arena, n, sizeof(double));
    m.m2 = take(arena, n, sizeof(double));
    return m;
}

static struct gn_statistics take_statistics(struct arena *arena, int64_t n)
{
    struct gn_statistics s;
    s.mean = take(arena, n, sizeof(double));
    s.mean_lo = take(arena, n, sizeof(double));
    s.rstd = take(arena, n, sizeof(double));
    return s;
}

static void take_coefficients(struct arena *arena, int64_t groups, int64_t channels, bool backward,
                              struct gn_coefficients *c)
{
    *c = (struct gn_coefficients){.use_f32 = take(arena, groups, sizeof(bool))};
    c->mean = take(arena, channels, sizeof(float));
    c->scale = take(arena, channels, sizeof(float));
    c->shift = take(arena, channels, sizeof(float));
    if (!backward)
        return;
    c->slope = take(arena, channels, sizeof(float));
    c->offset = take(arena, channels, sizeof(float));
    c->group_slope = take(arena, groups, sizeof(double));
    c->group_offset = take(arena, groups, sizeof(double));
}

/*
 * Extends the memory taken since `start`, which is one set, to `sets` sets. Returns the distance
 * between sets in doubles.
 */
static int64_t repeat(struct arena *arena, int64_t start, int64_t sets)
{
    int64_t bytes = arena->at - start;
    arena->at = start + sets * bytes;
    return bytes / (int64_t)sizeof(double);
}

static int64_t divide(const gn_plan *plan, bool backward, int64_t saved_g, char *memory,
                      struct gn_workspace *ws)
{
    const struct gn_partition *parts = &plan->parts;
    struct arena arena = {memory, gn_round_up((int64_t)sizeof *ws)};
    /* The backward pass of small groups uses no workspace. */
    int64_t groups = backward && parts->small ? 0 : parts->batch_groups;
    int64_t channels = groups * plan->D;
    ws->statistics = take_statistics(&arena, groups);
    take_coefficients(&arena, groups, channels, backward, &ws->coefficients);
    if (backward) {
        ws->found = take_statistics(&arena, groups);
        int64_t start = arena.at;
        ws->sums.dy = take(&arena, channels, sizeof(double));
        ws->sums.dyx = take(&arena, channels, sizeof(double));
        ws->sums.needs_f64 = take(&arena, channels, sizeof(double));
        ws->x_moments = take_moments(&arena, channels);
        ws->sums_set = repeat(&arena, start, parts->sums);
        ws->saved_g = saved_g ? take(&arena, saved_g, sizeof(float)) : NULL;
    }
    int64_t start = arena.at;
    ws->moments = take_moments(&arena, groups);
    ws->moments_set = repeat(&arena, start, parts->moments);
    return arena.at;
}

int64_t gn_workspace_bytes(const gn_plan *plan, bool backward, int64_t saved_g)
{
    struct gn_workspace ws;
    return divide(plan, backward, saved_g, NULL, &ws);
}

void gn_open_workspace(const gn_plan *plan, bool backward, int64_t saved_g, void *memory)
{
    divide(plan, backward, saved_g, memory, memory);
}

void gn_coefficients_at(const gn_plan *plan, const struct gn_workspace *ws,
                        const struct gn_parameters *parameters, const struct gn_group_range *range,
                        struct gn_coefficients *with)
{
    const struct gn_coefficients *all = &ws->coefficients;
    int64_t g = range->first, c = g * plan->D;
    with->mean = all->mean + c;
    with->scale = all->scale + c;
    with->shift = all->shift + c;
    with->use_f32 = all->use_f32 + g;
    with->statistics = gn_statistics_from(ws->statistics, g);
    with->parameters = parameters;
    with->group = plan->by_sample ? range->n * plan->G + range->g : range->g;
    with->channel = 0;
    with->group_mean = NULL;
    with->slope = with->offset = NULL;
    with->group_slope = with->group_offset = NULL;
    if (!all->slope)
        return;
    with->slope = all->slope + c;
    with->offset = all->offset + c;
    with->group_slope = all->group_slope + g;
    with->group_offset = all->group_offset + g;
}

/* The number of a group's elements in sets first to end - 1. */
static double counts(const gn_plan *plan, int64_t first, int64_t end)
{
    double count = 0;
    for (int64_t i = first; i < end; i++)
        count += gn_moments_count(plan, i);
    return count;
}

/*
 * Merges sets in pairs, then pairs of pairs: rounding errors grow with the logarithm of the number
 * of sets.
 */
static void merge_in_pairs(const gn_plan *plan, struct gn_moments moments, int64_t set,
                           int64_t groups)
{
    int64_t sets = plan->parts.moments;
    for (int64_t merged = 1; merged < sets; merged *= 2)
        for (int64_t i = 0; i + merged < sets; i += 2 * merged) {
            int64_t end = i + 2 * merged < sets ? i + 2 * merged : sets;
            gn_merge_groups(groups, counts(plan, i, i + merged), gn_moments_from(moments, i * set),
                            counts(plan, i + merged, end),
                            gn_moments_from(moments, (i + merged) * set));
        }
}

void gn_find_statistics(const gn_plan *plan, const struct gn_workspace *ws, int64_t group,
                        int64_t groups, struct gn_statistics statistics)
{
    struct gn_moments moments = gn_moments_from(ws->moments, group);
    double count = gn_moments_count(plan, 0);
    if (plan->is_f64)
        merge_in_pairs(plan, moments, ws->moments_set, groups);
    for (int64_t i = 1; i < plan->parts.moments && !plan->is_f64; i++) {
        double more = gn_moments_count(plan, i);
        gn_merge_groups(groups, count, moments, more,
                        gn_moments_from(moments, i * ws->moments_set));
        count += more;
    }
    count = plan->is_f64 ? (double)(plan->D * plan->S) : count;
    plan->kernels->statistics(groups, count, plan->desc.epsilon, plan->stored, moments, statistics);
}
