/* SPDX-License-Identifier: MIT */
/*
 * Checks a problem of given tensors of float with the harness of problem.h: first the library's
 * results on one thread against the oracle, then the bits of every other way to compute them
 * against the bits of those results.
 *
 * Each function that checks prints what is wrong and returns the number of errors.
 */
#ifndef CHECK_H
#define CHECK_H

#include "problem.h"

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

/* Computes the outputs again, as `variant` says, and compares their bits with the outputs among the
 * tensors. */
int check_variant(const struct check *check, float *const tensors[TENSORS],
                  const struct variant *variant);

/* Checks every instruction set with 1, 2, 3 and 8 threads. The placements take turns. */
int check_variants(const struct check *check, float *const tensors[TENSORS]);

/* check_against_oracle, then check_variants. */
int check_all(const struct check *check, float *const tensors[TENSORS]);

/* The problem with these tensors, and the role of one of them in it. */
struct problem check_problem(const struct check *check, float *const tensors[TENSORS]);
enum role tensor_role(enum tensor tensor);

#endif /* CHECK_H */
