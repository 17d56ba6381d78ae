/* SPDX-License-Identifier: MIT */
/* The outputs of a problem against the oracle. */
#include "problem.h"

struct oracle *problem_oracle(const struct problem *problem, bool given)
{
    const struct shape *shape = &problem->shape;
    const struct view *dense = problem->dense;
    const struct oracle_problem asked = {
        .n = shape->dims[0],
        .c = shape->dims[1],
        .s = shape_spatial(shape),
        .g = shape->groups,
        .layout = shape->layout,
        .eps = shape->eps,
        .affine = shape->affine,
        .activation = problem->activation,
        .x_type = problem->x,
        .y_type = problem->y,
        .param_type = problem->param,
        .x = dense[given ? R_X : backward_x(problem)].data,
        .gamma = problem->no_gamma ? NULL : dense[R_GAMMA].data,
        .beta = problem->no_beta ? NULL : dense[R_BETA].data,
        .dy = dense[R_DY].data,
        .mean = given ? dense[R_GIVEN_MEAN].data : NULL,
        .rstd = given ? dense[R_GIVEN_RSTD].data : NULL,
    };
    struct oracle *oracle = oracle_create(&asked);

    assert_non_null(oracle);
    return oracle;
}

int problem_compare(const struct problem *problem, const struct oracle *oracle, enum role role,
                    const void *result)
{
    const enum oracle_output output = role_output(role);
    int64_t where;
    const double error = oracle_error(oracle, output, problem->bound, result, &where);
    char text[500];

    if (error <= 1)
        return 0;
    const long double value = type_load(oracle_type(oracle, output), result, where);
    print_error("%s: %s[%lld in memory] = %.17Lg (%La) not %.17Lg, an error of %.3g bounds (%s)\n",
                problem_text(problem, text), role_name(role), (long long)where, value, value,
                oracle_at(oracle, output, where).value, error,
                problem->bound == ORACLE_ALWAYS ? "always" : "independent");
    return 1;
}
