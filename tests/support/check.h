/* SPDX-License-Identifier: MIT */
/*
 * Checks one problem of floats: first the library's results on one thread against the oracle, then
 * the bits of every other way to compute them against the bits of those results.
 *
 * Each function that checks prints what is wrong and returns the number of errors.
 */
#ifndef CHECK_H
#define CHECK_H

#include "guard.h"
#include "oracle.h"
#include "support.h"

/* The problem to check, except for its data. */
struct check {
    struct shape shape;
    gn_activation activation;
    enum oracle_bound bound;
    bool given;        /* the caller gives mean and rstd, and y is the result of gn_normalize */
    unsigned absent;   /* bits 1 << tensor of the tensors that are passed as NULL */
    const char *label; /* a name for the data */
};

/* One way to make the calls. */
struct variant {
    gn_isa isa;
    int threads;
    enum place place;
};

/*
 * Computes the outputs among the tensors with the generic instruction set on one thread and
 * compares each with the oracle. Absent outputs are not changed. gn_backward always needs mean and
 * rstd, so these two must be present or already filled.
 */
int check_against_oracle(const struct check *check, float *const tensors[TENSORS]);

/* Computes the outputs again in guarded memory, as `variant` says, and compares their bits with the
 * outputs among the tensors. The call must change nothing except the outputs. */
int check_variant(const struct check *check, float *const tensors[TENSORS],
                  const struct variant *variant);

/* Checks every instruction set with 1, 2, 3 and 8 threads. The placements take turns. */
int check_variants(const struct check *check, float *const tensors[TENSORS]);

/* check_against_oracle, then check_variants. */
int check_all(const struct check *check, float *const tensors[TENSORS]);

/* Whether each element of an output is within the bound. Prints the element with the largest error
 * if not. */
int check_output(const struct check *check, const struct oracle *oracle, enum tensor tensor,
                 const float *result);

/* The oracle's problem for these tensors, and the oracle's name for one of their outputs. */
struct oracle_problem oracle_problem_of(const struct check *check, float *const tensors[TENSORS]);
enum oracle_output oracle_output_of(enum tensor tensor);

#endif /* CHECK_H */
