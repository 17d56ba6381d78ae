/* SPDX-License-Identifier: MIT */
/*
 * The kernel table: the contract between the drivers and the loops over elements.
 *
 * Two memory layouts, two families. In channels first, a channel of a group is a row of contiguous
 * elements (`rows`); in channels last, a channel is a column, and a pixel is a row of C contiguous
 * channels (`columns`).
 *
 * A kernel computes in float where that is accurate and falls back to double by itself where the
 * values demand it: the choice depends on the data alone, and the result has the same bits in every
 * instruction set. Outputs may be the inputs themselves; nothing else overlaps. Pointers are
 * aligned to their element.
 */
#ifndef GN_KERNELS_H
#define GN_KERNELS_H

#include <stdbool.h>
#include <stdint.h>

#include "../moments.h"
#include "../types.h"
#include "groupnorm.h"

/*
 * Consecutive groups of `depth` channels each, or a part of one, and what belongs to them: one
 * value a group, and one a channel.
 */
struct gn_groups {
    int64_t groups, depth;
    struct gn_statistics of;
    const double *slope, *offset; /* backward alone, where the mean is of.mean */
    const void *gamma, *beta;     /* NULL: ones, zeros */
    gn_type param;                /* of both */
};

/* The sums over the channels of consecutive groups, and where the groups' parts of dgamma go. */
struct gn_gradient {
    int64_t groups, depth;
    double count;           /* elements of a group */
    const void *gamma;      /* of the first channel; NULL: ones */
    gn_type param;          /* of gamma */
    const double *dy;       /* sum g of each channel */
    const double *dyx;      /* sum g * (x - mean), mean being the group's as it was stored */
    double *dgamma, *dbeta; /* added to, for each channel; both NULL: not wanted */
};

/* Channels first: `channels` rows of `length` elements each, rows so many elements apart. */
struct gn_rows {
    const void *x, *dy;
    void *out;              /* y or dx */
    gn_type x_type, y_type; /* of x and dx, of y and dy */
    int64_t channels, length;
    int64_t x_stride, dy_stride, out_stride;
    /*
     * For the last passes: rows come in runs, the first of `first` elements, the others of `run`,
     * the last of what is left. Where each begins, in elements, the first too; NULL: where the one
     * before ends.
     */
    int64_t first, run; /* 0: whole */
    const int64_t *x_at, *dy_at, *out_at;
    gn_activation activation;
    const float *scale, *shift; /* a channel: z = (x - mean) * scale + shift, for the sums */
    float *kept;                /* with an activation, for g, row after row; NULL: not wanted */
    double *hard; /* a channel: set to 1 where the sums fell back to double for an activation */
    bool stream;  /* whether to write past the caches */
    bool far;     /* whether what is read comes from beyond them: for sums_rows */
};

/* So many pixels are added up at a time in float. */
enum { GN_KEPT_PIXELS = 64 };

/* Channels last: `pixels` rows of `channels` elements, strides from each to the next. */
struct gn_columns {
    const void *x, *dy;
    void *out;
    gn_type x_type, y_type;
    int64_t pixels, channels;
    int64_t x_stride, dy_stride, out_stride;
    /* Where each pixel begins, in elements; NULL: as the strides say. */
    const int64_t *x_at, *dy_at, *out_at;
    gn_activation activation;
    const float *scale, *shift; /* as above, with room for gn_padded(channels) */
    float *kept; /* with an activation, for g, of GN_KEPT_PIXELS at a time or of all pixels */
    int64_t kept_stride;
    bool kept_all;
    double *hard;
    bool stream, far;
};

static inline int64_t gn_pixel_at(const int64_t *at, int64_t stride, int64_t pixel)
{
    return at ? at[pixel] : pixel * stride;
}

/* One sample of channels of one element: consecutive groups of `depth` contiguous elements each. */
struct gn_points {
    const float *x;
    const float *dy;
    float *out; /* y or dx */
    int64_t groups, depth;
    const float *gamma, *beta; /* of the first channel; NULL: ones, zeros */
    double *dgamma, *dbeta;    /* added to; both NULL: not wanted */
    /* The last pass: what it needs of a group, for each channel; all NULL: from the groups'. */
    const float *mean, *low, *rstd, *slope, *offset;
};

/* Consecutive samples of points in groups of 2, 4 or 8: sample after sample, group after group. */
struct gn_tiny {
    const float *x;
    const float *dy;
    float *out; /* y or dx; NULL: not wanted */
    int64_t samples, groups, depth;
    const float *gamma, *beta; /* of all channels; NULL: ones, zeros */
    double *dgamma, *dbeta;    /* added to; both NULL: not wanted */
};

