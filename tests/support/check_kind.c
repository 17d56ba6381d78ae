/* SPDX-License-Identifier: MIT */
#include "check_kind.h"
#include "kind.h"
#include "patterns.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool has_shape_of_x(enum tensor tensor)
{
    return tensor == X || tensor == DY || tensor == Y || tensor == DX;
}

long double *exact_values(const struct shape *shape, enum tensor tensor, const float *data)
{
    const int64_t count = tensor_count(shape, tensor);
    const int64_t m = shape->dims[1] / shape->groups * shape_spatial(shape);
    long double *values = malloc((size_t)count * sizeof(*values));

    assert_non_null(values);
    for (int64_t i = 0; i < count; i++) {
        const int64_t group = i / m;
        values[i] = data[has_shape_of_x(tensor) ? group_index(shape, group / shape->groups,
                                                              group % shape->groups, i % m)
                                                : i];
    }
    return values;
}

struct exact_problem exact_problem_of(const struct kind_check *check, float *const tensors[TENSORS])
{
    const struct shape *shape = &check->shape;
    struct exact_problem problem = {.n = shape->dims[0],
                                    .c = shape->dims[1],
                                    .s = shape_spatial(shape),
                                    .g = shape->groups,
                                    .eps = shape->eps,
                                    .affine = shape->affine,
                                    .activation = check->activation};

    problem.x = exact_values(shape, X, tensors[X]);
    problem.dy = exact_values(shape, DY, tensors[DY]);
    problem.gamma = exact_values(shape, GAMMA, tensors[GAMMA]);
    problem.beta = exact_values(shape, BETA, tensors[BETA]);
    if (check->given) {
        problem.mean = exact_values(shape, MEAN, tensors[MEAN]);
        problem.rstd = exact_values(shape, RSTD, tensors[RSTD]);
    }
    return problem;
}

void exact_problem_free(struct exact_problem *problem)
{
    const long double *const arrays[] = {problem->x,    problem->dy,   problem->gamma,
                                         problem->beta, problem->mean, problem->rstd};

    for (size_t i = 0; i < sizeof(arrays) / sizeof(arrays[0]); i++)
        free((void *)(uintptr_t)arrays[i]);
}

static gn_status call_both(const struct kind_check *check, gn_isa isa, int threads,
                           float *const t[TENSORS])
{
    const struct kind kind = {.activation = check->activation};
    gn_plan *plan = make_plan_of(&check->shape, &kind, isa, threads);
    gn_status status = check->given
                           ? gn_normalize(plan, t[X], t[MEAN], t[RSTD], t[GAMMA], t[BETA], t[Y])
                           : gn_forward(plan, t[X], t[GAMMA], t[BETA], t[Y], t[MEAN], t[RSTD]);

    if (status == GN_OK)
        status = call_backward(plan, t);
    gn_plan_destroy(plan);
    return status;
}

static int check_exact(const struct kind_check *check, float *const tensors[TENSORS])
{
    static const struct {
        enum tensor tensor;
        enum exact_output output;
    } outputs[] = {{Y, EXACT_Y},   {MEAN, EXACT_MEAN},     {RSTD, EXACT_RSTD},
                   {DX, EXACT_DX}, {DGAMMA, EXACT_DGAMMA}, {DBETA, EXACT_DBETA}};
    struct exact_problem problem = exact_problem_of(check, tensors);
    struct exact *exact = exact_create(&problem);
    int wrong = 0;

    assert_non_null(exact);
    for (int i = 0; i < 6; i++) {
        const enum tensor tensor = outputs[i].tensor;
        int64_t where;
        char text[160];

        if (check->given && (tensor == MEAN || tensor == RSTD))
            continue;
        long double *values = exact_values(&check->shape, tensor, tensors[tensor]);
        const double error = exact_error(exact, outputs[i].output, check->bound, values, &where);
        if (error > 1) {
            print_error("%s, %s: %s[%lld] = %.9Lg, not %.9Lg: an error of %.3g bounds\n",
                        shape_text(&check->shape, text), check->label, tensor_name(tensor),
                        (long long)where, values[where],
                        exact_at(exact, outputs[i].output, where).value, error);
            wrong++;
        }
        free(values);
    }
    exact_destroy(exact);
    exact_problem_free(&problem);
    return wrong;
}

static int check_bits(const struct kind_check *check, gn_isa isa, int threads,
                      float *const tensors[TENSORS], float *const again[TENSORS])
{
    float *call[TENSORS];
    int wrong = 0;

    for (int t = 0; t < TENSORS; t++)
        call[t] =
            t < FIRST_OUTPUT || (check->given && (t == MEAN || t == RSTD)) ? tensors[t] : again[t];
    assert_int_equal(call_both(check, isa, threads, call), GN_OK);
    for (int t = FIRST_OUTPUT; t < TENSORS; t++) {
        int64_t where;
        char text[160];
        if (same_bits(call[t], tensors[t], tensor_count(&check->shape, (enum tensor)t), &where))
            continue;
        print_error("%s, %s, %s, %d threads: %s[%lld] is %a, was %a\n",
                    shape_text(&check->shape, text), check->label, isa_name(isa), threads,
                    tensor_name((enum tensor)t), (long long)where, (double)call[t][where],
                    (double)tensors[t][where]);
        wrong++;
    }
    return wrong;
}

int check_kind(const struct kind_check *check, float *const tensors[TENSORS])
{
    float *again[TENSORS];
    gn_isa isas[8];
    const int count = available_isas(isas);

    assert_int_equal(call_both(check, GN_ISA_GENERIC, 1, tensors), GN_OK);
    int wrong = check_exact(check, tensors);
    tensors_create(&check->shape, again);
    for (int i = 0; i < count; i++)
        wrong += check_bits(check, isas[i], 1 + i, tensors, again);
    tensors_destroy(again);
    return wrong;
}
