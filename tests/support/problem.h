/* SPDX-License-Identifier: MIT */
/*
 * The harness of the tests that make whole calls. A problem is what to compute: it is random, drawn
 * from a seed in everything that a descriptor can say, or it consists of given tensors of float
 * (check.h). A way is how to compute it: the instruction set, the number of threads, where the
 * tensors lie, with which strides, which outputs overwrite inputs, and which are absent.
 *
 * A way_run makes one call, in memory that detects accesses beside the tensors (memory.h), and
 * either keeps the outputs or compares their bits with the kept ones. It also checks that the
 * inputs are unchanged. problem_compare compares the kept outputs with the oracle.
 */
#ifndef PROBLEM_H
#define PROBLEM_H

#include "oracle.h"
#include "patterns.h"
#include "view.h"

/* The arguments of a call. R_GIVEN_MEAN, R_GIVEN_RSTD and R_NORMALIZED are those of
 * gn_normalize. */
enum role {
    R_X,
    R_SKIP,
    R_GAMMA,
    R_BETA,
    R_DY,
    R_GIVEN_MEAN,
    R_GIVEN_RSTD,
    R_SUM,
    R_Y,
    R_MEAN,
    R_RSTD,
    R_NORMALIZED,
    R_DX,
    R_DSKIP,
    R_DGAMMA,
    R_DBETA,
    ROLES
};

/* One kind of call. */
enum stage { FORWARD, NORMALIZE, BACKWARD, STAGES };

/* A problem and all of its tensors: its inputs and, after a way_run that keeps them, its
 * outputs. */
struct problem {
    uint64_t seed; /* 0: of given tensors */
    struct shape shape;
    gn_type x, y, param;
    gn_activation activation;
    gn_skip skip;
    bool add; /* uses gn_forward_add and gn_backward_add */
    bool no_gamma, no_beta;
    bool stored;      /* gn_normalize is given what gn_forward stored */
    const char *data; /* the name of its pattern, or of the given tensors */
    enum oracle_bound bound;
    /* Whether the elements of an input share memory, so that some are equal, and by which
     * strides. */
    bool shared[ROLES];
    int64_t shared_strides[ROLES][8];
    /* The inputs, and the outputs that belong to them. All are dense and do not overlap. */
    struct memory memory;
    struct view dense[ROLES];
};

/* Makes the inputs of a random problem. Its outputs are NaN. */
void problem_create(struct problem *problem, uint64_t seed);
void problem_destroy(struct problem *problem);
/* Makes a problem of given dense tensors, which remain the caller's: way_run keeps the outputs
 * there. gn_normalize is given the tensors mean and rstd, and y is its result too. All other
 * fields are 0. */
void problem_given(struct problem *problem, const struct shape *shape,
                   float *const tensors[TENSORS], const char *data);
/* All parameters in one line. */
const char *problem_text(const struct problem *problem, char text[500]);

/* A dense view with the type, rank and dims of a tensor, without memory. */
struct view role_view(const struct problem *problem, enum role role);
const char *role_name(enum role role);
/* Whether a role is an input, or an output, of a stage of this problem. */
bool role_read(const struct problem *problem, enum stage stage, enum role role);
bool role_written(const struct problem *problem, enum stage stage, enum role role);
/* The gn_tensor of a role, or -1 if the role has no strides. */
int role_tensor(const struct problem *problem, enum role role);
/* The role that is the x of gn_backward. */
enum role backward_x(const struct problem *problem);

/* ---- The oracle ---- */

enum oracle_output role_output(enum role role);
/* The oracle for gn_forward and gn_backward or, if given is set, for gn_normalize and for a
 * gn_backward with its mean and rstd. The gradients are not computed if dy has no data. */
struct oracle *problem_oracle(const struct problem *problem, bool given);
/* Compares the array `result`, which is the output `role`, with the oracle. Prints the element with
 * the largest error if that exceeds the bound, and returns the number of errors. */
int problem_compare(const struct problem *problem, const struct oracle *oracle, enum role role,
                    const void *result);

/* ---- Ways to call ---- */

struct way {
    gn_isa isa;
    int threads;
    bool beyond_llc;       /* tensors count as beyond the last-level cache, whatever GN_CACHE */
    unsigned absent;       /* bits 1 << role of the outputs that are passed as NULL */
    int64_t strides[6][8]; /* indexed by gn_tensor */
    uint64_t seed;         /* of the strides of dims of size 1. 0: dense strides are not set */
    enum place place[ROLES];
    enum role overwrites[ROLES]; /* the input that an output overwrites, or the output */
    enum role beside[ROLES];     /* the input whose gaps an output fills, or the output */
};

/* way_plain: dense tensors that do not overlap, all outputs, one thread, AT_END. */
void way_plain(struct way *way, const struct problem *problem, gn_isa isa);
void way_random(struct way *way, const struct problem *problem, uint64_t *random, gn_isa isa);
const char *way_text(const struct way *way, const struct problem *problem, char text[500]);

/* Random strides, with any order of the dims and any gaps, for `channels` channels. No two elements
 * share memory. */
void random_strides(uint64_t *random, const struct shape *shape, int64_t channels,
                    int64_t *strides);
/* Random strides with which elements share memory. */
void sharing_strides(uint64_t *random, const struct shape *shape, int64_t *strides);

/* Makes the call of a stage. If keep is set, the outputs become the problem's outputs; otherwise
 * their bits must equal those. Prints what is wrong, and returns the number of errors. */
int way_run(const struct way *way, const struct problem *problem, enum stage stage, bool keep);

#endif /* PROBLEM_H */
