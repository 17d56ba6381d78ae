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
 * output may be an input itself; nothing else overlaps. Pointers are aligned to their element.
 */
#ifndef GN_KERNELS_H
#define GN_KERNELS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/types.h"
#include "kernels/moments.h"

/* Whether the channels of a tile are rows or columns of contiguous memory. */
enum gn_axis {
    GN_ROWS,   /* the elements of a channel are contiguous */
    GN_COLUMNS /* the channels of a pixel are contiguous */
};

/* One tensor in a tile. */
struct gn_operand {
    void *data; /* the first element */
    gn_type type;
    int64_t stride; /* from a row, or a pixel, to the next, in elements */
    /*
     * Where the pixels of a tile begin, or the contiguous pieces of a row, in elements from data;
     * NULL: pixels follow each other at the stride, and rows are whole.
     */
    const int64_t *offsets;
    bool packed; /* whether data is a copy, for the driver to copy back; kernels do not ask */
};

struct gn_tile {
    enum gn_axis axis;
    int64_t channels;
    int64_t length; /* elements of each channel: a row's length, or the pixels */
    int64_t depth;  /* consecutive channels that belong to one group */
    /*
     * Rows in pieces, for normalize and gradient_apply: the first has first_len elements, the
     * others contiguous_len, the last what is left. 0: rows are whole.
     */
    int64_t first_len, contiguous_len;
    struct gn_operand x, dy, out; /* out is y or dx */
    /*
     * g = dy * act'(z) as floats, from gradient_sums to gradient_apply, row after row or pixel by
     * pixel. NULL: not wanted.
     */
    struct gn_operand saved_g;
    gn_activation activation;
    bool nontemporal; /* whether stores of out may pass the caches by */
    bool beyond_llc;  /* whether the inputs come from memory: prefetch them */
};

/* Where an element begins that is number i of a tile's pixels, or of a row's pieces. */
static inline int64_t gn_offset_at(const int64_t *offsets, int64_t stride, int64_t i)
{
    return offsets ? offsets[i] : i * stride;
}

/* Mean and rstd of consecutive groups as the forward pass stored them, both of the type. */
struct gn_stored {
    int64_t groups;
    const void *mean, *rstd;
    gn_type type;
};

/*
 * Gamma and beta: `groups` groups of `depth` channels, after the last of which the first follows.
 * They are those of one sample where all samples share them, else of all samples.
 */
struct gn_parameters {
    const void *gamma, *beta; /* NULL: ones, zeros */
    gn_type type;
    int64_t groups, depth;
};

/*
 * The numbers of a last pass over a tile: z = (x - mean) * scale + shift, and backward dx = scale *
 * g + (slope * (x - mean) + offset). The floats have one value per channel; where they are not
 * accurate enough, a kernel makes doubles from the other members.
 */
struct gn_coefficients {
    float *mean, *scale, *shift, *slope, *offset;
    bool *use_f32; /* per group */
    struct gn_statistics of;
    double *group_slope, *group_offset; /* backward only */
    const struct gn_parameters *parameters;
    int64_t group,
        channel; /* where the tile begins: group of the parameters, channel of the group */
    /*
     * The stored mean per group, for gradient_sums of floats without an activation, which needs
     * nothing else; else NULL.
     */
    const float *group_mean;
};

/* Sums over the elements of each channel. */
struct gn_sums {
    double *dy;        /* of g = dy * act'(z) */
    double *dyx;       /* of g * (x - mean), mean being the group's as it was stored */
    double *needs_f64; /* with an activation: 1 where float sums did not do, else 0 */
};

/*
 * Consecutive samples whose channels have one element each: sample after sample, group after group,
 * all of the same gamma and beta.
 */
struct gn_small {
    const float *x, *dy;
    float *out; /* y or dx; backward NULL: not wanted */
    int64_t samples, groups, depth;
    const float *gamma, *beta; /* one per channel; NULL: ones, zeros */
    float *mean, *rstd;        /* per group; forward: stored, NULL: not wanted; backward: read */
    double *dgamma, *dbeta;    /* one per channel, added to; both NULL: not wanted */
    double epsilon, min_m2;    /* min_m2 as in moments */
};

