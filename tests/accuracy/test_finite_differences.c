/* SPDX-License-Identifier: MIT */
/*
 * Compares the gradients of the library in GN_F64 and of the oracle with finite differences of
 * their forward passes. Otherwise a wrong formula of the backward pass that both contain would go
 * unnoticed.
 */
#include "kind.h"
#include "oracle.h"

#include <math.h>
#include <string.h>

enum { MOST = 128 };

/* The inputs of a loss, and its gradients. skip is [N, C] or, like x, in the layout's order. */
struct inputs {
    double x[MOST], skip[MOST], gamma[MOST], beta[MOST], dy[MOST];
};
struct gradients {
    double dx[MOST], dskip[MOST], dgamma[MOST], dbeta[MOST];
};

struct problem {
    struct shape shape;
    struct kind kind;
    struct inputs in;
    gn_plan *plan;
};

/* ---- The library's loss, sum dy * y, and gradients ---- */

static long double library_loss(const struct problem *p)
{
    double y[MOST], sum[MOST];
    long double loss = 0;

    assert_int_equal(
        gn_forward_add(p->plan, p->in.x, p->in.skip, p->in.gamma, p->in.beta, sum, y, NULL, NULL),
        GN_OK);
    for (int64_t i = 0; i < shape_elements(&p->shape); i++)
        loss += (long double)p->in.dy[i] * y[i];
    return loss;
}

static void library_gradients(const struct problem *p, struct gradients *out)
{
    double y[MOST], sum[MOST], mean[MOST], rstd[MOST];

    assert_int_equal(
        gn_forward_add(p->plan, p->in.x, p->in.skip, p->in.gamma, p->in.beta, sum, y, mean, rstd),
        GN_OK);
    assert_int_equal(gn_backward_add(p->plan, p->in.dy, sum, mean, rstd, p->in.gamma, p->in.beta,
                                     out->dx, out->dskip, out->dgamma, out->dbeta),
                     GN_OK);
}

/* ---- The oracle's loss and gradients ---- */

/* The index in memory of element i of [N, C, S]. */
static int64_t place_of(const struct shape *shape, int64_t i)
{
    const int64_t c = shape->dims[1], s = shape_spatial(shape);

    if (shape->layout == GN_CHANNELS_FIRST)
        return i;
    return (i / (c * s) * s + i % s) * c + i / s % c;
}

/* `sum` receives x + skip, which double holds exactly. It must exist as long as the oracle. */
static struct oracle *oracle_of(const struct problem *p, gn_activation activation, bool backward,
                                double sum[MOST])
{
    const struct shape *shape = &p->shape;
    const int64_t s = shape_spatial(shape);
    const bool by_channel = p->kind.skip == GN_SKIP_CHANNEL;

    for (int64_t i = 0; i < shape_elements(shape); i++) {
        const int64_t at = place_of(shape, i);
        sum[at] = p->in.x[at] + p->in.skip[by_channel ? i / s : at];
    }
    const struct oracle_problem problem = {.n = shape->dims[0],
                                           .c = shape->dims[1],
                                           .s = s,
                                           .g = shape->groups,
                                           .layout = shape->layout,
                                           .eps = shape->eps,
                                           .affine = shape->affine,
                                           .activation = activation,
                                           .x_type = GN_F64,
                                           .y_type = GN_F64,
                                           .param_type = GN_F64,
                                           .x = sum,
                                           .dy = backward ? p->in.dy : NULL,
                                           .gamma = p->in.gamma,
                                           .beta = p->in.beta};
    struct oracle *oracle = oracle_create(&problem);
    assert_non_null(oracle);
    return oracle;
}

static long double oracle_loss(const struct problem *p)
{
    double sum[MOST];
    struct oracle *oracle = oracle_of(p, p->kind.activation, false, sum);
    long double loss = 0;

    for (int64_t i = 0; i < oracle_count(oracle, ORACLE_Y); i++)
        loss += p->in.dy[i] * oracle_at(oracle, ORACLE_Y, i).value;
    oracle_destroy(oracle);
    return loss;
}

/* ---- Differences ---- */

/* The five-point difference, whose error falls with the fourth power of the step. The steps are
 * exact, because the data are multiples of 2^-20 below 8. */
static long double slope_of(struct problem *p, double *value,
                            long double (*loss)(const struct problem *))
{
    static const double steps[4] = {-2, -1, 1, 2};
    const double saved = *value, step = 0x1p-10;
    long double at[4];

    for (int i = 0; i < 4; i++) {
        *value = saved + steps[i] * step;
        at[i] = loss(p);
    }
    *value = saved;
    return (at[0] - 8 * at[1] + 8 * at[2] - at[3]) / (12 * (long double)step);
}

static void compare(struct problem *p, const struct oracle *oracle, enum oracle_output output,
                    double *values, const double *gradients, const char *name)
{
    char text[160];

    for (int64_t i = 0; i < oracle_count(oracle, output); i++) {
        const long double exact = oracle_at(oracle, output, i).value;
        const long double slope = slope_of(p, &values[i], oracle_loss);
        const long double theirs = slope_of(p, &values[i], library_loss);
        const long double allowed = 1e-8L * (1 + fabsl(exact));

        if (!(fabsl(slope - exact) <= allowed) || !(fabsl(theirs - exact) <= allowed) ||
            !(fabsl(gradients[i] - exact) <= allowed))
            fail_msg("%s, activation %d, skip %d: %s[%lld]: gradient %.12g, exact %.12Lg; "
                     "difference %.12Lg, exact %.12Lg",
                     shape_text(&p->shape, text), (int)p->kind.activation, (int)p->kind.skip, name,
                     (long long)i, gradients[i], exact, theirs, slope);
    }
}

