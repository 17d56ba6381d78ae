/* SPDX-License-Identifier: MIT */
/* The entries for small groups: depths of 2, 4, 8 and 16 a group a lane, all others as they lie. */
#ifndef GN_SMALL_H
#define GN_SMALL_H

#include "kernels/algo/small_lanes.h"

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

static void forward_small(const struct gn_small *in)
{
    switch (in->depth) {
    case 2:
        normalize_lanes(in, 2);
        break;
    case 4:
        normalize_lanes(in, 4);
        break;
    case 8:
        normalize_lanes(in, 8);
        break;
    case 16:
        normalize_lanes(in, 16);
        break;
    default:
        any_depth(in, false);
    }
}

static void backward_small(const struct gn_small *in)
{
    switch (in->depth) {
    case 2:
        gradient_lanes(in, 2);
        break;
    case 4:
        gradient_lanes(in, 4);
        break;
    case 8:
        gradient_lanes(in, 8);
        break;
    case 16:
        gradient_lanes(in, 16);
        break;
    default:
        any_depth(in, true);
    }
}

#endif
