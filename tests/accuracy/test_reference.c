/* SPDX-License-Identifier: MIT */
/*
 * Compares the library with the short reference in support/reference.c, on ordinary random data:
 * both layouts, GN_F32 and GN_F64, every activation, gamma and beta given or NULL.
 *
 * The tolerance is simple: no element may differ by more than 1e-5 (GN_F32) or 1e-13 (GN_F64) of
 * the largest element of its array, or of 1 if that is larger. Other tests check the bounds that
 * the header states.
 */
#include "reference.h"
#include "support.h"

#include <math.h>

enum { MOST = 2048 }; /* elements per array */

/* An argument of the library, in the type and layout of the plan. */
union memory {
    float f32[MOST];
    double f64[MOST];
};

/* The arrays of one call: in double for the reference, and in the library's format. */
enum array { ARRAY_X, ARRAY_DY, ARRAY_GAMMA, ARRAY_BETA, INPUTS };
enum result { RESULT_Y, RESULT_MEAN, RESULT_RSTD, RESULT_DX, RESULT_DGAMMA, RESULT_DBETA, RESULTS };
static const char *const names[RESULTS] = {"y", "mean", "rstd", "dx", "dgamma", "dbeta"};

struct problem {
    struct reference_problem p;
    gn_layout layout;
    gn_type type;
    bool has_gamma, has_beta;
    double in[INPUTS][MOST], expected[RESULTS][MOST];
    union memory library_in[INPUTS], library_out[RESULTS];
};

/* The index in memory of element i of [N, C, S]. */
static int64_t place_of(const struct problem *problem, int64_t i)
{
    const int64_t C = problem->p.C, S = problem->p.S;
    const int64_t n = i / (C * S), c = i / S % C, s = i % S;

    return problem->layout == GN_CHANNELS_LAST ? (n * S + s) * C + c : i;
}

static void fill(struct problem *problem, uint64_t seed)
{
    for (int i = 0; i < MOST; i++) {
        problem->in[ARRAY_X][i] = 3 + 2 * (double)random_normal(&seed);
        problem->in[ARRAY_DY][i] = (double)random_normal(&seed);
        problem->in[ARRAY_GAMMA][i] = 1 + (double)random_uniform(&seed) / 2;
        problem->in[ARRAY_BETA][i] = (double)random_uniform(&seed);
    }
    /* All of these values are floats, so that both types get the same problem. */
    for (int array = 0; array < INPUTS; array++) {
        const bool tensor = array == ARRAY_X || array == ARRAY_DY;
        const int64_t count = tensor ? problem->p.N * problem->p.C * problem->p.S : problem->p.C;

        for (int64_t i = 0; i < count; i++) {
            const int64_t place = tensor ? place_of(problem, i) : i;

            if (problem->type == GN_F64)
                problem->library_in[array].f64[place] = problem->in[array][i];
            else
                problem->library_in[array].f32[place] = (float)problem->in[array][i];
        }
    }
}

static void run_reference(struct problem *problem)
{
    double(*in)[MOST] = problem->in, (*out)[MOST] = problem->expected;
    const double *gamma = problem->has_gamma ? in[ARRAY_GAMMA] : NULL;
    const double *beta = problem->has_beta ? in[ARRAY_BETA] : NULL;

    reference_forward(&problem->p, in[ARRAY_X], gamma, beta, out[RESULT_Y], out[RESULT_MEAN],
                      out[RESULT_RSTD]);
    reference_backward(&problem->p, in[ARRAY_DY], in[ARRAY_X], out[RESULT_MEAN], out[RESULT_RSTD],
                       gamma, beta, out[RESULT_DX], out[RESULT_DGAMMA], out[RESULT_DBETA]);
}

static void run_library(struct problem *problem)
{
    const struct reference_problem *p = &problem->p;
    const int64_t dims[] = {p->N, p->C, p->S};
    union memory *in = problem->library_in, *out = problem->library_out;
    const void *gamma = problem->has_gamma ? &in[ARRAY_GAMMA] : NULL;
    const void *beta = problem->has_beta ? &in[ARRAY_BETA] : NULL;
    gn_desc *desc = NULL;
    gn_plan *plan = NULL;

    assert_int_equal(gn_desc_create(&desc, 3, dims), GN_OK);
    assert_int_equal(gn_desc_set_groups(desc, p->G), GN_OK);
    assert_int_equal(gn_desc_set_layout(desc, problem->layout), GN_OK);
    assert_int_equal(gn_desc_set_epsilon(desc, p->eps), GN_OK);
    assert_int_equal(gn_desc_set_types(desc, problem->type, problem->type, problem->type), GN_OK);
    assert_int_equal(gn_desc_set_activation(desc, p->activation), GN_OK);
    assert_int_equal(gn_plan_create(&plan, desc), GN_OK);
    gn_desc_destroy(desc);
    assert_int_equal(gn_forward(plan, &in[ARRAY_X], gamma, beta, &out[RESULT_Y], &out[RESULT_MEAN],
                                &out[RESULT_RSTD]),
                     GN_OK);
    assert_int_equal(gn_backward(plan, &in[ARRAY_DY], &in[ARRAY_X], &out[RESULT_MEAN],
                                 &out[RESULT_RSTD], gamma, beta, &out[RESULT_DX],
                                 &out[RESULT_DGAMMA], &out[RESULT_DBETA]),
                     GN_OK);
    gn_plan_destroy(plan);
}