/* In groups of fewer channels than this, it pays to spread their numbers over the channels. */
enum { GN_SPREAD_BELOW = 32 };

/*
 * Within these limits the last passes over points neither overflow nor lose anything to underflow:
 * gamma 0 or within the first two, all else that they multiply or add no larger than the third.
 */
#define GN_POINT_GAMMA_LEAST 0x1p-20f
#define GN_POINT_GAMMA_MOST 0x1p20f
#define GN_POINT_MOST 0x1p100f

/*
 * Arrays of one value a channel that kernels read or keep have room for gn_padded(channels)
 * elements, so that they are worked on in whole vectors. What is in the rest does not matter.
 */
enum { GN_PADDING = 16 };

static inline int64_t gn_padded(int64_t channels)
{
    return (channels + 2 * GN_PADDING - 1) / GN_PADDING * GN_PADDING;
}

/* How many such arrays of double a columns kernel that reduces needs as its own scratch. */
enum { GN_COLUMNS_WORK = 10 };

static inline int64_t gn_columns_work_bytes(int64_t channels)
{
    return GN_COLUMNS_WORK * gn_padded(channels) * (int64_t)sizeof(double);
}

/* The wide last passes get at most so many channels at a time; arrays for them have more room. */
enum { GN_WIDE = 64, GN_WIDE_ROOM = GN_WIDE + GN_PADDING };

/*
 * What rounding took from a stored mean matters where |mean * rstd| is larger than this: there the
 * rounding of the mean is more of xhat than u, which the errors of sums in float are anyway.
 * docs/accuracy.md derives from it the bound of dx.
 */
#define GN_ROUNDING_MATTERS 1

/* Sums of squares in float below this may have lost something to underflow, or gained by it. */
#define GN_LEAST_SQUARES 0x1p-100

struct gn_kernels {
    gn_isa isa;
    const char *name;

    /* Arrays of a short type to floats, and back, where what is NaN came of arithmetic. */
    void (*convert)(const void *p, gn_type type, int64_t n, float *out);
    void (*convert_back)(const float *in, gn_type type, int64_t n, void *p);

    /* out = x + skip, rounded to the type; of skip, `one` element alone counts. */
    void (*add)(const void *x, const void *skip, bool one, gn_type type, int64_t n, void *out);

    /*
     * The moments of each of `groups` runs of `length` >= 1 contiguous values; and of each group of
     * `depth` consecutive channels over all pixels, 1 or more. Where a sum of squares below
     * `floor`, GN_LEAST_SQUARES or 0, matters for the result, it is computed so that it does not
     * underflow.
     */
    void (*moments_rows)(const void *x, gn_type type, int64_t length, int64_t groups, double floor,
                         struct gn_moments out);
    void (*moments_columns)(const struct gn_columns *columns, int64_t depth, double floor,
                            struct gn_moments out, double *work);

    /* Adds `more`, of more_count values a group, to `into`, of count. */
    void (*merge)(int64_t groups, double count, struct gn_moments into, double more_count,
                  struct gn_moments more);

    /*
     * rstd is 1/sqrt(var + epsilon), out.mean rounded to the type that is to be stored, GN_F32 or
     * GN_F64. All NaN where a value was NaN or infinite.
     */
    void (*finish)(int64_t groups, double count, double epsilon, gn_type stored,
                   struct gn_moments moments, struct gn_statistics out);

    /*
     * The sums of g = dy * act'(z) and of g * (x - mean) for each channel. The mean is the group's
     * as it was stored: of rows, one for each group of `depth`; of columns, one for each channel,
     * with room for gn_padded(channels). The wide ones, for any type, have all their numbers a
     * channel; no scale and shift without an activation.
     */
    void (*sums_rows)(const struct gn_rows *rows, int64_t depth, const float *means, double *dy,
                      double *dyx);
    void (*sums_columns)(const struct gn_columns *columns, const float *mean, double *dy,
                         double *dyx, double *work);
    void (*sums_rows_wide)(const struct gn_rows *rows, const double *mean, const double *scale,
                           const double *shift, double *dy, double *dyx);
    void (*sums_columns_wide)(const struct gn_columns *columns, const double *mean,
                              const double *scale, const double *shift, double *dy, double *dyx,
                              double *work);

