/* SPDX-License-Identifier: MIT */
/* Arrays of a slot, which lie one after the other, and runs of groups that are treated alike. */
#ifndef GN_SLOT_H
#define GN_SLOT_H

#include "plan.h"

/* Arrays of one value a group are worked on in whole vectors: threads share them in such units. */
enum { GN_UNIT = GN_PADDING };

/* The array at byte *at of memory, of n values and padding; *at moves on, which is all without
 * memory. */
static inline void *gn_carve(char *memory, int64_t *at, int64_t n, size_t size)
{
    char *array = memory ? memory + *at : NULL;
    *at += gn_round_up(gn_padded(n) * (int64_t)size);
    return array;
}

static inline struct gn_moments gn_carve_moments(char *memory, int64_t *at, int64_t groups)
{
    struct gn_moments m;
    m.origin = gn_carve(memory, at, groups, sizeof(double));
    m.offset = gn_carve(memory, at, groups, sizeof(double));
    m.m2 = gn_carve(memory, at, groups, sizeof(double));
    return m;
}

static inline struct gn_statistics gn_carve_statistics(char *memory, int64_t *at, int64_t groups)
{
    struct gn_statistics s;
    s.mean = gn_carve(memory, at, groups, sizeof(double));
    s.mean_lo = gn_carve(memory, at, groups, sizeof(double));
    s.rstd = gn_carve(memory, at, groups, sizeof(double));
    return s;
}

/* From group g on. */
static inline struct gn_moments gn_moments_from(struct gn_moments m, int64_t g)
{
    return (struct gn_moments){m.origin + g, m.offset + g, m.m2 + g};
}

static inline struct gn_statistics gn_statistics_from(struct gn_statistics s, int64_t g)
{
    return (struct gn_statistics){s.mean + g, s.mean_lo + g, s.rstd + g};
}

/* The elements behind sets first..end - 1 of a group. */
static inline double gn_moments_counts(const gn_plan *plan, int64_t first, int64_t end)
{
    double count = 0;
    for (int64_t i = first; i < end; i++)
        count += gn_moments_count(plan, i);
    return count;
}

/* In pairs, and these in pairs: errors grow with the logarithm of their number alone. */
static inline void gn_merge_in_pairs(const gn_plan *plan, struct gn_moments moments, int64_t set,
                                     int64_t groups)
{
    int64_t sets = plan->parts.moments;
    for (int64_t step = 1; step < sets; step *= 2)
        for (int64_t i = 0; i + step < sets; i += 2 * step) {
            int64_t end = i + 2 * step < sets ? i + 2 * step : sets;
            gn_merge_groups(
                groups, gn_moments_counts(plan, i, i + step), gn_moments_from(moments, i * set),
                gn_moments_counts(plan, i + step, end), gn_moments_from(moments, (i + step) * set));
        }
}

/*
 * The statistics of groups from their sets of moments, which lie `set` doubles apart: merges all
 * into the first.
 */
static inline void gn_finish_moments(const gn_plan *plan, struct gn_moments moments, int64_t set,
                                     int64_t groups, struct gn_statistics of)
{
    double count = gn_moments_count(plan, 0);
    if (plan->wide)
        gn_merge_in_pairs(plan, moments, set, groups);
    for (int64_t i = 1; i < plan->parts.moments && !plan->wide; i++) {
        double more = gn_moments_count(plan, i);
        gn_merge_groups(groups, count, moments, more, gn_moments_from(moments, i * set));
        count += more;
    }
    count = plan->wide ? (double)(plan->D * plan->S) : count;
    plan->kernels->statistics(groups, count, plan->desc.epsilon, plan->stored, moments, of);
}

/* Where the run of equal flags ends that begins at `first`. */
static inline int64_t gn_run_of(const bool *flags, int64_t first, int64_t end)
{
    int64_t i = first + 1;
    while (i < end && flags[i] == flags[first])
        i++;
    return i;
}

#endif
