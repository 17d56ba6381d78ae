/* SPDX-License-Identifier: MIT */
/*
 * Random problems in all types, activations, skips and strides. The generic result is compared with
 * the oracle, and every other way to compute it must give the same bits.
 *
 * The seeds are the same each time. The argument is the number of cases; GN_TEST_SEED=first and
 * GN_TEST_CASES=number choose others. A failure prints the seed of its case.
 */
#include "problem.h"
#include "progress.h"

#include <stdio.h>
#include <stdlib.h>

static uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text ? strtoull(text, NULL, 10) : otherwise;
}

static int complain(const struct problem *problem, const char *what)
{
    char text[500];

    print_error("%s: %s\n", problem_text(problem, text), what);
    return 1;
}

static long double *values_of(const struct problem *problem, enum role role)
{
    const struct view *view = &problem->dense[role];
    long double *values = malloc((size_t)view_count(view) * sizeof(*values));

    assert_non_null(values);
    view_values(view, values);
    return values;
}

/* ---- Against the oracle ---- */

/* If all values of a group are equal, y is beta, rounded. */
static int check_constants(const struct problem *problem)
{
    const struct shape *shape = &problem->shape;
    const int64_t c = shape->dims[1], s = shape_spatial(shape), m = c / shape->groups * s;
    long double *x = values_of(problem, backward_x(problem)), *y = values_of(problem, R_Y);
    bool right = true;

    for (int64_t group = 0; group < shape->dims[0] * shape->groups; group++) {
        const int64_t first = group * m;
        bool constant = is_finite(x[first]) && shape->eps > 0;

        for (int64_t i = first; i < first + m && constant; i++)
            constant = x[i] == x[first];
        for (int64_t i = first; i < first + m && constant; i++) {
            const int64_t row = i / s, at = shape->affine == GN_AFFINE_SAMPLE ? row : row % c;
            const long double beta = problem->no_beta ? 0 : view_value(&problem->dense[R_BETA], at);
            right = right && y[i] == type_rounded(problem->y, beta, 0);
        }
    }
    free(x), free(y);
    return right ? 0 : complain(problem, "a constant group's y is not beta");
}

static int check_exact(const struct problem *problem)
{
    static const enum role roles[] = {R_MEAN, R_RSTD, R_Y, R_DX, R_DGAMMA, R_DBETA, R_DSKIP};
    struct problem normalized = *problem;
    struct oracle *oracle = problem_oracle(problem, false);
    int wrong = 0;

    for (int i = 0; i < (problem->add ? 7 : 6); i++)
        wrong += problem_compare(problem, oracle, roles[i], problem->dense[roles[i]].data);
    oracle_destroy(oracle);
    if (problem->activation == GN_ACTIVATION_IDENTITY)
        wrong += check_constants(problem);

    normalized.dense[R_DY].data = NULL;
    oracle = problem_oracle(&normalized, true);
    wrong += problem_compare(problem, oracle, R_NORMALIZED, problem->dense[R_NORMALIZED].data);
    oracle_destroy(oracle);
    return wrong;
}

/* ---- Against other calls ---- */

/* gn_forward_add and gn_backward_add must give the sum rounded once, and otherwise the results of
 * gn_forward and gn_backward on that sum. */
static int check_steps(const struct problem *problem, uint64_t *random, gn_isa isa)
{
    struct problem steps = *problem;
    struct memory memory = {0};
    struct view rounded = role_view(problem, R_SUM);
    long double *x = values_of(problem, R_X), *skip = values_of(problem, R_SKIP);
    const struct shape *shape = &problem->shape;
    struct way way;
    int64_t where;
    int wrong = 0;

    oracle_add(problem->x, shape->dims[0] * shape->dims[1], shape_spatial(shape), x, skip,
               problem->skip, x);
    view_create(&rounded, &memory, AT_START);
    view_set(&rounded, x);
    if (!view_same(&rounded, &problem->dense[R_SUM], &where))
        wrong += complain(problem, "sum is not x + skip rounded");
    memory_free(&memory);
    free(x), free(skip);

    steps.add = false;
    steps.shared[R_X] = false;
    steps.dense[R_X] = problem->dense[R_SUM];
    way_random(&way, &steps, random, isa);
    wrong += way_run(&way, &steps, FORWARD, false);
    return wrong + way_run(&way, &steps, BACKWARD, false);
}

/* A single sample. The outputs that are summed over samples are not compared. */
static int check_sample(const struct problem *problem, uint64_t *random, gn_isa isa)
{
    struct problem one = *problem;
    const int64_t n = random_range(random, 0, problem->shape.dims[0] - 1);
    struct way way;
    int wrong = 0;

    one.shape.dims[0] = 1;
    for (int role = 0; role < ROLES; role++) {
        struct view *view = &one.dense[role];
        if (view->dims[0] == 1)
            continue;
        view->dims[0] = 1;
        view->data += n * view->strides[0] * (int64_t)type_size(view->type);
    }
    way_random(&way, &one, random, isa);
    if (problem->shape.affine == GN_AFFINE_CHANNEL)
        way.absent |= 1u << R_DGAMMA | 1u << R_DBETA;
    for (int stage = 0; stage < STAGES; stage++)
        wrong += way_run(&way, &one, (enum stage)stage, false);
    return wrong;
}

static int check_case(uint64_t seed, const gn_isa *isas, int count, bool wide)
{
    uint64_t random = seed;
    struct problem problem;
    struct way way;
    int wrong = 0;

    problem_create(&problem, seed);
    way_plain(&way, &problem, GN_ISA_GENERIC);
    wrong += way_run(&way, &problem, FORWARD, true);
    if (problem.stored) {
        view_copy(&problem.dense[R_GIVEN_MEAN], &problem.dense[R_MEAN]);
        view_copy(&problem.dense[R_GIVEN_RSTD], &problem.dense[R_RSTD]);
    }
    wrong += way_run(&way, &problem, NORMALIZE, true);
    wrong += way_run(&way, &problem, BACKWARD, true);
    if (wide || problem.x != GN_F64)
        wrong += check_exact(&problem);
    for (int i = 0; i < count; i++) {
        way_random(&way, &problem, &random, isas[i]);
        for (int stage = 0; stage < STAGES; stage++)
            wrong += way_run(&way, &problem, (enum stage)stage, false);
    }
    if (problem.add)
        wrong += check_steps(&problem, &random, isas[seed % (uint64_t)count]);
    if (problem.shape.dims[0] > 1)
        wrong += check_sample(&problem, &random, isas[random_range(&random, 0, count - 1)]);
    problem_destroy(&problem);
    return wrong;
}

/* The number of cases if the environment does not set it. */
static uint64_t usual_cases = 20000;

static void test_random(void **state)
{
    const uint64_t first = number_from("GN_TEST_SEED", 1);
    const uint64_t cases = number_from("GN_TEST_CASES", quick() ? 200 : usual_cases);
    const bool wide = wide_long_double();
    gn_isa isas[ISAS];
    const int count = available_isas(isas);
    int wrong = 0;
    (void)state;

    print_message("seeds %llu to %llu\n", (unsigned long long)first,
                  (unsigned long long)(first + cases - 1));
    if (!wide)
        print_message("long double is no finer than double: f64 is compared in bits alone\n");
    for (uint64_t seed = first; seed < first + cases && wrong < 10; seed++) {
        progress("case", (int64_t)(seed - first), (int64_t)cases);
        wrong += check_case(seed, isas, count, wide);
    }
    assert_int_equal(wrong, 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random)};

    if (argc > 1)
        usual_cases = strtoull(argv[1], NULL, 10);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