    /*
     * Whether what rounding took from the stored statistics of one of the groups matters. They are
     * of type GN_F32 or GN_F64.
     */
    bool (*rounding_matters)(int64_t groups, const void *mean, const void *rstd, gn_type type);

    /*
     * The stored statistics of groups as of.mean and of.rstd, of.low being 0; returns whether
     * rounding matters. Then recover finds what it took in those found again from x.
     */
    bool (*stored)(int64_t groups, const void *mean, const void *rstd, gn_type type,
                   struct gn_statistics of);
    void (*recover)(int64_t groups, gn_type type, struct gn_statistics found,
                    struct gn_statistics of);

    /* slope and offset of each group; of.low is the true mean less the one in the sums. */
    void (*finish_gradient)(const struct gn_gradient *gradient, struct gn_statistics of,
                            double *slope, double *offset);

    /*
     * Points. points_fit says whether gamma and beta are within the limits, limit_points which
     * groups are, and whether all; slope is NULL forward. What is not takes the way of columns of a
     * single pixel. gradient_points gives slope and offset of each group.
     */
    bool (*points_fit)(const float *gamma, const float *beta, int64_t channels);
    bool (*limit_points)(int64_t groups, struct gn_statistics of, const double *slope,
                         const double *offset, bool *narrow);
    void (*spread_points)(int64_t groups, int64_t depth, const double *of, float *out);
    void (*normalize_points)(const struct gn_points *points, struct gn_statistics of);
    void (*gradient_points)(const struct gn_points *points, struct gn_statistics of, double *slope,
                            double *offset);
    void (*apply_points)(const struct gn_points *points, struct gn_statistics of,
                         const double *slope, const double *offset);

    /*
     * Tiny groups, from x to y, or from dy and x to dx, where gamma and beta are within the limits.
     * done[] says for which groups, whose values keep within others, and the result whether for
     * all; of those not done nothing is written but mean and rstd. mean and rstd may be NULL
     * forward.
     */
    bool (*normalize_tiny)(const struct gn_tiny *tiny, double epsilon, double floor, float *mean,
                           float *rstd, bool *done);
    bool (*gradient_tiny)(const struct gn_tiny *tiny, const float *mean, const float *rstd,
                          bool *done);

    /*
     * The last passes. Forward, y = act(z), z = (x - mean) * scale + shift; backward, dx = scale *
     * g + (slope * (x - mean) + offset), g = dy * act'(z), with scale and shift of lines. lines and
     * planes compute these numbers as arrays of one value a channel, with room for
     * gn_padded(channels), and return whether float is wide enough for all of them; where it is
     * not, the wide functions take over. See lines_tmpl.h.
     */
    bool (*lines)(const struct gn_groups *groups, float *mean, float *scale, float *shift);
    bool (*lines_wide)(const struct gn_groups *groups, double *mean, double *scale, double *shift);
    bool (*planes)(const struct gn_groups *groups, float *mean, float *scale, float *slope,
                   float *offset);
    bool (*planes_wide)(const struct gn_groups *groups, double *mean, double *scale, double *slope,
                        double *offset);

    void (*normalize_rows)(const struct gn_rows *rows, const float *mean, const float *scale,
                           const float *shift);
    void (*normalize_rows_wide)(const struct gn_rows *rows, const double *mean, const double *scale,
                                const double *shift);
    void (*normalize_columns)(const struct gn_columns *columns, const float *mean,
                              const float *scale, const float *shift);
    void (*normalize_columns_wide)(const struct gn_columns *columns, const double *mean,
                                   const double *scale, const double *shift);

    /* shift is read where there is an activation alone. */
    void (*apply_rows)(const struct gn_rows *rows, const float *mean, const float *scale,
                       const float *shift, const float *slope, const float *offset);
    void (*apply_rows_wide)(const struct gn_rows *rows, const double *mean, const double *scale,
                            const double *shift, const double *slope, const double *offset);
    void (*apply_columns)(const struct gn_columns *columns, const float *mean, const float *scale,
                          const float *shift, const float *slope, const float *offset);
    void (*apply_columns_wide)(const struct gn_columns *columns, const double *mean,
                               const double *scale, const double *shift, const double *slope,
                               const double *offset);
};

/* A build has those that src/CMakeLists.txt compiles for its processor. */
extern const struct gn_kernels gn_kernels_generic;
extern const struct gn_kernels gn_kernels_neon;
extern const struct gn_kernels gn_kernels_avx2;
extern const struct gn_kernels gn_kernels_avx512;

#endif
