/* SPDX-License-Identifier: MIT */
/*
 * One problem checked in every way: the library's answer on one thread against the oracle, then
 * every other way of asking against the bits of that answer.
 *
 * Each function prints what is wrong and returns how many things were.
 */
#ifndef CHECK_H
#define CHECK_H

#include "guard.h"
#include "support.h"

/* A way to make the call. */
struct variant {
    gn_isa isa;
    int threads;
    enum place place;
    unsigned absent; /* bits 1 << tensor: those passed as NULL */
};

/*
 * Fills tensors' outputs by the generic instruction set on one thread and compares each with the
 * oracle; tensors absent from the call are left alone. label says what the data is.
 */
int check_against_oracle(const struct shape *shape, float *const tensors[TENSORS], unsigned absent,
                         enum oracle_bound bound, const char *label);

/*
 * Computes again in guarded memory, as variant says, and compares the bits with tensors' outputs;
 * nothing beside the outputs may change.
 */
int check_variant(const struct shape *shape, float *const tensors[TENSORS],
                  const struct variant *variant, const char *label);

/* Every instruction set with 1, 2, 3 and 8 threads; the placements take turns. */
int check_variants(const struct shape *shape, float *const tensors[TENSORS], unsigned absent,
                   const char *label);

/* Both of the above for data already in tensors. */
int check_all(const struct shape *shape, float *const tensors[TENSORS], enum oracle_bound bound,
              const char *label);

/* Whether each element of an output is right in the way the bound says; prints the worst if not. */
int check_output(const struct oracle *oracle, enum tensor tensor, enum oracle_bound bound,
                 const float *result, const char *label);

/* The problem that a call with these tensors is, for the oracle. */
struct oracle_problem problem_of(const struct shape *shape, float *const tensors[TENSORS],
                                 unsigned absent);

#endif /* CHECK_H */
