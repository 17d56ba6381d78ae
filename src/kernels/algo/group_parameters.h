/* SPDX-License-Identifier: MIT */
/* The inputs of the coefficients of consecutive groups: their statistics and parameters. */
#ifndef GN_GROUP_PARAMETERS_H
#define GN_GROUP_PARAMETERS_H

#include "kernels/kernels.h"
#include "kernels/simd/vec.h"

/* Groups of `depth` channels each, or some channels of one group. */
struct group_parameters {
    int64_t groups, depth;
    struct gn_statistics statistics;
    const double *slope, *offset; /* per group; backward only, where the mean is statistics.mean */
    const void *gamma, *beta;     /* from the first channel on; NULL: ones, zeros */
    gn_type type;                 /* of both */
};

/* The group in `parameters` that belongs to group g of the coefficients. */
INLINE int64_t parameter_group(const struct gn_coefficients *coefficients, int64_t g)
{
    int64_t at = coefficients->group + g, groups = coefficients->parameters->groups;
    return at < groups ? at : at % groups;
}

/*
 * The inputs of `groups` groups from group g on; or, with groups = 1, of `depth` channels of group
 * g from `channel` on.
 */
INLINE struct group_parameters parameters_at(const struct gn_coefficients *coefficients, int64_t g,
                                             int64_t groups, int64_t channel, int64_t depth)
{
    const struct gn_parameters *p = coefficients->parameters;
    int64_t at = parameter_group(coefficients, g) * p->depth + channel;
    return (struct group_parameters){
        .groups = groups,
        .depth = depth,
        .statistics = {coefficients->statistics.mean + g, coefficients->statistics.mean_lo + g,
                       coefficients->statistics.rstd + g},
        .slope = coefficients->group_slope ? coefficients->group_slope + g : NULL,
        .offset = coefficients->group_offset ? coefficients->group_offset + g : NULL,
        .gamma = gn_at(p->gamma, p->type, at),
        .beta = gn_at(p->beta, p->type, at),
        .type = p->type,
    };
}

/* The number of groups from g on, below `groups`, whose parameters follow each other in memory. */
INLINE int64_t groups_in_sequence(const struct gn_coefficients *coefficients, int64_t g,
                                  int64_t groups)
{
    const struct gn_parameters *p = coefficients->parameters;
    int64_t left = p->groups - parameter_group(coefficients, g);
    return left < groups - g ? left : groups - g;
}

#endif
