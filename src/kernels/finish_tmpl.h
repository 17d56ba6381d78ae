/* SPDX-License-Identifier: MIT */
/*
 * What lies between the sums and the last pass, in double, for a vector of groups at a time:
 * statistics from moments, and the two numbers of a group's gradient from the sums of its channels.
 */

static void merge(int64_t groups, double count, struct gn_moments into, double more_count,
                  struct gn_moments more)
{
    double weight = more_count / (count + more_count), product = count * weight;
    for (int64_t g = 0; g < groups; g += WIDTH_f64) {
        vec_f64 delta =
            (some_f64(more.origin + g, groups - g) - some_f64(into.origin + g, groups - g)) +
            (some_f64(more.offset + g, groups - g) - some_f64(into.offset + g, groups - g));
        put_f64(into.m2 + g, some_f64(into.m2 + g, groups - g) +
                                 (some_f64(more.m2 + g, groups - g) + delta * delta * product));
        put_f64(into.offset + g, some_f64(into.offset + g, groups - g) + delta * weight);
    }
}

static void finish(int64_t groups, double count, double epsilon, gn_type stored,
                   struct gn_moments moments, struct gn_statistics out)
{
    vec_f64 none = splat_f64((double)NAN);
    double inverse = 1.0 / count;
    for (int64_t g = 0; g < groups; g += WIDTH_f64) {
        vec_f64 origin = some_f64(moments.origin + g, groups - g),
                offset = some_f64(moments.offset + g, groups - g);
        vec_f64 var = some_f64(moments.m2 + g, groups - g) * inverse;
        mask_f64 finite = var <= splat_f64(DBL_MAX);
        vec_f64 mean = origin + offset;
        if (stored == GN_F32)
            mean = WIDEN(NARROW(mean));
        put_f64(out.mean + g, select_f64(finite, mean, none));
        put_f64(out.low + g, select_f64(finite, (origin - mean) + offset, none));
        put_f64(out.rstd + g, select_f64(finite, 1.0 / sqrt_f64(var + epsilon), none));
    }
}

/* An rstd that is 0 or a normal number of the type. */
INLINE mask_f64 usual_rstd(vec_f64 rstd, gn_type t)
{
    double least = t == GN_F64 ? DBL_MIN : (double)FLT_MIN;
    double most = t == GN_F64 ? DBL_MAX : (double)FLT_MAX;
    return (rstd == splat_f64(0)) | ((rstd >= splat_f64(least)) & (rstd <= splat_f64(most)));
}

/* The rounding of the mean is up to u * |mean| * rstd in xhat. Where rstd is NaN, all is. */
INLINE mask_f64 which_matter(vec_f64 mean, vec_f64 rstd, gn_type t)
{
    mask_f64 far = abs_f64(mean * rstd) > splat_f64(GN_ROUNDING_MATTERS);
    return (rstd == rstd) & (far | ~usual_rstd(rstd, t));
}

/* What was stored of groups from g on; zeros beyond the last. */
INLINE vec_f64 some_stored(const void *p, gn_type t, int64_t g, int64_t groups)
{
    return groups - g >= WIDTH_f64 ? read_f64(p, t, g) : read_part_f64(p, t, g, groups - g, 0);
}

static bool rounding_matters(int64_t groups, const void *mean, const void *rstd, gn_type t)
{
    mask_f64 matters = splat_f64(0) != splat_f64(0);
    for (int64_t g = 0; g < groups; g += WIDTH_f64)
        matters |=
            which_matter(some_stored(mean, t, g, groups), some_stored(rstd, t, g, groups), t);
    return !all_f64(~matters);
}

static bool stored(int64_t groups, const void *mean, const void *rstd, gn_type t,
                   struct gn_statistics of)
{
    mask_f64 matters = splat_f64(0) != splat_f64(0);
    for (int64_t g = 0; g < groups; g += WIDTH_f64) {
        vec_f64 m = some_stored(mean, t, g, groups), r = some_stored(rstd, t, g, groups);
        put_f64(of.mean + g, m);
        put_f64(of.low + g, splat_f64(0));
        put_f64(of.rstd + g, r);
        matters |= which_matter(m, r, t);
    }
    return !all_f64(~matters);
}

