/* SPDX-License-Identifier: MIT */
/*
 * The kernel table: the contract between the drivers, which know threads and memory, and the loops
 * over elements, which know neither.
 *
 * A kernel works on a tile: some channels of a sample, or of consecutive samples, and some elements
 * of each. In channels first a channel is a row of contiguous elements, in channels last a column;
 * the tile's axis says which.
 *
 * A kernel computes in f32 where that is accurate, and in f64 where the values demand it. That
 * choice depends on the values only, and the result has the same bits on every instruction set. An
 * output may be an input itself; no other operands overlap. Pointers are aligned to their element.
 */
#ifndef GN_KERNELS_H
#define GN_KERNELS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/types.h"
#include "kernels/moments.h"

/*
 * Whether an activation takes so many operations that it pays to compute z of several short rows
 * first, and to save g for the last pass.
 */
static inline bool gn_is_costly(gn_activation activation)
{
    switch (activation) {
    case GN_ACTIVATION_SILU:
        return true;
    case GN_ACTIVATION_IDENTITY:
    case GN_ACTIVATION_RELU:
        return false;
    }
    __builtin_unreachable();
}

/* The axis along which the elements of a tile are contiguous. */
enum gn_axis {
    GN_AXIS_ROWS,   /* the elements of a channel */
    GN_AXIS_COLUMNS /* the channels of a pixel */
};

/* A tile's region of one tensor. */
struct gn_operand {
    void *data; /* the first element */
    gn_type type;
    int64_t stride; /* of rows or pixels, in elements */
    /*
     * The offsets of a tile's pixels, or of the contiguous pieces of a row, in elements from data.
     * NULL: pixels follow each other at the stride, and rows are whole.
     */
    const int64_t *offsets;
    bool packed; /* whether data is a packed copy; the driver unpacks it, kernels ignore this */
};

struct gn_tile {
    enum gn_axis axis;
    int64_t channels;
    int64_t length; /* elements per channel: a row's length, or the number of pixels */
    int64_t depth;  /* consecutive channels that belong to one group */
    /*
     * For normalize and gradient_apply, rows may come in pieces: the first has first_len elements,
     * the others contiguous_len, the last what is left. contiguous_len = 0: rows are whole.
     */
    int64_t first_len, contiguous_len;
    struct gn_operand x, dy, out; /* out is y or dx; data of unused ones is NULL */
    /*
     * g = dy * act'(z) as floats: gradient_sums stores it, gradient_apply reads it. Rows have no
     * gaps; pixels have the stride. data = NULL: g is not saved.
     */
    struct gn_operand saved_g;
    gn_activation activation;
    bool nontemporal; /* use nontemporal stores for out, if alignment allows */
    bool beyond_llc;  /* the inputs come from memory: prefetch them */
};

/* The offset of element i: of a tile's pixels, of its rows, or of a row's pieces. */
static inline int64_t gn_offset_at(const int64_t *offsets, int64_t stride, int64_t i)
{
    return offsets ? offsets[i] : i * stride;
}

/* The stored mean and rstd of consecutive groups, both arrays of one type. */
struct gn_stored {
    int64_t groups;
    const void *mean, *rstd;
    gn_type type;
};

/*
 * gamma and beta: arrays of groups * depth elements. If all samples share them, `groups` is that of
 * one sample, and group `groups` uses those of group 0 again; else it is that of all samples.
 */
struct gn_parameters {
    const void *gamma, *beta; /* NULL: ones, zeros */
    gn_type type;
    int64_t groups, depth;
};

/*
 * The coefficients of the last passes over a tile:
 *
 *     z  = (x - mean) * scale + shift
 *     dx = scale * g + (slope * (x - mean) + offset)
 *
 * The float arrays have one value per channel, from the tile's first channel on. Where floats are
 * not accurate enough, a kernel computes doubles from the other members, whose arrays have one
 * value per group, from the tile's first group on. Arrays have the padding of gn_padded.
 */
struct gn_coefficients {
    float *mean, *scale, *shift, *slope, *offset;
    bool *use_f32; /* per group: the floats are accurate enough */
    struct gn_statistics statistics;
    double *group_slope, *group_offset; /* per group; NULL in the forward pass */
    const struct gn_parameters *parameters;
    int64_t group, channel; /* of the tile's first channel: its group in `parameters`, its index
                               within the group */
    /*
     * The stored mean per group, for gradient_sums of floats without an activation, which reads no
     * other member; else NULL.
     */
    const float *group_mean;
};

/* Sums over the elements of each channel: arrays of one value per channel. */
struct gn_sums {
    double *dy;        /* of g = dy * act'(z) */
    double *dyx;       /* of g * (x - mean), where mean is the stored mean of the group */
    double *needs_f64; /* with an activation: 1 if float sums were not accurate enough, else 0;
                          NULL: not wanted */
};

/* The sums from channel i on. */
static inline struct gn_sums gn_sums_from(struct gn_sums s, int64_t i)
{
    return (struct gn_sums){s.dy + i, s.dyx + i, s.needs_f64 ? s.needs_f64 + i : NULL};
}

/*
 * Consecutive samples of small groups, whose channels have one element each: [samples, groups,
 * depth] without gaps. All samples share gamma and beta.
 */
