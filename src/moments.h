/* SPDX-License-Identifier: MIT */
/*
 * Moments of a set of values: count, mean, and M2, the sum of squared differences from the mean.
 *
 * The mean is origin + offset. The origin is a value near the data, at best one of them: where
 * deviations are so small beside the mean that double has too few bits for both, the offset has
 * them. A group of equal floats but for the last bit of one is such a case.
 */
#ifndef GN_MOMENTS_H
#define GN_MOMENTS_H

struct gn_moment {
    double count, origin, offset, m2;
};

/* Of consecutive groups of the same count: arrays with room for gn_padded(groups). */
struct gn_moments {
    double *origin, *offset, *m2;
};

/* What the last passes need, arrays too: the mean is `mean`, which is a float, plus `low`. */
struct gn_statistics {
    double *mean, *low, *rstd;
};

/*
 * Adds the values behind `more` to those behind `into`.
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

#endif
