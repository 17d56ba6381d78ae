/* SPDX-License-Identifier: MIT */
/*
 * Small groups: channels have one element each, so a group is `depth` contiguous elements, each
 * with its own gamma and beta. Sums are in double. The last pass of a group is in f32 if its
 * statistics and parameters keep within limits in which nothing overflows, and nothing that matters
 * underflows; else it is in f64.
 */
#ifndef GN_SMALL_GROUPS_H
#define GN_SMALL_GROUPS_H

#include "kernels/algo/group_coefficients.h"
#include "kernels/algo/row_moments.h"
#include "kernels/algo/small_span.h"
#include "kernels/algo/statistics.h"
#include "kernels/simd/reduce.h"

/* Groups of a sample that are processed together. */
enum { SMALL_GROUPS = 16 };

/*
 * For groups of fewer channels than this, coefficients are spread over the channels of all these
 * groups.
 */
enum { SPREAD_BELOW = 32, SPREAD_LENGTH = SMALL_GROUPS * SPREAD_BELOW };

/* Limits: |gamma| is 0 or between the first two. No factor or term is larger than the third. */
#define SMALL_GAMMA_LEAST 0x1p-20f
#define SMALL_GAMMA_MOST 0x1p20f
#define SMALL_MOST 0x1p100f

/*
 * Some groups of a sample. They begin at channel c of the sample and at element `at` of x, dy and
 * out. The arrays have one value per group; slope and offset are set only in the backward pass.
 */
struct small_groups {
    const struct gn_small *in;
    int64_t group, groups; /* `group` numbers the first one among the groups of all samples */
    int64_t at, c;
    double mean[SMALL_GROUPS], mean_lo[SMALL_GROUPS], rstd[SMALL_GROUPS];
    double slope[SMALL_GROUPS], offset[SMALL_GROUPS];
};

INLINE void open_groups(const struct gn_small *in, int64_t sample, int64_t g, int64_t groups,
                        struct small_groups *small)
{
    small->in = in;
    small->group = sample * in->groups + g;
    small->groups = groups;
    small->at = small->group * in->depth;
    small->c = g * in->depth;
}

INLINE struct gn_statistics statistics_of(struct small_groups *small)
{
    return (struct gn_statistics){small->mean, small->mean_lo, small->rstd};
}

/* Whether the parameters of each of `groups` groups from g on are within the limits. */
static void parameters_fit(const struct gn_small *in, int64_t g, int64_t groups, bool *fit)
{
    for (int64_t i = 0; i < groups; i++) {
        fit[i] = true;
        for (int64_t c = (g + i) * in->depth; in->gamma && c < (g + i + 1) * in->depth; c++) {
            float size = fabsf(in->gamma[c]);
            fit[i] &= size == 0 || (size >= SMALL_GAMMA_LEAST && size <= SMALL_GAMMA_MOST);
        }
        for (int64_t c = (g + i) * in->depth; in->beta && c < (g + i + 1) * in->depth; c++)
            fit[i] &= fabsf(in->beta[c]) <= SMALL_MOST;
    }
}

/* Whether a value is 0, or a normal float that is not too large. */
INLINE bool is_moderate(double value)
{
    double size = fabs(value);
    return size == 0 || (size >= (double)FLT_MIN && size <= (double)SMALL_MOST);
}

/*
 * Decides which groups are computed in f32: only those whose parameters fit. Returns whether all
 * are.
 */
static bool limit_groups(const struct small_groups *small, const bool *fit, bool backward,
                         bool *use_f32)
{
    bool all = true;
    for (int64_t g = 0; g < small->groups; g++) {
        use_f32[g] = fit[g] && small->rstd[g] >= RSTD_LEAST && small->rstd[g] <= (double)SMALL_MOST;
        if (backward)
            use_f32[g] &= is_moderate(small->slope[g]) && is_moderate(small->offset[g]) &&
                          fabs(small->slope[g]) <= small->rstd[g] * TERM_MOST &&
                          fabs(small->mean[g]) <= MEAN_MOST;
        all &= use_f32[g];
    }
    return all;
}