static void compare(const struct problem *problem, enum result result)
{
    const struct reference_problem *p = &problem->p;
    const bool tensor = result == RESULT_Y || result == RESULT_DX;
    const bool statistic = result == RESULT_MEAN || result == RESULT_RSTD;
    const int64_t count = tensor ? p->N * p->C * p->S : statistic ? p->N * p->G : p->C;
    const double *expected = problem->expected[result];
    double largest = 1;

    for (int64_t i = 0; i < count; i++)
        largest = fmax(largest, fabs(expected[i]));
    for (int64_t i = 0; i < count; i++) {
        const int64_t place = tensor ? place_of(problem, i) : i;
        const union memory *found = &problem->library_out[result];
        const double value =
            problem->type == GN_F64 ? found->f64[place] : (double)found->f32[place];

        if (!(fabs(value - expected[i]) <= (problem->type == GN_F64 ? 1e-13 : 1e-5) * largest))
            fail_msg("[%lld, %lld, %lld] G=%lld, layout %d, type %d, activation %d, gamma %d, "
                     "beta %d: %s[%lld] is %.17g, not %.17g",
                     (long long)p->N, (long long)p->C, (long long)p->S, (long long)p->G,
                     (int)problem->layout, (int)problem->type, (int)p->activation,
                     problem->has_gamma, problem->has_beta, names[result], (long long)i, value,
                     expected[i]);
    }
}

static void test_reference(void **state)
{
    static const int64_t shapes[][4] = {/* N, C, S, G */
                                        {2, 6, 35, 1}, {2, 6, 35, 2},  {2, 6, 35, 6},
                                        {1, 1, 9, 1},  {3, 8, 1, 2},   {1, 64, 16, 32},
                                        {5, 3, 2, 3},  {1, 2, 900, 1}, {4, 96, 4, 4}};
    static struct problem problem;
    (void)state;

    for (size_t k = 0; k < sizeof(shapes) / sizeof(shapes[0]); k++) {
        /* Every layout, type and activation; gamma and beta each given or NULL. */
        for (int way = 0; way < 2 * 2 * ACTIVATIONS * 2 * 2; way++) {
            problem.p =
                (struct reference_problem){.N = shapes[k][0],
                                           .C = shapes[k][1],
                                           .S = shapes[k][2],
                                           .G = shapes[k][3],
                                           .eps = 1e-5,
                                           .activation = (gn_activation)(way / 4 % ACTIVATIONS)};
            problem.layout = way % 2 ? GN_CHANNELS_LAST : GN_CHANNELS_FIRST;
            problem.type = way / 2 % 2 ? GN_F64 : GN_F32;
            problem.has_gamma = way / 4 / ACTIVATIONS % 2;
            problem.has_beta = way / 8 / ACTIVATIONS;
            fill(&problem, k + 1);
            run_reference(&problem);
            run_library(&problem);
            for (int result = 0; result < RESULTS; result++)
                compare(&problem, (enum result)result);
        }
    }
}

/* A group computed by hand: 1, 2, 3, 6 has mean 3, variance 3.5 and rstd 1/2. */
static void test_by_hand(void **state)
{
    static const struct reference_problem p = {.N = 1, .C = 2, .S = 2, .G = 1, .eps = 0.5};
    static const double x[4] = {1, 2, 3, 6}, gamma[2] = {2, -1}, beta[2] = {0.5, 10};
    static const double dy[4] = {1, 0, 0, 0};
    /* xhat is -1, -1/2, 0, 3/2. gamma*g is 2, 0, 0, 0, whose mean is 1/2; gamma*g*xhat has mean
     * -1/2. */
    static const double y_expected[4] = {-1.5, -0.5, 10, 8.5};
    static const double dx_expected[4] = {0.5, -0.375, -0.25, 0.125};
    double y[4], mean, rstd, dx[4], dgamma[2], dbeta[2];
    (void)state;

    reference_forward(&p, x, gamma, beta, y, &mean, &rstd);
    reference_backward(&p, dy, x, &mean, &rstd, gamma, beta, dx, dgamma, dbeta);
    assert_true(mean == 3 && rstd == 0.5);
    for (int i = 0; i < 4; i++)
        assert_true(y[i] == y_expected[i] && dx[i] == dx_expected[i]);
    assert_true(dgamma[0] == -1 && dgamma[1] == 0);
    assert_true(dbeta[0] == 1 && dbeta[1] == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_hand),
        cmocka_unit_test(test_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
