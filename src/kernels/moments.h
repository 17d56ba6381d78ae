/* SPDX-License-Identifier: MIT */
/*
 * Moments of a set of values: count, mean, and M2, the sum of squared differences from the mean.
 *
 * The mean is origin + offset. The origin is a value near the data, at best one of the values.
 * If the deviations are tiny compared with the mean, a single double cannot represent the mean
 * precisely enough; the offset holds the remaining bits. An example is a group of equal floats in
 * which one differs in its last bit.
 */
#ifndef GN_MOMENTS_H
#define GN_MOMENTS_H

#include <stdint.h>

struct gn_moment {
    double count, origin, offset, m2;
};

/*
 * Moments of consecutive groups of the same count: arrays with room for gn_padded(groups) elements.
 */
struct gn_moments {
    double *origin, *offset, *m2;
};

/*
 * Statistics of consecutive groups, which the last passes need: arrays with room for
 * gn_padded(groups) elements. The mean is held as two numbers: `mean`, rounded to the type in which
 * it is stored, and mean_lo, what the rounding took.
 */
struct gn_statistics {
    double *mean, *mean_lo, *rstd;
};

/*
 * Merges the moments `more` into `into`.
 *
 * Chan, Golub and LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing Sample
 * Variances", 1979. Equal means merge exactly, which keeps a constant group constant.
 */
static inline void gn_merge_moments(struct gn_moment *into, const struct gn_moment *more)
{
    double count = into->count + more->count;
    double weight = more->count / count;
    double delta = (more->origin - into->origin) + (more->offset - into->offset);
    into->m2 += more->m2 + delta * delta * into->count * weight;
    into->offset += delta * weight;
    into->count = count;
}

/* Merges moments for each of consecutive groups, which have the same counts. */
static inline void gn_merge_groups(int64_t groups, double count, struct gn_moments into,
                                   double more_count, struct gn_moments more)
{
    double weight = more_count / (count + more_count), product = count * weight;
    for (int64_t g = 0; g < groups; g++) {
        double delta = (more.origin[g] - into.origin[g]) + (more.offset[g] - into.offset[g]);
        into.m2[g] += more.m2[g] + delta * delta * product;
        into.offset[g] += delta * weight;
    }
}

#endif
