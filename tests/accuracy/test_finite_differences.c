/* SPDX-License-Identifier: MIT */
/*
 * The library's gradients in GN_F64, and the exact ones, against finite differences of the
 * library's forward pass and of the exact one: so that no formula of the backward pass is trusted
 * for having been written down twice.
 */
#include "exact.h"
#include "kind.h"

#include <math.h>
#include <string.h>

enum { MOST = 128 };

/* What a loss depends on, and its gradients. skip is [N, C] or, as x, in the layout's order. */
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

/* ---- The exact ones ---- */

/* The place in memory of element i of [N, C, S]. */
static int64_t place_of(const struct shape *shape, int64_t i)
{
    const int64_t c = shape->dims[1], s = shape_spatial(shape);

    if (shape->layout == GN_CHANNELS_FIRST)
        return i;
    return (i / (c * s) * s + i % s) * c + i / s % c;
}

static struct exact *exact_of(const struct problem *p, long double arrays[4][MOST], bool backward)
{
    const struct shape *shape = &p->shape;
    const int64_t n = shape->dims[0], c = shape->dims[1], s = shape_spatial(shape);
    const bool by_channel = p->kind.skip == GN_SKIP_CHANNEL;

    for (int64_t i = 0; i < n * c * s; i++) {
        const int64_t at = place_of(shape, i);
        arrays[0][i] = (long double)p->in.x[at] + p->in.skip[by_channel ? i / s : at];
        arrays[1][i] = p->in.dy[at];
    }
    for (int64_t i = 0; i < n * c; i++) {
        arrays[2][i] = p->in.gamma[i];
        arrays[3][i] = p->in.beta[i];
    }
    const struct exact_problem problem = {.n = n,
                                          .c = c,
                                          .s = s,
                                          .g = shape->groups,
                                          .eps = shape->eps,
                                          .affine = shape->affine,
                                          .activation = p->kind.activation,
                                          .x_type = GN_F64,
                                          .y_type = GN_F64,
                                          .param_type = GN_F64,
                                          .x = arrays[0],
                                          .dy = backward ? arrays[1] : NULL,
                                          .gamma = arrays[2],
                                          .beta = arrays[3]};
    struct exact *exact = exact_create(&problem);
    assert_non_null(exact);
    return exact;
}

static long double exact_loss(const struct problem *p)
{
    static long double arrays[4][MOST];
    struct exact *exact = exact_of(p, arrays, false);
    long double loss = 0;

    for (int64_t i = 0; i < exact_count(exact, EXACT_Y); i++)
        loss += arrays[1][i] * exact_at(exact, EXACT_Y, i).value;
    exact_destroy(exact);
    return loss;
}

/* ---- Differences ---- */

/* The five-point difference: its error falls with the fourth power of the step. The steps are
 * exact, as the data are multiples of 2^-20 below 8. */
static long double slope_of(struct problem *p, double *value,
                            long double (*loss)(const struct problem *))
{
    static const double steps[4] = {-2, -1, 1, 2};
    const double kept = *value, step = 0x1p-10;
    long double at[4];

    for (int i = 0; i < 4; i++) {
        *value = kept + steps[i] * step;
        at[i] = loss(p);
    }
    *value = kept;
    return (at[0] - 8 * at[1] + 8 * at[2] - at[3]) / (12 * (long double)step);
}

/* order: the place in memory of the exact gradient's element i. */
static void compare(struct problem *p, const struct exact *exact, enum exact_output output,
                    double *values, const double *gradients, const char *name)
{
    const bool tensor = output == EXACT_DX;
    char text[160];

    for (int64_t i = 0; i < exact_count(exact, output); i++) {
        const int64_t at = tensor ? place_of(&p->shape, i) : i;
        const long double ours = exact_at(exact, output, i).value;
        const long double slope = slope_of(p, &values[at], exact_loss);
        const long double theirs = slope_of(p, &values[at], library_loss);
        const long double allowed = 1e-8L * (1 + fabsl(ours));

        if (!(fabsl(slope - ours) <= allowed) || !(fabsl(theirs - ours) <= allowed) ||
            !(fabsl(gradients[at] - ours) <= allowed))
            fail_msg("%s, activation %d, skip %d: %s[%lld]: gradient %.12g, exact %.12Lg; "
                     "difference %.12Lg, exact %.12Lg",
                     shape_text(&p->shape, text), (int)p->kind.activation, (int)p->kind.skip, name,
                     (long long)at, gradients[at], ours, theirs, slope);
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

/* Whether some z is so near 0 that a step may cross a ReLU's kink. */
static bool near_kink(const struct problem *p)
{
    static long double arrays[4][MOST];
    struct problem identity = *p;
    bool near = false;

    identity.kind.activation = GN_ACTIVATION_IDENTITY;
    struct exact *exact = exact_of(&identity, arrays, false);
    for (int64_t i = 0; i < exact_count(exact, EXACT_Y); i++)
        near = near || fabsl(exact_at(exact, EXACT_Y, i).value) < 0.02L;
    exact_destroy(exact);
    return near;
}

static void check_problem(struct problem *p, uint64_t *random)
{
    static long double arrays[4][MOST];
    struct gradients out;

    p->plan = make_plan_of(&p->shape, &p->kind, GN_ISA_AUTO, 0);
    do
        fill(p, random);
    while (near_kink(p));
    library_gradients(p, &out);
    struct exact *exact = exact_of(p, arrays, true);
    compare(p, exact, EXACT_DX, p->in.x, out.dx, "dx");
    /* A tensor skip has the gradient of x. */
    if (p->kind.skip == GN_SKIP_CHANNEL)
        compare(p, exact, EXACT_DSKIP, p->in.skip, out.dskip, "dskip");
    else
        compare(p, exact, EXACT_DX, p->in.skip, out.dx, "dx of skip");
    compare(p, exact, EXACT_DGAMMA, p->in.gamma, out.dgamma, "dgamma");
    compare(p, exact, EXACT_DBETA, p->in.beta, out.dbeta, "dbeta");
    exact_destroy(exact);
    gn_plan_destroy(p->plan);
}

static void test_differences(void **state)
{
    static const struct {
        int64_t dims[3], groups;
    } shapes[] = {{{2, 6, 5}, 1}, {{2, 6, 5}, 2},  {{2, 6, 5}, 6}, {{3, 4, 1}, 2},
                  {{1, 1, 9}, 1}, {{1, 12, 3}, 4}, {{4, 3, 2}, 3}};
    uint64_t random = 1;
    (void)state;

    /* Every activation, skip, affine and layout. */
    for (int k = 0; k < 24 * (int)(sizeof(shapes) / sizeof(shapes[0])); k++) {
        static struct problem problem;

        if (quick() && k % 5)
            continue;
        problem.shape = (struct shape){.rank = 3,
                                       .groups = shapes[k / 24].groups,
                                       .layout = (gn_layout)(k % 2),
                                       .eps = 0.5, /* a group of two curves hard at 0 */
                                       .affine = (gn_affine)(k / 2 % 2)};
        memcpy(problem.shape.dims, shapes[k / 24].dims, sizeof(shapes[0].dims));
        problem.kind =
            (struct kind){GN_F64, GN_F64, GN_F64, (gn_activation)(k / 8 % 3), (gn_skip)(k / 4 % 2)};
        check_problem(&problem, &random);
    }
}

/* At a z of 0, which a constant group without beta has, the derivative of ReLU is 0. */
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
