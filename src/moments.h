/* SPDX-License-Identifier: MIT */
/* Moments of a set of values, in double: count, mean, and M2, the sum of squared differences from
 * the mean. */
#ifndef GN_MOMENTS_H
#define GN_MOMENTS_H

struct gn_moments {
    double count, mean, m2;
};

/*
 * Adds the values behind `more` to those behind `into`.
 *
 * Chan, Golub and LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing Sample
 * Variances", 1979. Equal means merge exactly, which keeps a constant group constant.
 */
static inline void gn_merge_moments(struct gn_moments *into, const struct gn_moments *more)
{
    double count = into->count + more->count;
    double weight = more->count / count;
    double delta = more->mean - into->mean;
    into->m2 += more->m2 + delta * delta * into->count * weight;
    into->mean += delta * weight;
    into->count = count;
}

/* mean and 1/sqrt(var + epsilon); both NaN where a value was NaN or infinite, or there was none. */
void gn_finish_moments(const struct gn_moments *moments, double epsilon, double *mean,
                       double *rstd);

#endif
