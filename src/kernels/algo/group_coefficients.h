/* SPDX-License-Identifier: MIT */
/*
 * The coefficients of whole groups. With A = sum g and B = sum g * (x - mean) over a channel of a
 * group of m elements,
 *
 *     dx = rstd * gamma * g - rstd * P/m - (x - mean) * rstd^3 * R/m,
 *     P = sum_c gamma * A,  R = sum_c gamma * B,
 *     dbeta = sum_n A,      dgamma = sum_n rstd * B.
 *
 * B was summed about the stored mean: B - mean_lo * A is the sum about the exact mean.
 */
#ifndef GN_GROUP_COEFFICIENTS_H
#define GN_GROUP_COEFFICIENTS_H

#include "kernels/algo/coefficients.h"

/* The float coefficients from group g on. */
INLINE struct coefficients_out_f32 coefficients_from(const struct gn_coefficients *coefficients,
                                                     int64_t g)
{
    int64_t c = g * coefficients->parameters->depth;
    bool backward = coefficients->slope;
    return (struct coefficients_out_f32){
        coefficients->mean + c, coefficients->scale + c, coefficients->shift + c,
        backward ? coefficients->slope + c : NULL, backward ? coefficients->offset + c : NULL};
}

static void forward_coefficients(int64_t groups, const struct gn_coefficients *coefficients)
{
    int64_t depth = coefficients->parameters->depth;
    for (int64_t g = 0, n; g < groups; g += n) {
        n = groups_in_sequence(coefficients, g, groups);
        struct group_parameters in = parameters_at(coefficients, g, n, 0, depth);
        bool fit = z_coefficients_f32(&in, coefficients_from(coefficients, g));
        memset(coefficients->use_f32 + g, fit, (size_t)n);
        for (int64_t i = g; !fit && i < g + n; i++) {
            struct group_parameters single = parameters_at(coefficients, i, 1, 0, depth);
            coefficients->use_f32[i] =
                z_coefficients_f32(&single, coefficients_from(coefficients, i));
        }
    }
}

INLINE void four_at(const void *p, gn_type t, int64_t i, quad *four)
{
    if (t == GN_F32) {
        *four = four_f32((const float *)p + i);
    } else if (t == GN_F64) {
        *four = four_f64((const double *)p + i);
    } else {
        float lanes[WIDTH_f32];
        put_f32(lanes, read_part_f32(p, t, i, 4, 0));
        *four = four_f32(lanes);
    }
}

/*
 * Stores R and P of group g in place of its slope and offset, and adds to dgamma and dbeta. The
 * groups are consecutive ones of one sample. The sums over channels have four lanes.
 */
INLINE void sum_group(const struct group_parameters *in, gn_type type, int64_t g,
                      struct gn_sums sums, const struct gn_coefficients *coefficients,
                      double *dgamma, double *dbeta)
{
    const double *dy = sums.dy + g * in->depth, *dyx = sums.dyx + g * in->depth;
    const void *gamma = gn_at(in->gamma, type, g * in->depth);
    double mean_lo = in->statistics.mean_lo[g], rstd = in->statistics.rstd[g], p_sum, r_sum;
    quad p = {0, 0, 0, 0}, r = {0, 0, 0, 0};
    int64_t c = 0;
    for (; c + 4 <= in->depth; c += 4) {
        quad a = *(const mem_quad *)(dy + c), b = *(const mem_quad *)(dyx + c) - mean_lo * a;
        quad weight = 1 - (quad){0, 0, 0, 0};
        if (gamma)
            four_at(gamma, type, c, &weight);
        p += weight * a;
        r += weight * b;
        if (dgamma) {
            *(mem_quad *)(dgamma + c) += b * rstd;
            *(mem_quad *)(dbeta + c) += a;
        }
    }
    p_sum = (p[0] + p[2]) + (p[1] + p[3]);
    r_sum = (r[0] + r[2]) + (r[1] + r[3]);
    for (; c < in->depth; c++) {
        double a = dy[c], b = dyx[c] - mean_lo * a;
        double weight = gamma ? gn_double_at(gamma, type, c) : 1;
        p_sum += weight * a;
        r_sum += weight * b;
        if (dgamma) {
            dgamma[c] += b * rstd;
            dbeta[c] += a;
        }
    }
    coefficients->group_slope[g] = r_sum;
    coefficients->group_offset[g] = p_sum;
}

/* Computes slope and offset of each group from R and P, which are in their places. */
INLINE void finish_slopes(int64_t groups, double inverse, struct gn_statistics statistics,
                          double *slope, double *offset)
{
    for (int64_t g = 0; g < groups; g += WIDTH_f64) {
        vec_f64 rstd = some_f64(statistics.rstd + g, groups - g),
                r = some_f64(slope + g, groups - g), p = some_f64(offset + g, groups - g);
        vec_f64 b = -(r * inverse * rstd) * rstd * rstd;
        put_f64(slope + g, b);
        put_f64(offset + g,
                -rstd * (p * inverse) - b * some_f64(statistics.mean_lo + g, groups - g));
    }
}

INLINE void sum_groups(const struct group_parameters *in, gn_type type, struct gn_sums sums,
                       const struct gn_coefficients *coefficients, double *dgamma, double *dbeta)
{
    for (int64_t g = 0, c = 0; g < in->groups; g++, c += in->depth)
        sum_group(in, type, g, sums, coefficients, dgamma ? dgamma + c : NULL,
                  dgamma ? dbeta + c : NULL);
}

/*
 * If float sums of a group were not accurate enough, floats are not accurate enough for its last
 * pass either: g = dy * act'(z) underflows or overflows. So all of the group is computed in f64.
 */
static void limit_to_sums(int64_t groups, int64_t depth, const double *needs_f64, bool *use_f32)
{
    for (int64_t g = 0; g < groups; g++)
        for (int64_t c = g * depth; use_f32[g] && c < (g + 1) * depth; c++)
            use_f32[g] = needs_f64[c] == 0;
}

static void gradient_coefficients(int64_t groups, double count, struct gn_sums sums,
                                  const struct gn_coefficients *coefficients, double *dgamma,
                                  double *dbeta)
{
    int64_t depth = coefficients->parameters->depth;
    struct group_parameters in = parameters_at(coefficients, 0, groups, 0, depth);
    if (in.type == GN_F32)
        sum_groups(&in, GN_F32, sums, coefficients, dgamma, dbeta);
    else
        sum_groups(&in, in.type, sums, coefficients, dgamma, dbeta);
    finish_slopes(groups, 1.0 / count, coefficients->statistics, coefficients->group_slope,
                  coefficients->group_offset);
    if (!coefficients->slope)
        return;
    if (sums.needs_f64)
        limit_to_sums(groups, depth, sums.needs_f64, coefficients->use_f32);
    bool fit = dx_coefficients_f32(&in, coefficients_from(coefficients, 0));
    for (int64_t g = 0; !fit && g < groups; g++) {
        struct group_parameters single = parameters_at(coefficients, g, 1, 0, depth);
        coefficients->use_f32[g] &=
            dx_coefficients_f32(&single, coefficients_from(coefficients, g));
    }
}

#endif