struct gn_small {
    const float *x, *dy;
    float *out; /* y or dx; backward: NULL if not wanted */
    int64_t samples, groups, depth;
    const float *gamma, *beta; /* per channel; NULL: ones, zeros */
    float *mean,
        *rstd; /* per sample and group; forward: stored, NULL: not wanted; backward: read */
    double *dgamma, *dbeta; /* per channel, added to; both NULL: not wanted */
    double epsilon, min_m2; /* min_m2 as in the kernel moments */
};

/*
 * Arrays of one value per channel or group in workspace and scratch have room for gn_padded(n)
 * elements, so that kernels can process whole vectors. The contents of the padding do not matter.
 */
enum { GN_PADDING = 16 };

static inline int64_t gn_padded(int64_t channels)
{
    return (channels + 2 * GN_PADDING - 1) / GN_PADDING * GN_PADDING;
}

/* Pixels that are added up in float at a time. */
enum { GN_CHUNK_PIXELS = 64 };

/* Channels for which an activation's g is computed at a time, so that it stays in the L1 cache. */
enum { GN_STRIP = 512 };

/*
 * Scratch of moments and gradient_sums for columns, in arrays of gn_padded(channels) doubles: three
 * of floats, five of doubles, two of sums over chunks, one of means. With an activation, g of a
 * chunk of pixels follows.
 */
enum { GN_COLUMNS_SCRATCH = 11 };

static inline int64_t gn_columns_scratch_bytes(int64_t channels, bool activates)
{
    int64_t strip = channels < GN_STRIP ? channels : GN_STRIP;
    return GN_COLUMNS_SCRATCH * gn_padded(channels) * (int64_t)sizeof(double) +
           (activates ? GN_CHUNK_PIXELS * strip * (int64_t)sizeof(float) : 0);
}

/*
 * The rounding of a stored mean matters if |mean * rstd| exceeds this. Then the rounding of the
 * mean contributes more than u to xhat, and u is the error that sums in float have anyway.
 * docs/accuracy.md derives the bound of dx from it.
 */
#define GN_ROUNDING_MATTERS 1

/* Below this, sums of squares in float may have lost or gained something by underflow. */
#define GN_LEAST_SQUARES 0x1p-100

struct gn_kernels {
    gn_isa isa;
    const char *name;

    /*
     * Convert n elements of a short type to floats, and back. NaNs to convert back come from
     * arithmetic.
     */
    void (*convert)(const void *p, gn_type type, int64_t n, float *out);
    void (*convert_back)(const float *in, gn_type type, int64_t n, void *p);

    /* out = x + skip, rounded to the type. If `broadcast` is true, skip is a single element. */
    void (*add)(const void *x, const void *skip, bool broadcast, gn_type type, int64_t n,
                void *out);

    /*
     * The moments of each group in a tile. In rows, groups follow each other without a gap.
     * `min_m2` is GN_LEAST_SQUARES or 0: a sum of squares below it matters for the result, and is
     * computed so that it does not underflow.
     */
    void (*moments)(const struct gn_tile *tile, double min_m2, struct gn_moments out,
                    double *scratch);

    /*
     * The statistics of groups of `count` elements: rstd = 1/sqrt(var + epsilon), and the mean
     * rounded to the type in which it is stored, GN_F32 or GN_F64. All are NaN if a value of the
     * group was NaN or infinite.
     */
    void (*statistics)(int64_t groups, double count, double epsilon, gn_type stored,
                       struct gn_moments moments, struct gn_statistics out);

    /*
     * Loads stored statistics. Returns whether for any of the groups the rounding of the stored
     * values matters. If `found` is not NULL, it has the statistics computed from x: then
     * out.mean_lo is what the rounding took from the mean, where that matters, and out.rstd is the
     * found one where the stored one is infinite or subnormal. Otherwise out.mean_lo is 0. If
     * out.mean is NULL, nothing is loaded.
     */
    bool (*load_statistics)(struct gn_stored stored, const struct gn_statistics *found,
                            struct gn_statistics out);

    /*
     * Computes the forward coefficients, mean, scale and shift, and use_f32 from statistics and
     * parameters.
     */
    void (*forward_coefficients)(int64_t groups, const struct gn_coefficients *coefficients);

    /*
     * Computes group_slope and group_offset from the sums over channels of groups of `count`
     * elements and, if `slope` is not NULL, the coefficients of dx. Sets use_f32 to false where
     * floats are not accurate enough. Adds to dgamma and dbeta, one value per channel; both NULL:
     * not wanted.
     */
    void (*gradient_coefficients)(int64_t groups, double count, struct gn_sums sums,
                                  const struct gn_coefficients *coefficients, double *dgamma,
                                  double *dbeta);

    /* The sums of each channel in the tile. */
    void (*gradient_sums)(const struct gn_tile *tile, const struct gn_coefficients *coefficients,
                          struct gn_sums sums, double *scratch);

    /* y = act(z), and dx, with the given coefficients. */
    void (*normalize)(const struct gn_tile *tile, const struct gn_coefficients *coefficients);
    void (*gradient_apply)(const struct gn_tile *tile, const struct gn_coefficients *coefficients);

    /* The whole forward and backward passes over samples of small groups. */
    void (*forward_small)(const struct gn_small *samples);
    void (*backward_small)(const struct gn_small *samples);
};

/* A build has those that src/CMakeLists.txt compiles for its processor. */
extern const struct gn_kernels gn_kernels_generic;
extern const struct gn_kernels gn_kernels_neon;
extern const struct gn_kernels gn_kernels_avx2;
extern const struct gn_kernels gn_kernels_avx512;

#endif
