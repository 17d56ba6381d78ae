/* SPDX-License-Identifier: MIT */
#include "check.h"

enum role tensor_role(enum tensor tensor)
{
    static const enum role roles[TENSORS] = {
        [X] = R_X,           [GAMMA] = R_GAMMA, [BETA] = R_BETA, [DY] = R_DY,
        [Y] = R_Y,           [MEAN] = R_MEAN,   [RSTD] = R_RSTD, [DX] = R_DX,
        [DGAMMA] = R_DGAMMA, [DBETA] = R_DBETA};

    return roles[tensor];
}

struct problem check_problem(const struct check *check, float *const tensors[TENSORS])
{
    struct problem problem;

    problem_given(&problem, &check->shape, tensors, check->label);
    problem.activation = check->activation;
    problem.bound = check->bound;
    problem.no_gamma = check->absent & 1u << GAMMA;
    problem.no_beta = check->absent & 1u << BETA;
    return problem;
}

/* Runs both passes. */
static int run(const struct check *check, const struct problem *problem,
               const struct variant *variant, bool keep)
{
    struct way way;

    way_plain(&way, problem, variant->isa);
    way.threads = variant->threads;
    for (int role = 0; role < ROLES; role++)
        way.place[role] = variant->place;
    for (int t = FIRST_OUTPUT; t < TENSORS; t++) {
        if (check->absent & 1u << t)
            way.absent |= 1u << tensor_role((enum tensor)t);
    }
    const int wrong = way_run(&way, problem, check->given ? NORMALIZE : FORWARD, keep);
    return wrong + way_run(&way, problem, BACKWARD, keep);
}

int check_against_oracle(const struct check *check, float *const tensors[TENSORS])
{
    static const struct variant first = {GN_ISA_GENERIC, 1, AT_END};
    const struct problem problem = check_problem(check, tensors);
    int wrong = run(check, &problem, &first, true);
    struct oracle *oracle = problem_oracle(&problem, check->given);

    for (int t = FIRST_OUTPUT; t < TENSORS; t++) {
        const bool is_input = check->given && (t == MEAN || t == RSTD);

        if (!is_input && !(check->absent & 1u << t))
            wrong += problem_compare(&problem, oracle, tensor_role((enum tensor)t), tensors[t]);
    }
    oracle_destroy(oracle);
    return wrong;
}

int check_variant(const struct check *check, float *const tensors[TENSORS],
                  const struct variant *variant)
{
    const struct problem problem = check_problem(check, tensors);

    return run(check, &problem, variant, false);
}

int check_variants(const struct check *check, float *const tensors[TENSORS])
{
    static const int threads[] = {1, 2, 3, 8};
    gn_isa isas[ISAS];
    const int count = available_isas(isas);
    int wrong = 0, turn = 0;

    for (int i = 0; i < count; i++) {
        for (int k = 0; k < 4; k++) {
            const struct variant variant = {isas[i], threads[k], (enum place)(turn++ % PLACES)};
            wrong += check_variant(check, tensors, &variant);
        }
    }
    return wrong;
}

int check_all(const struct check *check, float *const tensors[TENSORS])
{
    const int wrong = check_against_oracle(check, tensors);

    return wrong + check_variants(check, tensors);
}