/* A stored mean that is not that of x is taken as it is. */
static void recover(int64_t groups, gn_type t, struct gn_statistics found, struct gn_statistics of)
{
    double epsilon = t == GN_F64 ? DBL_EPSILON : (double)FLT_EPSILON;
    double least = t == GN_F64 ? DBL_TRUE_MIN : (double)FLT_TRUE_MIN;
    for (int64_t g = 0; g < groups; g += WIDTH_f64) {
        vec_f64 mean = some_f64(of.mean + g, groups - g), rstd = some_f64(of.rstd + g, groups - g);
        mask_f64 matters = which_matter(mean, rstd, t);
        vec_f64 low =
            (some_f64(found.mean + g, groups - g) - mean) + some_f64(found.low + g, groups - g);
        mask_f64 near =
            (abs_f64(low) <= abs_f64(mean) * epsilon) | (abs_f64(low) <= splat_f64(least));
        put_f64(of.low + g, select_f64(matters & near, low, splat_f64(0)));
        put_f64(of.rstd + g, select_f64(matters & ~usual_rstd(rstd, t),
                                        some_f64(found.rstd + g, groups - g), rstd));
    }
}

/* Sums over the channels of a group, in four lanes. */
struct group_sums {
    double p, r; /* sum gamma * dy and sum gamma * dy * (x - mean) */
};

INLINE void four_at(const void *p, gn_type t, int64_t i, quad *four)
{
    if (t == GN_F32)
        *four = four_f32((const float *)p + i);
    else
        *four = (quad){value_f64(p, t, i), value_f64(p, t, i + 1), value_f64(p, t, i + 2),
                       value_f64(p, t, i + 3)};
}

INLINE struct group_sums weigh(const struct gn_gradient *in, gn_type param, int64_t first,
                               double low)
{
    const double *dy = in->dy + first, *dyx = in->dyx + first;
    const void *gamma = gn_at(in->gamma, param, first);
    quad p = {0, 0, 0, 0}, r = {0, 0, 0, 0};
    int64_t c = 0;
    for (; c + 4 <= in->depth; c += 4) {
        quad a = *(const mem_quad *)(dy + c), b = *(const mem_quad *)(dyx + c) - low * a;
        quad weight = 1 - (quad){0, 0, 0, 0};
        if (gamma)
            four_at(gamma, param, c, &weight);
        p += weight * a;
        r += weight * b;
    }
    struct group_sums sums = {(p[0] + p[2]) + (p[1] + p[3]), (r[0] + r[2]) + (r[1] + r[3])};
    for (; c < in->depth; c++) {
        double weight = gamma ? gn_double_at(gamma, param, c) : 1;
        sums.p += weight * dy[c];
        sums.r += weight * (dyx[c] - low * dy[c]);
    }
    return sums;
}

/* Adds a group's part of dgamma and dbeta. */
INLINE void add_parameters(const struct gn_gradient *in, int64_t first, double low, double rstd)
{
    const double *dy = in->dy + first, *dyx = in->dyx + first;
    double *dgamma = in->dgamma + first, *dbeta = in->dbeta + first;
    int64_t c = 0;
    for (; c + 4 <= in->depth; c += 4) {
        quad a = *(const mem_quad *)(dy + c), b = *(const mem_quad *)(dyx + c) - low * a;
        *(mem_quad *)(dgamma + c) += b * rstd;
        *(mem_quad *)(dbeta + c) += a;
    }
    for (; c < in->depth; c++) {
        dgamma[c] += (dyx[c] - low * dy[c]) * rstd;
        dbeta[c] += dy[c];
    }
}

/* slope and offset of each group, from R and P, which are in their places. */
INLINE void finish_planes(int64_t groups, double inverse, struct gn_statistics of, double *slope,
                          double *offset)
{
    for (int64_t g = 0; g < groups; g += WIDTH_f64) {
        vec_f64 rstd = some_f64(of.rstd + g, groups - g), r = some_f64(slope + g, groups - g),
                p = some_f64(offset + g, groups - g);
        vec_f64 b = -(r * inverse * rstd) * rstd * rstd;
        put_f64(slope + g, b);
        put_f64(offset + g, -rstd * (p * inverse) - b * some_f64(of.low + g, groups - g));
    }
}

INLINE void finish_gradient_of(const struct gn_gradient *in, gn_type param, struct gn_statistics of,
                               double *slope, double *offset)
{
    for (int64_t g = 0; g < in->groups; g++) {
        struct group_sums sums = weigh(in, param, g * in->depth, of.low[g]);
        slope[g] = sums.r;
        offset[g] = sums.p;
        if (in->dgamma)
            add_parameters(in, g * in->depth, of.low[g], of.rstd[g]);
    }
    finish_planes(in->groups, 1.0 / in->count, of, slope, offset);
}

static void finish_gradient(const struct gn_gradient *in, struct gn_statistics of, double *slope,
                            double *offset)
{
    if (in->param == GN_F32)
        finish_gradient_of(in, GN_F32, of, slope, offset);
    else
        finish_gradient_of(in, in->param, of, slope, offset);
}