static void fill(struct problem *p, uint64_t *random)
{
    for (int i = 0; i < MOST; i++) {
        p->in.x[i] = (double)random_normal(random);
        p->in.skip[i] = (double)random_normal(random);
        p->in.dy[i] = (double)random_normal(random);
        p->in.gamma[i] = 1 + (double)random_uniform(random);
        p->in.beta[i] = (double)random_uniform(random);
    }
}

/* Whether some z is so near 0 that a step may cross the kink of a ReLU. */
static bool near_kink(const struct problem *p)
{
    double sum[MOST];
    struct oracle *oracle = oracle_of(p, GN_ACTIVATION_IDENTITY, false, sum);
    bool near = false;

    for (int64_t i = 0; i < oracle_count(oracle, ORACLE_Y); i++)
        near = near || fabsl(oracle_at(oracle, ORACLE_Y, i).value) < 0.02L;
    oracle_destroy(oracle);
    return near;
}

static void check_problem(struct problem *p, uint64_t *random)
{
    double sum[MOST];
    struct gradients out;

    p->plan = make_plan_of(&p->shape, &p->kind, GN_ISA_AUTO, 0);
    do
        fill(p, random);
    while (near_kink(p));
    library_gradients(p, &out);
    struct oracle *oracle = oracle_of(p, p->kind.activation, true, sum);
    compare(p, oracle, ORACLE_DX, p->in.x, out.dx, "dx");
    /* The gradient of a skip tensor is that of x, so only a skip of [N, C] has its own. */
    if (p->kind.skip == GN_SKIP_CHANNEL)
        compare(p, oracle, ORACLE_DSKIP, p->in.skip, out.dskip, "dskip");
    else
        compare(p, oracle, ORACLE_DX, p->in.skip, out.dx, "dx of skip");
    compare(p, oracle, ORACLE_DGAMMA, p->in.gamma, out.dgamma, "dgamma");
    compare(p, oracle, ORACLE_DBETA, p->in.beta, out.dbeta, "dbeta");
    oracle_destroy(oracle);
    gn_plan_destroy(p->plan);
}

static void test_differences(void **state)
{
    static const struct {
        int64_t dims[3], groups;
    } shapes[] = {{{2, 6, 5}, 1},  {{2, 6, 5}, 2}, {{2, 6, 5}, 6},  {{3, 4, 1}, 2}, {{1, 1, 9}, 1},
                  {{1, 12, 3}, 4}, {{4, 3, 2}, 3}, {{2, 6, 5}, 3},  {{3, 8, 1}, 2}, {{1, 4, 2}, 4},
                  {{1, 12, 7}, 4}, {{4, 3, 4}, 3}, {{1, 16, 1}, 4}, {{5, 2, 3}, 1}};
    uint64_t random = 1;
    (void)state;

    /* Every activation, skip, affine and layout. */
    for (int k = 0; k < 8 * ACTIVATIONS * (int)(sizeof(shapes) / sizeof(shapes[0])); k++) {
        static struct problem problem;

        if (quick() && k % 5)
            continue;
        problem.shape =
            (struct shape){.rank = 3,
                           .groups = shapes[k / 8 / ACTIVATIONS].groups,
                           .layout = (gn_layout)(k % 2),
                           .eps = 0.5, /* with two elements per group, y bends sharply near 0 */
                           .affine = (gn_affine)(k / 2 % 2)};
        memcpy(problem.shape.dims, shapes[k / 8 / ACTIVATIONS].dims, sizeof(shapes[0].dims));
        problem.kind = (struct kind){GN_F64, GN_F64, GN_F64, (gn_activation)(k / 8 % ACTIVATIONS),
                                     (gn_skip)(k / 4 % 2)};
        check_problem(&problem, &random);
    }
}

/* In a constant group without beta, z is 0, where the derivative of ReLU is 0. */
static void test_kink(void **state)
{
    const struct shape shape = {3, {2, 4, 5}, 2, GN_CHANNELS_LAST, DEFAULTS};
    static const struct kind kinds[] = {
        {GN_F32, GN_F32, GN_F32, GN_ACTIVATION_RELU, GN_SKIP_TENSOR},
        {GN_F64, GN_F64, GN_F64, GN_ACTIVATION_RELU, GN_SKIP_TENSOR}};
    (void)state;

    for (int k = 0; k < 2; k++) {
        gn_plan *plan = make_plan_of(&shape, &kinds[k], GN_ISA_AUTO, 0);
        union {
            float f[40];
            double d[40];
        } x, dy, mean, rstd, zero[4] = {{{0}}}; /* y, dx, dgamma, dbeta */

        for (int i = 0; i < 40; i++) {
            if (k)
                x.d[i] = dy.d[i] = zero[i % 4].d[i / 4] = 0.1;
            else
                x.f[i] = dy.f[i] = zero[i % 4].f[i / 4] = 0.1f;
        }
        assert_int_equal(gn_forward(plan, &x, NULL, NULL, &zero[0], &mean, &rstd), GN_OK);
        assert_int_equal(
            gn_backward(plan, &dy, &x, &mean, &rstd, NULL, NULL, &zero[1], &zero[2], &zero[3]),
            GN_OK);
        for (int i = 0; i < 40; i++) {
            for (int t = 0; t < (i < 4 ? 4 : 2); t++)
                assert_true((k ? zero[t].d[i] : (double)zero[t].f[i]) == 0);
        }
        gn_plan_destroy(plan);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_differences),
        cmocka_unit_test(test_kink),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
