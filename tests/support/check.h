/* SPDX-License-Identifier: MIT */
/*
 * One problem of floats checked in every way: the library's answer on one thread against the
 * oracle, then every other way of asking against the bits of that answer.
 *
 * Each function that checks prints what is wrong and returns how many things were.
 */
#ifndef CHECK_H
#define CHECK_H

#include "guard.h"
#include "oracle.h"
#include "support.h"

/* What is checked, beside the data. */
struct check {
    struct shape shape;
    gn_activation activation;
    enum oracle_bound bound;
    bool given;        /* mean and rstd are the caller's, and y is gn_normalize's */
    unsigned absent;   /* bits 1 << tensor: those passed as NULL */
    const char *label; /* what the data is */
};

/* A way to make the calls. */
struct variant {
    gn_isa isa;
    int threads;
    enum place place;
};

/*
 * Fills the outputs among the tensors by the generic instruction set on one thread and compares
 * each with the oracle. Outputs that are absent are left alone; as gn_backward takes mean and rstd
 * in any case, these two have to be there or filled.
 */
int check_against_oracle(const struct check *check, float *const tensors[TENSORS]);

/* Computes again in guarded memory, as variant says, and compares the bits with the outputs among
 * the tensors; nothing beside the outputs may change. */
int check_variant(const struct check *check, float *const tensors[TENSORS],
                  const struct variant *variant);

/* Every instruction set with 1, 2, 3 and 8 threads; the placements take turns. */
int check_variants(const struct check *check, float *const tensors[TENSORS]);

/* The oracle, and then all variants. */
int check_all(const struct check *check, float *const tensors[TENSORS]);

/* Whether each element of an output is right in the way the bound says; prints the worst if not. */
int check_output(const struct check *check, const struct oracle *oracle, enum tensor tensor,
                 const float *result);

/* The problem of these tensors, for the oracle, and the oracle's name of an output among them. */
struct oracle_problem oracle_problem_of(const struct check *check, float *const tensors[TENSORS]);
enum oracle_output oracle_output_of(enum tensor tensor);

#endif /* CHECK_H */
