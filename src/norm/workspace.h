/* SPDX-License-Identifier: MIT */
/*
 * What the phases of a pass hand on: values per group, channel and element of a batch. All arrays
 * lie one after the other in one piece of memory, which begins with this struct.
 */
#ifndef GN_WORKSPACE_H
#define GN_WORKSPACE_H

#include "plan/plan.h"

/*
 * Threads share arrays of one value per group in units of this many groups: kernels work on whole
 * vectors.
 */
enum { GN_UNIT = GN_PADDING };

/*
 * Consecutive groups of a batch. In channels last they belong to one sample. In channels first they
 * may extend into the next samples, in the forward pass only.
 */
struct gn_group_range {
    int64_t first, groups; /* in the workspace */
    int64_t n, g;          /* sample and group of the first */
    int64_t block;         /* the block of samples to which n belongs */
};

struct gn_workspace {
    struct gn_statistics statistics;     /* per group */
    struct gn_coefficients coefficients; /* slope, offset, group_*: backward only */
    /*
     * Tiles have sets of moments and of sums of their own (plan/partition.h). The pointers below
     * are those of the first set; the next set is moments_set, or sums_set, doubles further on.
     */
    struct gn_moments moments; /* per group */
    int64_t moments_set;
    /* Backward only. */
    struct gn_statistics
        found;           /* per group: of x, where the rounding of the stored statistics matters */
    struct gn_sums sums; /* per channel */
    struct gn_moments x_moments; /* per channel, for dskip; in the same sets as sums */
    int64_t sums_set;
    float *saved_g; /* per element of the batch; NULL: g is not saved here */
};

/* The bytes of a workspace with room for saved_g elements, and the layout of one in `memory`. */
int64_t gn_workspace_bytes(const gn_plan *plan, bool backward, int64_t saved_g);
void gn_open_workspace(const gn_plan *plan, bool backward, int64_t saved_g, void *memory);

/* The coefficients of a range of groups, with these parameters. */
void gn_coefficients_at(const gn_plan *plan, const struct gn_workspace *ws,
                        const struct gn_parameters *parameters, const struct gn_group_range *range,
                        struct gn_coefficients *with);

/* The arrays from element i on. */
static inline struct gn_moments gn_moments_from(struct gn_moments m, int64_t i)
{
    return (struct gn_moments){m.origin + i, m.offset + i, m.m2 + i};
}

static inline struct gn_statistics gn_statistics_from(struct gn_statistics s, int64_t i)
{
    return (struct gn_statistics){s.mean + i, s.mean_lo + i, s.rstd + i};
}

/*
 * Computes the statistics of `groups` groups, from `group` of the workspace on, from their sets of
 * moments.
 */
void gn_find_statistics(const gn_plan *plan, const struct gn_workspace *ws, int64_t group,
                        int64_t groups, struct gn_statistics statistics);

#endif
