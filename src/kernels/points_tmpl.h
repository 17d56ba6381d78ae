/* SPDX-License-Identifier: MIT */
/*
 * The kernels for points: where channels have but one element, a sample is a run of groups of
 * `depth` contiguous elements, each with its own gamma and beta. Sums are in double, four groups at
 * a time, and need no fallback; the last passes are in float, for groups that
 * limit_points admits.
 */

/* The moments of up to four runs of n < SMALL values about their first. */
INLINE void moments_tiny(const float *x, int64_t n, int64_t groups, double inverse,
                         struct gn_moments out)
{
    quad s[4], q[4], shift, rest_s = {0, 0, 0, 0}, rest_q = {0, 0, 0, 0};
    UNROLL
    for (int g = 0; g < 4; g++) {
        const float *of = x + (g < groups ? g : 0) * n;
        double k = (double)of[0];
        int64_t i = 0;
        s[g] = q[g] = (quad){0, 0, 0, 0};
        for (; i + 4 <= n; i += 4) {
            quad d = four_f32(of + i) - k;
            s[g] += d;
            q[g] += d * d;
        }
        for (; i < n; i++) {
            double d = (double)of[i] - k;
            rest_s[g] += d;
            rest_q[g] += d * d;
        }
        shift[g] = k;
    }
    quad s_sum, q_sum;
    sum_quads(s, &s_sum);
    sum_quads(q, &q_sum);
    s_sum += rest_s;
    q_sum += rest_q;
    quad offset = s_sum * inverse, m2 = q_sum - s_sum * offset;
    for (int64_t g = 0; g < groups; g++) {
        out.origin[g] = shift[g];
        out.offset[g] = offset[g];
        out.m2[g] = m2[g] < 0 ? 0 : m2[g];
    }
}

/* Whether gamma and beta of all channels are in the limits. */
static bool points_fit(const float *gamma, const float *beta, int64_t channels)
{
    bool fit = true;
    for (int64_t c = 0; gamma && c < channels; c++) {
        float size = fabsf(gamma[c]);
        fit &= size == 0 || (size >= GN_POINT_GAMMA_LEAST && size <= GN_POINT_GAMMA_MOST);
    }
    for (int64_t c = 0; beta && c < channels; c++)
        fit &= fabsf(beta[c]) <= GN_POINT_MOST;
    return fit;
}

/* of[g], rounded to float, for each of the channels. Whole groups of batches at a time: a vector
 * that is loaded soon after several stores into it waits for them. */
static void spread_points(int64_t groups, int64_t depth, const double *of, float *out)
{
    for (int64_t g = 0; g < groups; g++)
        for (int64_t i = 0; i < depth; i += WIDTH_f32)
            put_f32(out + g * depth + i, splat_f32((float)of[g]));
}

INLINE vec_f32 point_parameter(const float *p, int64_t c, int64_t part, float otherwise)
{
    if (!p)
        return splat_f32(otherwise);
    return part ? load_part_f32(p + c, part, 0) : load_f32(p + c);
}

/* Channels first..end - 1, with numbers a channel or, where not spread, one for all. */
INLINE void normalize_span(const struct gn_points *in, int64_t first, int64_t end,
                           const float *mean, const float *low, const float *rstd, bool spread)
{
    for (int64_t c = first; c < end; c += WIDTH_f32) {
        int64_t part = c + WIDTH_f32 <= end ? 0 : end - c;
        vec_f32 d =
            point_parameter(in->x, c, part, 0) - (spread ? get_f32(mean + c) : splat_f32(*mean));
        vec_f32 xhat = (d - (spread ? get_f32(low + c) : splat_f32(*low))) *
                       (spread ? get_f32(rstd + c) : splat_f32(*rstd));
        vec_f32 y =
            xhat * point_parameter(in->gamma, c, part, 1) + point_parameter(in->beta, c, part, 0);
        if (part)
            store_part_f32(in->out + c, y, part);
        else
            store_f32(in->out + c, y);
    }
}

/* One sample's groups: y = (x - mean) * rstd * gamma + beta. */
static void normalize_points(const struct gn_points *in, struct gn_statistics of)
{
    int64_t depth = in->depth;
    if (in->mean) {
        normalize_span(in, 0, in->groups * depth, in->mean, in->low, in->rstd, true);
        return;
    }
    for (int64_t g = 0; g < in->groups; g++) {
        float mean = (float)of.mean[g], low = (float)of.mean_lo[g], rstd = (float)of.rstd[g];
        normalize_span(in, g * depth, (g + 1) * depth, &mean, &low, &rstd, false);
    }
}

