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
#include "groupnorm.h"

/* Sums over a channel's elements, for the gradients. `mean` is the group's, rounded to float. */
struct gn_sums {
    double dy;  /* sum dy */
    double dyx; /* sum dy * (x - mean) */
};

static inline void gn_add_sums(struct gn_sums *into, const struct gn_sums *more)
{
    into->dy += more->dy;
    into->dyx += more->dyx;
}

/* The group that a run of channels belongs to, and the channels' parameters. */
struct gn_norm {
    int64_t channels;
    const float *gamma, *beta; /* of the first channel; NULL: ones, zeros */
    struct gn_statistics of;
    double slope, offset; /* backward alone, where the mean is of.mean */
};

/* Channels first: `channels` rows of `length` elements each, one after the other. */
struct gn_rows {
    const float *x;
    const float *dy;
    float *out; /* y or dx */
    int64_t channels, length;
};

/* Channels last: `pixels` rows of `channels` elements, `stride` elements from each to the next. */
struct gn_columns {
    const float *x;
    const float *dy;
    float *out; /* y or dx */
    int64_t pixels, channels, stride;
};

/*
 * Arrays of one value a channel that kernels read or keep have room for gn_padded(channels)
 * elements, so that they are worked on in whole vectors.
 */
enum { GN_PADDING = 16 };

static inline int64_t gn_padded(int64_t channels)
{
    return (channels + 2 * GN_PADDING - 1) / GN_PADDING * GN_PADDING;
}

/* How many such arrays of double a columns kernel that reduces needs as its own scratch. */
enum { GN_COLUMNS_WORK = 9 };

static inline int64_t gn_columns_work_bytes(int64_t channels)
{
    return GN_COLUMNS_WORK * gn_padded(channels) * (int64_t)sizeof(double);
}

/*
 * Drivers hand the last pass at most so many channels at a time: rows, and columns, where the
 * numbers of a strip stay in the L1 cache from pixel to pixel. Arrays for a strip have more room.
 */
enum { GN_BATCH = 64, GN_STRIP = 512, GN_STRIP_ROOM = GN_STRIP + GN_PADDING };

struct gn_kernels {
    gn_isa isa;
    const char *name;

    /*
     * The moments of n >= 1 contiguous values. Where a sum of squares below `floor` matters for the
     * result, it is computed so that it does not underflow.
     */
    void (*moments_rows)(const float *x, int64_t n, double floor, struct gn_moments *out);

    /*
     * The last passes. Forward, y = (x - mean) * scale + shift; backward, dx = scale * dy + (slope
     * * (x - mean) + offset). lines and planes compute these numbers as arrays of one value a
     * channel, and return whether float is wide enough for all of them; where it is not, the wide
     * functions take over. See lines_tmpl.h.
     */
    bool (*lines)(const struct gn_norm *norm, float *mean, float *scale, float *shift);
    bool (*lines_wide)(const struct gn_norm *norm, double *mean, double *scale, double *shift);
    bool (*planes)(const struct gn_norm *norm, float *mean, float *scale, float *slope,
                   float *offset);
    bool (*planes_wide)(const struct gn_norm *norm, double *mean, double *scale, double *slope,
                        double *offset);

    void (*normalize_rows)(const struct gn_rows *rows, const float *mean, const float *scale,
                           const float *shift);
    void (*normalize_rows_wide)(const struct gn_rows *rows, const double *mean, const double *scale,
                                const double *shift);
    void (*normalize_columns)(const struct gn_columns *columns, const float *mean,
                              const float *scale, const float *shift);
    void (*normalize_columns_wide)(const struct gn_columns *columns, const double *mean,
                                   const double *scale, const double *shift);

    void (*apply_rows)(const struct gn_rows *rows, const float *mean, const float *scale,
                       const float *slope, const float *offset);
    void (*apply_rows_wide)(const struct gn_rows *rows, const double *mean, const double *scale,
                            const double *slope, const double *offset);
    void (*apply_columns)(const struct gn_columns *columns, const float *mean, const float *scale,
                          const float *slope, const float *offset);
    void (*apply_columns_wide)(const struct gn_columns *columns, const double *mean,
                               const double *scale, const double *slope, const double *offset);

    /* sums[c] is written for each row c. */
    void (*sums_rows)(const struct gn_rows *rows, float mean, struct gn_sums *sums);

    /* The moments of each group of `depth` consecutive channels over all pixels (1 or more). */
    void (*moments_columns)(const struct gn_columns *columns, int64_t depth, double floor,
                            struct gn_moments *out, double *work);

    /*
     * dy and dyx are arrays of the members of struct gn_sums, of `channels` elements exactly. mean
     * is an array too, padded with finite numbers.
     */
    void (*sums_columns)(const struct gn_columns *columns, const float *mean, double *dy,
                         double *dyx, double *work);
};

extern const struct gn_kernels gn_kernels_generic;
extern const struct gn_kernels gn_kernels_avx2;

#endif
