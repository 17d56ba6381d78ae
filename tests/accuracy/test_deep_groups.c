/* SPDX-License-Identifier: MIT */
/* Groups with more channels than the passes in double process at a time, which is 64: each channel
 * must get its own gamma and beta, and each tensor its own strides. */
#include "kind.h"
#include "oracle.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 2, G = 2, S = 7, MOST = N * G * 512 * S * 3 };

enum array { A_X, A_DY, A_GAMMA, A_BETA, A_Y, A_MEAN, A_RSTD, A_DX, A_DGAMMA, A_DBETA, ARRAYS };

struct deep {
    gn_layout layout;
    int64_t depth;
    gn_activation activation;
    double *arrays[ARRAYS];
};

static int64_t channels_of(const struct deep *d)
{
    return G * d->depth;
}

static int64_t count_of(const struct deep *d, enum array which)
{
    switch (which) {
    case A_GAMMA:
    case A_BETA:
    case A_DGAMMA:
    case A_DBETA:
        return channels_of(d);
    case A_MEAN:
    case A_RSTD:
        return N * G;
    case A_X:
    case A_DY:
    case A_Y:
    case A_DX:
    case ARRAYS:
        break;
    }
    return N * channels_of(d) * S;
}

/* The index in memory of element i of a tensor that has gaps of `gap` elements between its
 * channels (channels first) or its pixels (channels last). */
static int64_t place(const struct deep *d, int64_t i, int64_t gap)
{
    const int64_t c = channels_of(d), s = i % S, channel = i / S % c, n = i / S / c;

    if (d->layout == GN_CHANNELS_LAST)
        return n * S * (c + gap) + s * (c + gap) + channel;
    return n * c * (S + gap) + channel * (S + gap) + s;
}

static gn_plan *plan_of(const struct deep *d, int64_t gap)
{
    const int64_t c = channels_of(d), dims[] = {N, c, S};
    const int64_t first[] = {c * (S + gap), S + gap, 1};
    const int64_t last[] = {S * (c + gap), 1, c + gap};
    gn_desc *desc;
    gn_plan *plan;

    assert_int_equal(gn_desc_create(&desc, 3, dims), GN_OK);
    assert_int_equal(gn_desc_set_groups(desc, G), GN_OK);
    assert_int_equal(gn_desc_set_layout(desc, d->layout), GN_OK);
    assert_int_equal(gn_desc_set_types(desc, GN_F64, GN_F64, GN_F64), GN_OK);
    assert_int_equal(gn_desc_set_activation(desc, d->activation), GN_OK);
    if (gap)
        assert_int_equal(
            gn_desc_set_strides(desc, GN_TENSOR_DY, d->layout == GN_CHANNELS_LAST ? last : first),
            GN_OK);
    assert_int_equal(gn_plan_create(&plan, desc), GN_OK);
    gn_desc_destroy(desc);
    return plan;
}

/* Runs both passes. dy has memory of its own. */
static void run(const struct deep *d, int64_t gap, double *const a[ARRAYS])
{
    gn_plan *plan = plan_of(d, gap);
    double *dy = calloc(MOST, sizeof(*dy));

    assert_non_null(dy);
    for (int64_t i = 0; i < count_of(d, A_DY); i++)
        dy[place(d, i, gap)] = a[A_DY][place(d, i, 0)];
    assert_int_equal(gn_forward(plan, a[A_X], a[A_GAMMA], a[A_BETA], a[A_Y], a[A_MEAN], a[A_RSTD]),
                     GN_OK);
    assert_int_equal(gn_backward(plan, dy, a[A_X], a[A_MEAN], a[A_RSTD], a[A_GAMMA], a[A_BETA],
                                 a[A_DX], a[A_DGAMMA], a[A_DBETA]),
                     GN_OK);
    free(dy);
    gn_plan_destroy(plan);
}

static int check_exact(const struct deep *d)
{
    static const enum array arrays[] = {
        [ORACLE_MEAN] = A_MEAN, [ORACLE_RSTD] = A_RSTD,     [ORACLE_Y] = A_Y,
        [ORACLE_DX] = A_DX,     [ORACLE_DGAMMA] = A_DGAMMA, [ORACLE_DBETA] = A_DBETA};
    const struct oracle_problem problem = {.n = N,
                                           .c = channels_of(d),
                                           .s = S,
                                           .g = G,
                                           .layout = d->layout,
                                           .eps = DEFAULT_EPS,
                                           .activation = d->activation,
                                           .x_type = GN_F64,
                                           .y_type = GN_F64,
                                           .param_type = GN_F64,
                                           .x = d->arrays[A_X],
                                           .gamma = d->arrays[A_GAMMA],
                                           .beta = d->arrays[A_BETA],
                                           .dy = d->arrays[A_DY]};
    struct oracle *oracle = oracle_create(&problem);
    int wrong = 0;

    assert_non_null(oracle);
    for (int k = ORACLE_MEAN; k <= ORACLE_DBETA; k++) {
        const double error = oracle_error(oracle, (enum oracle_output)k, ORACLE_INDEPENDENT,
                                          d->arrays[arrays[k]], NULL);
        if (!(error <= 1)) {
            print_error("depth %lld, channels %s, activation %d: output %d is off by %.3g bounds\n",
                        (long long)d->depth, d->layout ? "last" : "first", d->activation, k, error);
            wrong++;
        }
    }
    oracle_destroy(oracle);
    return wrong;
}

static int check_strided(const struct deep *d)
{
    double *again[ARRAYS];
    int wrong = 0;

    for (int which = 0; which < ARRAYS; which++) {
        again[which] = malloc(MOST * sizeof(double));
        assert_non_null(again[which]);
        memcpy(again[which], d->arrays[which], MOST * sizeof(double));
    }
    run(d, 9, again);
    for (int which = A_Y; which < ARRAYS; which++)
        if (memcmp(again[which], d->arrays[which],
                   sizeof(double) * (size_t)count_of(d, (enum array)which))) {
            print_error("depth %lld, channels %s, activation %d: array %d differs with strides\n",
                        (long long)d->depth, d->layout ? "last" : "first", d->activation, which);
            wrong++;
        }
    for (int which = 0; which < ARRAYS; which++)
        free(again[which]);
    return wrong;
}

static void test_deep(void **state)
{
    static const int64_t depths[] = {64, 65, 100, 192, 512};
    int wrong = 0;
    (void)state;

    for (int i = 0; i < 5 * 2 * ACTIVATIONS; i++) {
        struct deep d = {(gn_layout)(i % 2),
                         depths[i / 2 / ACTIVATIONS],
                         (gn_activation)(i / 2 % ACTIVATIONS),
                         {NULL}};
        uint64_t random = 3;

        for (int which = 0; which < ARRAYS; which++) {
            d.arrays[which] = calloc(MOST, sizeof(double));
            assert_non_null(d.arrays[which]);
            for (int64_t k = 0; which <= A_BETA && k < count_of(&d, (enum array)which); k++)
                d.arrays[which][k] =
                    (double)random_normal(&random) + (which == A_X || which == A_GAMMA ? 2 : 0);
        }
        run(&d, 0, d.arrays);
        if (wide_long_double())
            wrong += check_exact(&d);
        wrong += check_strided(&d);
        for (int which = 0; which < ARRAYS; which++)
            free(d.arrays[which]);
    }
    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_deep)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
