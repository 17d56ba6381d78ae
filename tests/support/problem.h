/* SPDX-License-Identifier: MIT */
/*
 * Random problems that vary everything a descriptor can say, and random ways to compute the same
 * results: where the tensors lie, what is computed in place, which outputs are absent, the number
 * of threads and the instruction set.
 */
#ifndef PROBLEM_H
#define PROBLEM_H

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
    uint64_t seed;
    struct shape shape;
    gn_type x, y, param;
    gn_activation activation;
    gn_skip skip;
    bool add; /* uses gn_forward_add and gn_backward_add */
    bool no_gamma, no_beta;
    bool stored;      /* gn_normalize is given what gn_forward stored */
    const char *data; /* the name of its pattern */
    bool independent; /* as in struct pattern */
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
/* All parameters in one line. */
const char *problem_text(const struct problem *problem, char text[500]);

/* A dense view with the type, rank and dims of a tensor, without memory. */
struct view role_view(const struct problem *problem, enum role role);
const char *role_name(enum role role);
/* Whether a role is an input, or an output, of a stage of this problem. */
bool role_read(const struct problem *problem, enum stage stage, enum role role);
bool role_written(const struct problem *problem, enum stage stage, enum role role);
/* The role that is the x of gn_backward. */
enum role backward_x(const struct problem *problem);

/* ---- Ways to call ---- */

struct way {
    gn_isa isa;
    int threads;
    bool beyond_llc;         /* tensors count as beyond the last-level cache */
    unsigned absent;         /* bits 1 << role of the outputs that are passed as NULL */
    int64_t strides[6][8];   /* indexed by gn_tensor */
    uint64_t seed;           /* of the strides of dims of size 1, and of where tensors start */
    enum role place[ROLES];  /* the input whose place an output takes, or the output */
    enum role beside[ROLES]; /* the input whose gaps an output fills, or the output */
};

/* way_plain: dense tensors that do not overlap, all outputs, one thread. */
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