/* Writes values[g], rounded to float, for each channel of each group. */
INLINE void spread(int64_t groups, int64_t depth, const double *values, float *out)
{
    for (int64_t g = 0; g < groups; g++)
        for (int64_t i = 0; i < depth; i += WIDTH_f32)
            put_f32(out + g * depth + i, splat_f32((float)values[g]));
}

/* `groups` of these groups, from g on. */
INLINE struct small_span_f32 span_f32(const struct small_groups *small, int64_t g, int64_t groups)
{
    const struct gn_small *in = small->in;
    int64_t on = g * in->depth, at = small->at + on, c = small->c + on;
    return (struct small_span_f32){.x = in->x + at,
                                   .dy = in->dy ? in->dy + at : NULL,
                                   .gamma = in->gamma ? in->gamma + c : NULL,
                                   .beta = in->beta ? in->beta + c : NULL,
                                   .out = in->out + at,
                                   .channels = groups * in->depth};
}

INLINE struct small_span_f64 span_f64(const struct small_groups *small, int64_t g)
{
    struct small_span_f32 s = span_f32(small, g, 1);
    return (struct small_span_f64){s.x, s.dy, s.gamma, s.beta, s.out, s.channels};
}

/* The last pass over one group, in f32 or in f64. */
static void pass_over_group(const struct small_groups *small, int64_t g, bool backward,
                            bool use_f32)
{
    float mean = (float)small->mean[g], mean_lo = (float)small->mean_lo[g],
          rstd = (float)small->rstd[g];
    float slope = backward ? (float)small->slope[g] : 0,
          offset = backward ? (float)small->offset[g] : 0;
    const struct small_coefficients_f32 in_float = {&mean, &mean_lo, &rstd, &slope, &offset, false};
    const struct small_coefficients_f64 doubles = {small->mean + g,   small->mean_lo + g,
                                                   small->rstd + g,   small->slope + g,
                                                   small->offset + g, false};
    struct small_span_f32 span = span_f32(small, g, 1);
    struct small_span_f64 in_f64 = span_f64(small, g);
    if (use_f32 && backward)
        gradient_span_f32(&span, &in_float, false);
    else if (use_f32)
        normalize_span_f32(&span, &in_float, false);
    else if (backward)
        gradient_span_f64(&in_f64, &doubles, false);
    else
        normalize_span_f64(&in_f64, &doubles, false);
}

INLINE void pass_over_groups(const struct small_groups *small, const bool *fit, bool backward)
{
    int64_t depth = small->in->depth, n = small->groups;
    bool use_f32[SMALL_GROUPS];
    bool all = limit_groups(small, fit, backward, use_f32);
    if (!all || depth >= SPREAD_BELOW) {
        for (int64_t g = 0; g < n; g++)
            pass_over_group(small, g, backward, use_f32[g]);
        return;
    }
    float coefficients[5][SPREAD_LENGTH];
    const struct small_coefficients_f32 spread_out = {
        coefficients[0], coefficients[1], coefficients[2], coefficients[3], coefficients[4], true};
    struct small_span_f32 span = span_f32(small, 0, n);
    spread(n, depth, small->mean, coefficients[0]);
    spread(n, depth, small->rstd, coefficients[2]);
    if (backward) {
        spread(n, depth, small->slope, coefficients[3]);
        spread(n, depth, small->offset, coefficients[4]);
        gradient_span_f32(&span, &spread_out, true);
    } else {
        spread(n, depth, small->mean_lo, coefficients[1]);
        normalize_span_f32(&span, &spread_out, true);
    }
}

static void find_statistics(const struct small_groups *small, struct gn_statistics out)
{
    double origin[SMALL_GROUPS], offset[SMALL_GROUPS], m2[SMALL_GROUPS];
    struct gn_moments m = {origin, offset, m2};
    const struct gn_small *in = small->in;
    moments_rows(in->x + small->at, GN_F32, in->depth, small->groups, in->min_m2, m);
    statistics(small->groups, (double)in->depth, in->epsilon, GN_F32, m, out);
}