INLINE void apply_span(const struct gn_points *in, int64_t first, int64_t end, const float *mean,
                       const float *rstd, const float *slope, const float *offset, bool spread)
{
    for (int64_t c = first; c < end; c += WIDTH_f32) {
        int64_t part = c + WIDTH_f32 <= end ? 0 : end - c;
        vec_f32 scale = point_parameter(in->gamma, c, part, 1) *
                        (spread ? get_f32(rstd + c) : splat_f32(*rstd));
        vec_f32 d =
            point_parameter(in->x, c, part, 0) - (spread ? get_f32(mean + c) : splat_f32(*mean));
        vec_f32 plane = (spread ? get_f32(slope + c) : splat_f32(*slope)) * d +
                        (spread ? get_f32(offset + c) : splat_f32(*offset));
        vec_f32 dx = scale * point_parameter(in->dy, c, part, 0) + plane;
        if (part)
            store_part_f32(in->out + c, dx, part);
        else
            store_f32(in->out + c, dx);
    }
}

/* One sample's groups: dx = rstd * gamma * dy + (slope * (x - mean) + offset). */
static void apply_points(const struct gn_points *in, struct gn_statistics of, const double *slope,
                         const double *offset)
{
    int64_t depth = in->depth;
    if (in->mean) {
        apply_span(in, 0, in->groups * depth, in->mean, in->rstd, in->slope, in->offset, true);
        return;
    }
    for (int64_t g = 0; g < in->groups; g++) {
        float mean = (float)of.mean[g], rstd = (float)of.rstd[g];
        float one_slope = (float)slope[g], one_offset = (float)offset[g];
        apply_span(in, g * depth, (g + 1) * depth, &mean, &rstd, &one_slope, &one_offset, false);
    }
}

/* One element of gradient_points: its parts of P and R, and of dgamma and dbeta. */
INLINE void gradient_point(const struct gn_points *in, int64_t c, double mean, double low,
                           double rstd, double *p, double *r)
{
    double dy = (double)in->dy[c], d = ((double)in->x[c] - mean) - low;
    double g = in->gamma ? (double)in->gamma[c] * dy : dy;
    *p += g;
    *r += g * d;
    if (in->dgamma) {
        in->dgamma[c] += dy * d * rstd;
        in->dbeta[c] += dy;
    }
}

/* One sample's groups: slope and offset of each, and its parts of dgamma and dbeta. */
static void gradient_points(const struct gn_points *in, struct gn_statistics of, double *slope,
                            double *offset)
{
    double inverse = 1.0 / (double)in->depth;
    for (int64_t first = 0; first < in->groups; first += 4) {
        quad p[4], r[4], p_sum, r_sum;
        double rest_p[4] = {0}, rest_r[4] = {0};
        int64_t groups = in->groups - first < 4 ? in->groups - first : 4;
        for (int64_t g = 0; g < 4; g++) {
            p[g] = r[g] = (quad){0, 0, 0, 0};
            if (g >= groups)
                continue;
            double mean = of.mean[first + g], low = of.mean_lo[first + g],
                   rstd = of.rstd[first + g];
            int64_t c = (first + g) * in->depth, end = c + in->depth;
            for (; c + 4 <= end; c += 4) {
                quad dy = four_f32(in->dy + c), d = (four_f32(in->x + c) - mean) - low;
                quad weighed = in->gamma ? four_f32(in->gamma + c) * dy : dy;
                p[g] += weighed;
                r[g] += weighed * d;
                if (in->dgamma) {
                    *(mem_quad *)(in->dgamma + c) += dy * d * rstd;
                    *(mem_quad *)(in->dbeta + c) += dy;
                }
            }
            for (; c < end; c++)
                gradient_point(in, c, mean, low, rstd, &rest_p[g], &rest_r[g]);
        }
        sum_quads(p, &p_sum);
        sum_quads(r, &r_sum);
        for (int64_t g = 0; g < groups; g++) {
            offset[first + g] = p_sum[g] + rest_p[g];
            slope[first + g] = r_sum[g] + rest_r[g];
        }
    }
    finish_slopes(in->groups, inverse, of, slope, offset);
}

/* Which groups floats do for; slope is NULL forward. */
static bool limit_points(int64_t groups, struct gn_statistics of, const double *slope,
                         const double *offset, bool *narrow)
{
    bool all = true;
    for (int64_t g = 0; g < groups; g++) {
        double rstd = of.rstd[g];
        bool fits = rstd >= 0x1p-100 && rstd <= GN_POINT_MOST;
        if (slope) {
            double size = fabs(slope[g]);
            fits &= size == 0 || (size >= (double)FLT_MIN && size <= (double)GN_POINT_MOST);
            fits &= size <= rstd * 0x1p100;
            size = fabs(offset[g]);
            fits &= size == 0 || (size >= (double)FLT_MIN && size <= (double)GN_POINT_MOST);
        }
        narrow[g] = fits;
        all &= fits;
    }
    return all;
}
