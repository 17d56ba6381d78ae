/* SPDX-License-Identifier: MIT */
#include "reference.h"

#include <math.h>

/* y = act(z) */
static double act(gn_activation activation, double z)
{
    switch (activation) {
    case GN_ACTIVATION_IDENTITY:
        return z;
    case GN_ACTIVATION_RELU:
        return z > 0 ? z : 0;
    case GN_ACTIVATION_SILU:
        return z / (1 + exp(-z));
    }
    return (double)NAN;
}

/* act'(z) */
static double act_derivative(gn_activation activation, double z)
{
    const double sigmoid = 1 / (1 + exp(-z));

    switch (activation) {
    case GN_ACTIVATION_IDENTITY:
        return 1;
    case GN_ACTIVATION_RELU:
        return z > 0 ? 1 : 0;
    case GN_ACTIVATION_SILU: /* (z * sigmoid)' with sigmoid' = sigmoid * (1 - sigmoid) */
        return sigmoid + z * sigmoid * (1 - sigmoid);
    }
    return (double)NAN;
}

/*
 * The D = C/G channels of a group follow each other, so that group (n, g) is the contiguous array
 * [D, S] of m = D * S elements that begins at element (n * G + g) * m of a tensor.
 *
 * Element i of group k = n * G + g belongs to this channel.
 */
static int64_t channel_of(const struct reference_problem *p, int64_t k, int64_t i)
{
    const int64_t D = p->C / p->G, g = k % p->G;

    return g * D + i / p->S;
}

void reference_forward(const struct reference_problem *p, const double *x, const double *gamma,
                       const double *beta, double *y, double *mean, double *rstd)
{
    const int64_t groups = p->N * p->G, m = p->C / p->G * p->S;

    for (int64_t k = 0; k < groups; k++, x += m, y += m) {
        double sum = 0, squares = 0;

        /* mean = (1/m) sum x */
        for (int64_t i = 0; i < m; i++)
            sum += x[i];
        mean[k] = sum / (double)m;

        /* var = (1/m) sum (x - mean)^2,  rstd = 1 / sqrt(var + eps) */
        for (int64_t i = 0; i < m; i++)
            squares += (x[i] - mean[k]) * (x[i] - mean[k]);
        const double var = squares / (double)m;
        rstd[k] = 1 / sqrt(var + p->eps);

        for (int64_t i = 0; i < m; i++) {
            const int64_t c = channel_of(p, k, i);
            const double xhat = (x[i] - mean[k]) * rstd[k];
            const double z = (gamma ? gamma[c] : 1) * xhat + (beta ? beta[c] : 0);

            y[i] = act(p->activation, z);
        }
    }
}

void reference_backward(const struct reference_problem *p, const double *dy, const double *x,
                        const double *mean, const double *rstd, const double *gamma,
                        const double *beta, double *dx, double *dgamma, double *dbeta)
{
    const int64_t groups = p->N * p->G, m = p->C / p->G * p->S;

    for (int64_t c = 0; c < p->C; c++)
        dgamma[c] = dbeta[c] = 0;

    for (int64_t k = 0; k < groups; k++, x += m, dy += m, dx += m) {
        double sum_g = 0, sum_g_xhat = 0; /* of gamma * g and of gamma * g * xhat, in the group */

        for (int64_t i = 0; i < m; i++) {
            const int64_t c = channel_of(p, k, i);
            const double gamma_c = gamma ? gamma[c] : 1;
            const double xhat = (x[i] - mean[k]) * rstd[k];
            const double z = gamma_c * xhat + (beta ? beta[c] : 0);
            const double g = dy[i] * act_derivative(p->activation, z);

            dbeta[c] += g;         /* dbeta[c] = sum_{n,s} g */
            dgamma[c] += g * xhat; /* dgamma[c] = sum_{n,s} g * xhat */
            sum_g += gamma_c * g;
            sum_g_xhat += gamma_c * g * xhat;
        }

        /* dx = rstd * (gamma*g - mean_group(gamma*g) - xhat * mean_group(gamma*g*xhat)). The last
         * two terms are the gradients through the group's mean and through its rstd. */
        for (int64_t i = 0; i < m; i++) {
            const int64_t c = channel_of(p, k, i);
            const double gamma_c = gamma ? gamma[c] : 1;
            const double xhat = (x[i] - mean[k]) * rstd[k];
            const double z = gamma_c * xhat + (beta ? beta[c] : 0);
            const double g = dy[i] * act_derivative(p->activation, z);

            dx[i] = rstd[k] * (gamma_c * g - sum_g / (double)m - xhat * (sum_g_xhat / (double)m));
        }
    }
}
