/* SPDX-License-Identifier: MIT */
/*
 * A call of one entry of the kernel table, made from a seed: which shape, which types, which of the
 * arrays there are, what is in them. An entry's `make` chooses from what drivers call it with.
 */
#ifndef KERNEL_CASES_H
#define KERNEL_CASES_H

#include "kernel_arrays.h"
#include "kernels/kernels.h"

enum { MAX_GROUPS = 64 };

struct kernel_case {
    uint64_t seed, random;
    struct arrays arrays;

    /* The tile, but for its pointers, and its arrays; NULL: there is none. */
    struct gn_tile tile;
    int64_t groups;
    struct array *x, *dy, *out, *saved_g; /* out may be one of the others */
    struct array *x_offsets, *dy_offsets, *out_offsets;
    /* About where the values of each group are, and how far from there. */
    double center[MAX_GROUPS], spread[MAX_GROUPS];

    /* Statistics and parameters, and what is made of them. */
    struct array *of_mean, *of_mean_lo, *of_rstd;
    struct gn_parameters parameters; /* but for its pointers */
    struct array *gamma, *beta;
    int64_t group, channel;
    struct array *mean, *scale, *shift, *slope, *offset;
    struct array *use_f32, *group_slope, *group_offset, *group_mean;

    /* What is only in some entries. */
    struct array *origin, *m_offset, *m2;                  /* moments */
    struct array *found_mean, *found_mean_lo, *found_rstd; /* statistics */
    struct array *in_mean, *in_rstd;                       /* as they were stored */
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
    /* Compares what the generic kernels gave with a simple computation; NULL: does not. */
    void (*check)(const struct kernel_case *c);
};

/* All of them, in the table's order. */
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
/* One of so many. */
bool one_in(struct kernel_case *c, int64_t many);
gn_type pick_type(struct kernel_case *c); /* any */
/* Lengths at which loops of some width, or over chunks, begin and end. */
int64_t pick_length(struct kernel_case *c);
int64_t pick_depth(struct kernel_case *c);

/* ---- Values ---- */

/* Chooses center and spread of each group for values of the type. */
void pick_ranges(struct kernel_case *c, gn_type type);
/* A value of group g's range, or an outlier of it. */
double pick_value(struct kernel_case *c, int64_t g, gn_type type);
/* n values of one range, or n of which each may have any bits. */
void fill_values(struct kernel_case *c, struct array *array);

/* ---- Tiles ---- */

/* Axis, channels, length, depth, and whether to prefetch; no more elements than the budget. */
void make_tile(struct kernel_case *c);
/* Types of x, and of y or dy, that go together. */
void pick_types(struct kernel_case *c, gn_type *x, gn_type *y);
/* Rows in pieces, or not. */
void pick_pieces(struct kernel_case *c);
/*
 * A tensor of the tile with strides, and offsets where there is a place for them, else densely; the
 * elements get `fate` as outputs, and values else.
 */
struct array *make_tensor(struct kernel_case *c, const char *name, struct gn_operand *operand,
                          gn_type type, struct array **offsets, bool is_output);
/* g of every element, row after row or pixel by pixel. */
void make_saved_g(struct kernel_case *c, bool is_output);
/* The elements of an operand get a fate. */
void set_fates(struct kernel_case *c, struct array *a, const struct gn_operand *operand,
               const struct array *offsets, enum fate fate);
/* Where element i of channel k is in an operand. */
int64_t element_at(const struct kernel_case *c, const struct gn_operand *operand,
                   const struct array *offsets, int64_t k, int64_t i);
/* The tile with its pointers. */
struct gn_tile tile_of(const struct kernel_case *c);
/* The scratch of moments and gradient_sums, to the byte; none for rows. */
void make_scratch(struct kernel_case *c, bool activates);

/* ---- Coefficients ---- */

/* The ranges as statistics of groups, all within what the type stores. */
void make_statistics(struct kernel_case *c, gn_type stored);
/* One array for all groups of c->parameters, about the center. */
struct array *make_parameter(struct kernel_case *c, const char *name, double center);
/* Gamma and beta, or not, for groups of `depth` channels; which of them are the tile's first. */
void make_parameters(struct kernel_case *c, gn_type type, bool wraps);
double gamma_at(const struct kernel_case *c, int64_t k);
double beta_at(const struct kernel_case *c, int64_t k);
/* The floats of each channel, use_f32 and what belongs to groups, as inputs. */
void make_coefficients(struct kernel_case *c, bool backward, bool is_f64);
bool uses_f32(const struct kernel_case *c, int64_t k);
struct gn_parameters parameters_of(const struct kernel_case *c);
/* Refers to the parameters. */
struct gn_coefficients coefficients_of(const struct kernel_case *c,
                                       const struct gn_parameters *parameters);
struct gn_statistics statistics_of(const struct kernel_case *c);

/* ---- Checks ---- */

/* What the last passes compute from element i of channel k, and bounds of its rounding errors. */
struct element {
    bool in_f32;
    long double unit; /* of rounding */
    long double d, scale, z, z_error;
    bool is_plain; /* nothing overflows or underflows */
};

struct element element_of(const struct kernel_case *c, int64_t k, int64_t i);
long double activated(gn_activation activation, long double z);
/* g = dy * act'(z); *error is a bound for g as it is computed. */
long double gradient_of(gn_activation activation, const struct element *e, long double dy,
                        long double *error);

/* Fails unless |value - right| <= bound; where right is no number the value is none either. */
void check_near(const struct kernel_case *c, const char *what, int64_t i, long double value,
                long double right, long double bound);

#endif /* KERNEL_CASES_H */