/* The forward pass over groups of a sample. */
NOINLINE void normalize_groups(const struct gn_small *in, int64_t sample, int64_t g, int64_t groups,
                               const bool *fit)
{
    struct small_groups small;
    open_groups(in, sample, g, groups, &small);
    find_statistics(&small, statistics_of(&small));
    for (int64_t i = 0; in->mean && i < groups; i++)
        in->mean[small.group + i] = (float)small.mean[i];
    for (int64_t i = 0; in->rstd && i < groups; i++)
        in->rstd[small.group + i] = (float)small.rstd[i];
    pass_over_groups(&small, fit, false);
}

/* Adds one element to P and R (group_coefficients.h) of its group, and to dgamma and dbeta. */
INLINE void add_element(const struct small_groups *small, int64_t g, int64_t i, double *p,
                        double *r)
{
    const struct gn_small *in = small->in;
    int64_t at = small->at + g * in->depth + i, c = small->c + g * in->depth + i;
    double dy = (double)in->dy[at], d = ((double)in->x[at] - small->mean[g]) - small->mean_lo[g];
    double weighted = in->gamma ? (double)in->gamma[c] * dy : dy;
    *p += weighted;
    *r += weighted * d;
    if (in->dgamma) {
        in->dgamma[c] += dy * d * small->rstd[g];
        in->dbeta[c] += dy;
    }
}

/* The same for four elements. */
INLINE void add_four(const struct small_groups *small, int64_t g, int64_t i, quad *p, quad *r)
{
    const struct gn_small *in = small->in;
    int64_t at = small->at + g * in->depth + i, c = small->c + g * in->depth + i;
    quad dy = four_f32(in->dy + at),
         d = (four_f32(in->x + at) - small->mean[g]) - small->mean_lo[g];
    quad weighted = in->gamma ? four_f32(in->gamma + c) * dy : dy;
    *p += weighted;
    *r += weighted * d;
    if (in->dgamma) {
        *(mem_quad *)(in->dgamma + c) += dy * d * small->rstd[g];
        *(mem_quad *)(in->dbeta + c) += dy;
    }
}

/* Stores P and R of each group in place of offset and slope, four groups at a time. */
INLINE void sum_small_groups(struct small_groups *small)
{
    for (int64_t first = 0; first < small->groups; first += 4) {
        quad p[4], r[4], p_sum, r_sum;
        double rest_p[4] = {0}, rest_r[4] = {0};
        int64_t groups = small->groups - first < 4 ? small->groups - first : 4,
                depth = small->in->depth;
        for (int64_t g = 0; g < 4; g++) {
            p[g] = r[g] = (quad){0, 0, 0, 0};
            int64_t i = 0;
            for (; g < groups && i + 4 <= depth; i += 4)
                add_four(small, first + g, i, &p[g], &r[g]);
            for (; g < groups && i < depth; i++)
                add_element(small, first + g, i, &rest_p[g], &rest_r[g]);
        }
        sum_quads(p, &p_sum);
        sum_quads(r, &r_sum);
        for (int64_t g = 0; g < groups; g++) {
            small->offset[first + g] = p_sum[g] + rest_p[g];
            small->slope[first + g] = r_sum[g] + rest_r[g];
        }
    }
}

/* The backward pass over groups of a sample. */
NOINLINE void gradient_groups(const struct gn_small *in, int64_t sample, int64_t g, int64_t groups,
                              const bool *fit)
{
    struct small_groups small;
    open_groups(in, sample, g, groups, &small);
    struct gn_stored stored = {groups, in->mean + small.group, in->rstd + small.group, GN_F32};
    if (load_statistics(stored, NULL, statistics_of(&small))) {
        double mean[SMALL_GROUPS], mean_lo[SMALL_GROUPS], rstd[SMALL_GROUPS];
        struct gn_statistics found = {mean, mean_lo, rstd};
        find_statistics(&small, found);
        load_statistics(stored, &found, statistics_of(&small));
    }
    sum_small_groups(&small);
    finish_slopes(groups, 1.0 / (double)in->depth, statistics_of(&small), small.slope,
                  small.offset);
    if (in->out)
        pass_over_groups(&small, fit, true);
}

#endif
