/* SPDX-License-Identifier: MIT */
/*
 * Random problems in all that a descriptor can say, and ways to ask the library for the same
 * answer: where the tensors lie, what is computed in place, what is left out, threads and
 * instruction sets.
 */
#ifndef PROBLEM_H
#define PROBLEM_H

#include "patterns.h"
#include "view.h"

/* What a call may take and make; the given statistics and R_NORMALIZED are gn_normalize's. */
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

/* What is asked, and all tensors: its inputs, and the answer once a way_run kept it. */
struct problem {
    uint64_t seed;
    struct shape shape;
    gn_type x, y, param;
    gn_activation activation;
    gn_skip skip;
    bool add; /* by gn_forward_add and gn_backward_add */
    bool no_gamma, no_beta;
    bool stored;      /* gn_normalize is given what gn_forward stored */
    const char *data; /* what it is called */
    bool independent; /* as in struct pattern */
    /* Inputs whose elements share memory, so that some are equal. */
    bool shared[ROLES];
    int64_t shared_strides[ROLES][8];
    /* The inputs, and the outputs that they have, all dense and apart. */
    struct memory memory;
    struct view dense[ROLES];
};

/* The inputs of a random problem. Its outputs are NaN. */
void problem_create(struct problem *problem, uint64_t seed);
void problem_destroy(struct problem *problem);
/* One line of all parameters. */
const char *problem_text(const struct problem *problem, char text[500]);

/* A tensor's type, rank and dims, dense, and without memory. */
struct view role_view(const struct problem *problem, enum role role);
const char *role_name(enum role role);
/* Whether a role is an input, or an output, of a stage of this problem. */
bool role_read(const struct problem *problem, enum stage stage, enum role role);
bool role_written(const struct problem *problem, enum stage stage, enum role role);
/* The role of the x of gn_backward. */
enum role backward_x(const struct problem *problem);

/* ---- Ways to call ---- */

struct way {
    gn_isa isa;
    int threads;
    bool far;                /* tensors are taken for larger than the caches */
    unsigned absent;         /* bits 1 << role: outputs passed as NULL */
    int64_t strides[6][8];   /* by gn_tensor */
    uint64_t garbage;        /* seed of the strides of dims of size 1 */
    enum role place[ROLES];  /* the input that an output is computed in, or the output itself */
    enum role beside[ROLES]; /* the input between whose channels an output lies, or itself */
};

/* Dense and apart, all outputs, on one thread. */
void way_plain(struct way *way, const struct problem *problem, gn_isa isa);
void way_random(struct way *way, const struct problem *problem, uint64_t *random, gn_isa isa);
const char *way_text(const struct way *way, const struct problem *problem, char text[500]);

/* Strides of random order and gaps for dims whose C counts as channels, all elements apart. */
void random_strides(uint64_t *random, const struct shape *shape, int64_t channels,
                    int64_t *strides);
/* Strides with which elements share memory. */
void sharing_strides(uint64_t *random, const struct shape *shape, int64_t *strides);

/*
 * Makes a stage's call. Outputs become the problem's own where keep is set, and have to have the
 * same bits as those else. Prints what is wrong, and returns how many things were.
 */
int way_run(const struct way *way, const struct problem *problem, enum stage stage, bool keep);

#endif /* PROBLEM_H */