/*
 * Arrays of one value a channel that kernels read or keep have room for gn_padded(channels)
 * elements, so that they are worked on in whole vectors. What is in the rest does not matter.
 */
enum { GN_PADDING = 16 };

static inline int64_t gn_padded(int64_t channels)
{
    return (channels + 2 * GN_PADDING - 1) / GN_PADDING * GN_PADDING;
}

/* So many pixels are added up at a time in float. */
enum { GN_CHUNK_PIXELS = 64 };

/* An activation's g is computed for so many channels at a time, so that it stays in the L1 cache.
 */
enum { GN_STRIP = 512 };

/*
 * The scratch that moments and gradient_sums need for tiles of columns, in such arrays of double:
 * three of floats, five of doubles, two of their sums, one of means. With an activation, g of a
 * chunk follows.
 */
enum { GN_COLUMNS_SCRATCH = 11 };

static inline int64_t gn_columns_scratch_bytes(int64_t channels, bool activates)
{
    int64_t strip = channels < GN_STRIP ? channels : GN_STRIP;
    return GN_COLUMNS_SCRATCH * gn_padded(channels) * (int64_t)sizeof(double) +
           (activates ? GN_CHUNK_PIXELS * strip * (int64_t)sizeof(float) : 0);
}

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
     * The moments of each group in a tile; groups of rows lie in memory without a gap. Where a sum
     * of squares below `min_m2`, GN_LEAST_SQUARES or 0, matters for the result, it is computed so
     * that it does not underflow.
     */
    void (*moments)(const struct gn_tile *tile, double min_m2, struct gn_moments out,
                    double *scratch);

    /*
     * Statistics of groups of `count` elements: rstd is 1/sqrt(var + epsilon), the mean rounded to
     * the type in which it is stored, GN_F32 or GN_F64. All NaN where a value was NaN or infinite.
     */
    void (*statistics)(int64_t groups, double count, double epsilon, gn_type stored,
                       struct gn_moments moments, struct gn_statistics out);

    /*
     * Statistics as they were stored. Returns whether for one of the groups it matters what
     * rounding took from them; out.mean_lo is 0 unless they are also found again from x: then it is
     * what the rounding took, where that matters. With an out.mean of NULL only the question is
     * answered.
     */
    bool (*load_statistics)(struct gn_stored stored, const struct gn_statistics *found,
                            struct gn_statistics out);

    /*
     * From statistics and parameters the numbers of the forward pass: mean, scale and shift, and
     * use_f32.
     */
    void (*forward_coefficients)(int64_t groups, const struct gn_coefficients *coefficients);

    /*
     * From the sums over channels of groups of `count` elements: group_slope and group_offset, and
     * where `slope` is not NULL the numbers of the last pass. use_f32 becomes false where floats do
     * not do. dgamma and dbeta, one per channel, are added to; both NULL: not wanted.
     */
    void (*gradient_coefficients)(int64_t groups, double count, struct gn_sums sums,
                                  const struct gn_coefficients *coefficients, double *dgamma,
                                  double *dbeta);

    /* The sums of each channel in the tile. */
    void (*gradient_sums)(const struct gn_tile *tile, const struct gn_coefficients *coefficients,
                          struct gn_sums sums, double *scratch);

    /* y = act(z), and dx; the coefficients say with what numbers. */
    void (*normalize)(const struct gn_tile *tile, const struct gn_coefficients *coefficients);
    void (*gradient_apply)(const struct gn_tile *tile, const struct gn_coefficients *coefficients);

    /* The whole forward pass, and the whole backward pass, of samples of small groups. */
    void (*forward_small)(const struct gn_small *samples);
    void (*backward_small)(const struct gn_small *samples);
};

/* A build has those that src/CMakeLists.txt compiles for its processor. */
extern const struct gn_kernels gn_kernels_generic;
extern const struct gn_kernels gn_kernels_neon;
extern const struct gn_kernels gn_kernels_avx2;
extern const struct gn_kernels gn_kernels_avx512;

#endif
