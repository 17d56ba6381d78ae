/* SPDX-License-Identifier: MIT */
/*
 * A call of one entry of the kernel table. A seed determines its shape, its types, which arrays
 * exist, and their contents. An entry's `make` chooses among arguments that drivers may pass.
 */
#ifndef KERNEL_CASES_H
#define KERNEL_CASES_H

#include "kernel_arrays.h"
#include "kernels/kernels.h"

enum { MAX_GROUPS = 64 };

struct kernel_case {
    uint64_t seed, random;
    struct arrays arrays;

    /* The tile without its pointers, and its arrays. Arrays that do not exist are NULL. */
    struct gn_tile tile;
    int64_t groups;
    struct array *x, *dy, *out, *saved_g; /* out may be one of the inputs */
    struct array *x_offsets, *dy_offsets, *out_offsets;
    /* The approximate mean and deviation of each group's values. */
    double center[MAX_GROUPS], spread[MAX_GROUPS];

    /* Statistics and parameters, and the coefficients computed from them. */
    struct array *statistics_mean, *statistics_mean_lo, *statistics_rstd;
    struct gn_parameters parameters; /* without its pointers */
    struct array *gamma, *beta;
    int64_t group, channel;
    struct array *mean, *scale, *shift, *slope, *offset;
    struct array *use_f32, *group_slope, *group_offset, *group_mean;

    /* Only some entries use these. */
    struct array *origin, *m_offset, *m2;                  /* moments */
    struct array *found_mean, *found_mean_lo, *found_rstd; /* statistics */
    struct array *in_mean, *in_rstd;                       /* the stored values */
    struct array *sum_dy, *sum_dyx, *needs_f64, *dgamma, *dbeta, *scratch, *answer;
    gn_type type;
    int64_t n;
    double count, epsilon, min_m2;
    bool one;
};

/* One entry of the table. */
struct entry {
    const char *name;
    void (*make)(struct kernel_case *c);
    void (*call)(const struct kernel_case *c, const struct gn_kernels *kernels);
    /* Compares the results of the generic kernels with a simple computation. It may be NULL. */
    void (*check)(const struct kernel_case *c);
};

/* All entries, in the order of struct gn_kernels. */
#define KERNEL_ENTRIES(X)                                                                          \
    X(convert)                                                                                     \
    X(convert_back)                                                                                \
    X(add)                                                                                         \
    X(moments)                                                                                     \
    X(statistics)                                                                                  \
    X(load_statistics)                                                                             \
    X(forward_coefficients)                                                                        \
    X(gradient_coefficients)                                                                       \
    X(gradient_sums)                                                                               \
    X(normalize)                                                                                   \
    X(gradient_apply)                                                                              \
    X(forward_small)                                                                               \
    X(backward_small)
#define DECLARE_ENTRY(name) extern const struct entry entry_##name;
KERNEL_ENTRIES(DECLARE_ENTRY)
#undef DECLARE_ENTRY

/* ---- Choices ---- */

int64_t pick(struct kernel_case *c, int64_t lowest, int64_t highest);
/* Returns true with a probability of 1/many. */
bool one_in(struct kernel_case *c, int64_t many);
gn_type pick_type(struct kernel_case *c); /* any type */
/* A length. Many are near the sizes of vectors and chunks, where loops begin and end. */
int64_t pick_length(struct kernel_case *c);
int64_t pick_depth(struct kernel_case *c);

/* ---- Values ---- */

/* Chooses center and spread of each group for values of the type. */
void pick_ranges(struct kernel_case *c, gn_type type);
/* A value in the range of group g, or rarely an outlier, an infinity or a NaN. */
double pick_value(struct kernel_case *c, int64_t g, gn_type type);
/* Fills an array with values of one range, or with random bits. */
void fill_values(struct kernel_case *c, struct array *array);

/* ---- Tiles ---- */

/* Chooses axis, channels, length, depth and beyond_llc. A budget limits the number of elements. */
void make_tile(struct kernel_case *c);
/* Chooses types of x, and of y or dy, that one call may combine. */
void pick_types(struct kernel_case *c, gn_type *x, gn_type *y);
/* Chooses whether rows are whole or in pieces, and the lengths of the pieces. */
void pick_pieces(struct kernel_case *c);
/*
 * Makes a tensor of the tile. If `offsets` is NULL, the tensor is dense. Otherwise it may have gaps
 * or offsets, and *offsets is set if it has offsets. The elements of outputs are WRITTEN, those of
 * inputs get random values.
 */
struct array *make_tensor(struct kernel_case *c, const char *name, struct gn_operand *operand,
                          gn_type type, struct array **offsets, bool is_output);
/* Makes saved_g with g of every element, in the order of the axis. Only pixels may have gaps. */
void make_saved_g(struct kernel_case *c, bool is_output);
/* Sets the fate of an operand's elements. */
void set_fates(struct kernel_case *c, struct array *a, const struct gn_operand *operand,
               const struct array *offsets, enum fate fate);
/* The index of element i of channel k in an operand. */
int64_t element_at(const struct kernel_case *c, const struct gn_operand *operand,
                   const struct array *offsets, int64_t k, int64_t i);
/* The tile with the pointers of the current run. */
struct gn_tile tile_of(const struct kernel_case *c);
/* Makes the scratch of moments and gradient_sums with its exact size. Rows need none. */
void make_scratch(struct kernel_case *c, bool activates);

/* ---- Coefficients ---- */

/* Makes statistics of groups from their ranges. Each mean is a number of the type `stored`. */
void make_statistics(struct kernel_case *c, gn_type stored);
/* Makes gamma or beta for all groups of c->parameters. The values are near `center`. */
struct array *make_parameter(struct kernel_case *c, const char *name, double center);
/*
 * Makes gamma and beta, or leaves them NULL, and chooses the group and channel of the tile's first
 * channel. If `wraps` is true, the tile's groups may extend over several samples that share
 * parameters.
 */
void make_parameters(struct kernel_case *c, gn_type type, bool wraps);
double gamma_at(const struct kernel_case *c, int64_t k);
double beta_at(const struct kernel_case *c, int64_t k);
/*
 * Makes coefficients as inputs of a kernel: floats of each channel, use_f32 and, if `backward` is
 * true, doubles of each group.
 */
void make_coefficients(struct kernel_case *c, bool backward, bool is_f64);
bool uses_f32(const struct kernel_case *c, int64_t k);
struct gn_parameters parameters_of(const struct kernel_case *c);
/* The result keeps a pointer to `parameters`. */
struct gn_coefficients coefficients_of(const struct kernel_case *c,
                                       const struct gn_parameters *parameters);
struct gn_statistics statistics_of(const struct kernel_case *c);

/* ---- Checks ---- */

/*
 * The exact values that a last pass computes from an element, and a bound of its rounding errors.
 */
struct element {
    bool in_f32;
    long double unit; /* the unit roundoff of the computing type */
    long double d, scale, z, z_error;
    bool is_plain; /* no intermediate result overflows or underflows */
};

struct element element_of(const struct kernel_case *c, int64_t k, int64_t i);
long double activated(gn_activation activation, long double z);
/* g = dy * act'(z). *error bounds the error of g in a kernel. */
long double gradient_of(gn_activation activation, const struct element *e, long double dy,
                        long double *error);

/*
 * Fails unless |value - right| <= bound or, if `right` is not finite, `value` is not finite either.
 */
void check_near(const struct kernel_case *c, const char *what, int64_t i, long double value,
                long double right, long double bound);

#endif /* KERNEL_CASES_H */
