/* SPDX-License-Identifier: MIT */
/*
 * The kernels for small groups. Depths of 2, 4, 8 and 16 are computed with one group per lane,
 * other depths group by group.
 */
#ifndef GN_SMALL_H
#define GN_SMALL_H

#include "kernels/algo/small_gradients.h"
#include "kernels/algo/small_normalize.h"

INLINE void any_depth(const struct gn_small *in, bool backward)
{
    for (int64_t g = 0; g < in->groups; g += SMALL_GROUPS) {
        int64_t n = in->groups - g < SMALL_GROUPS ? in->groups - g : SMALL_GROUPS;
        bool fit[SMALL_GROUPS];
        parameters_fit(in, g, n, fit);
        for (int64_t i = 0; i < in->samples; i++) {
            if (backward)
                gradient_groups(in, i, g, n, fit);
            else
                normalize_groups(in, i, g, n, fit);
        }
    }
}

/* One function per depth, so that each gets all registers. */
#define LANES_OF_DEPTH(depth)                                                                      \
    NOINLINE bool normalize_lanes_##depth(const struct gn_small *in, struct lanes at,              \
                                          lanes_flags done)                                        \
    {                                                                                              \
        return normalize_lanes(in, at, depth, done);                                               \
    }                                                                                              \
    NOINLINE bool gradient_lanes_##depth(const struct gn_small *in, struct lanes at,               \
                                         lanes_flags done)                                         \
    {                                                                                              \
        return gradient_lanes(in, at, depth, done);                                                \
    }
LANES_OF_DEPTH(2)
LANES_OF_DEPTH(4)
LANES_OF_DEPTH(8)
LANES_OF_DEPTH(16)
#undef LANES_OF_DEPTH

/* The function for a depth; NULL if its groups are not computed in lanes. */
static lanes_of_depth *lanes_function(int64_t depth, bool backward)
{
    switch (depth) {
    case 2:
        return backward ? gradient_lanes_2 : normalize_lanes_2;
    case 4:
        return backward ? gradient_lanes_4 : normalize_lanes_4;
    case 8:
        return backward ? gradient_lanes_8 : normalize_lanes_8;
    case 16:
        return backward ? gradient_lanes_16 : normalize_lanes_16;
    default:
        return NULL;
    }
}

static void any_small(const struct gn_small *in, bool backward)
{
    lanes_of_depth *function = lanes_function(in->depth, backward);
    if (function)
        in_lanes(in, backward, function);
    else
        any_depth(in, backward);
}

static void forward_small(const struct gn_small *in)
{
    any_small(in, false);
}

static void backward_small(const struct gn_small *in)
{
    any_small(in, true);
}

#endif
