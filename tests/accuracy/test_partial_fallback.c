/* SPDX-License-Identifier: MIT */
/*
 * With SiLU, computes sums of which only one tile, chunk or channel needs f64. A group whose sums
 * need f64 in any part needs it for its last pass.
 *
 * If g = dy * act'(z) overflows in float, the bounds show it. If it underflows they do not, because
 * their unit contains |dy|: such results are compared with the oracle's relative to the largest.
 */
#include "check.h"

#include <math.h>

/* The positions of a row whose dy is 0 or ordinary, so that float is accurate enough there. */
struct easy {
    int64_t from, to;
    bool zero;
};

static void fill(const struct shape *shape, float beta, float dy, struct easy easy,
                 float *tensors[TENSORS])
{
    const int64_t s = shape_spatial(shape), c = shape->dims[1];

    tensors_create(shape, tensors);
    tensors_fill(shape, 5, tensors);
    for (int64_t i = 0; i < c; i++) {
        tensors[GAMMA][i] = 0.5f;
        tensors[BETA][i] = beta;
    }
    for (int64_t i = 0; i < shape_elements(shape); i++) {
        const int64_t at = shape->layout == GN_CHANNELS_LAST ? i / c % s : i % s;
        if (at >= easy.from && at < easy.to)
            tensors[DY][i] *= easy.zero ? 0 : 1;
        else
            tensors[DY][i] = tensors[DY][i] < 0 ? -dy : dy;
    }
}

/* The largest error of an output relative to its largest value. */
static double relative_error(const struct check *check, enum tensor tensor,
                             float *const tensors[TENSORS])
{
    const struct problem problem = check_problem(check, tensors);
    const enum oracle_output output = role_output(tensor_role(tensor));
    struct oracle *oracle = problem_oracle(&problem, false);
    long double error = 0, size = 0;

    for (int64_t i = 0; i < oracle_count(oracle, output); i++) {
        const long double value = oracle_at(oracle, output, i).value;
        error = fmaxl(error, fabsl(tensors[tensor][i] - value));
        size = fmaxl(size, fabsl(value));
        if (isnan(tensors[tensor][i]))
            error = INFINITY;
    }
    oracle_destroy(oracle);
    return (double)(error / size);
}

static const struct {
    struct shape shape;
    struct easy easy;
} cases[] = {
    /* Two tiles per row: the first is easy, or the second. */
    {{3, {1, 1, 32768}, 1, GN_CHANNELS_FIRST, DEFAULTS}, {0, 16384, true}},
    {{3, {1, 1, 32768}, 1, GN_CHANNELS_FIRST, DEFAULTS}, {16384, 32768, true}},
    /* The first chunk of a row, the last one, and one between others. */
    {{3, {1, 1, 8192}, 1, GN_CHANNELS_FIRST, DEFAULTS}, {2048, 8192, true}},
    {{3, {1, 1, 8192}, 1, GN_CHANNELS_FIRST, DEFAULTS}, {0, 6144, true}},
    {{3, {2, 2, 5000}, 1, GN_CHANNELS_FIRST, DEFAULTS}, {100, 4700, true}},
    /* Rows of a single chunk, and short rows. */
    {{3, {1, 3, 700}, 1, GN_CHANNELS_FIRST, DEFAULTS}, {0, 350, true}},
    {{3, {2, 6, 60}, 2, GN_CHANNELS_FIRST, DEFAULTS}, {0, 30, true}},
    /* Tiles and chunks of pixels. */
    {{3, {1, 4, 32768}, 2, GN_CHANNELS_LAST, DEFAULTS}, {0, 16384, true}},
    {{3, {1, 4, 32768}, 2, GN_CHANNELS_LAST, DEFAULTS}, {16384, 32768, true}},
    {{3, {1, 8, 300}, 2, GN_CHANNELS_LAST, DEFAULTS}, {64, 300, true}},
    {{3, {1, 8, 300}, 2, GN_CHANNELS_LAST, DEFAULTS}, {0, 256, true}},
};
enum { CASES = sizeof(cases) / sizeof(cases[0]) };

/* z is near -95, so act'(z) is below the normal floats. */
static void test_underflow(void **state)
{
    (void)state;

    for (int i = 0; i < CASES; i++) {
        const struct check check = {.shape = cases[i].shape,
                                    .activation = GN_ACTIVATION_SILU,
                                    .bound = ORACLE_ALWAYS,
                                    .label = "z near -95"};
        float *tensors[TENSORS];

        fill(&check.shape, -95, 1e6f, cases[i].easy, tensors);
        assert_int_equal(check_all(&check, tensors), 0);
        for (int t = DX; t <= DBETA; t++) {
            const double error = relative_error(&check, (enum tensor)t, tensors);
            if (error > 1e-3)
                fail_msg("case %d: %s is off by %.3g", i, tensor_name((enum tensor)t), error);
        }
        tensors_destroy(tensors);
    }
}

/*
 * dy is two units of the subnormals and act'(z) is 3/4, so g is neither two units nor one. x - mean
 * is large and makes the products with g ordinary, so the library has to check the sums of g by
 * themselves.
 */
static void test_subnormal_g(void **state)
{
    int wrong = 0;
    (void)state;

    for (int i = 0; i < CASES; i++) {
        const struct check check = {.shape = cases[i].shape,
                                    .activation = GN_ACTIVATION_SILU,
                                    .bound = ORACLE_ALWAYS,
                                    .label = "dy 2^-148, x 2^90"};
        const int64_t s = shape_spatial(&check.shape), c = check.shape.dims[1];
        float *tensors[TENSORS];

        fill(&check.shape, 0.52f, 0, cases[i].easy, tensors);
        for (int64_t k = 0; k < c; k++)
            tensors[GAMMA][k] = 0x1p-10f;
        for (int64_t k = 0; k < shape_elements(&check.shape); k++) {
            const int64_t at = check.shape.layout == GN_CHANNELS_LAST ? k / c % s : k % s;
            tensors[X][k] = at % 2 ? 0x1p90f : -0x1p90f;
            tensors[DY][k] = at % 2 ? 0x1p-148f : 0;
        }
        wrong += check_all(&check, tensors);
        tensors_destroy(tensors);
    }
    assert_int_equal(wrong, 0);
}

/* With SiLU and constant gamma, beta and |dy|, an intermediate value is too large for float but the
 * results are not. */
static int check_overflow(const char *label, float gamma, float beta, float dy)
{
    int wrong = 0;

    for (int i = 0; i < CASES; i++) {
        const struct check check = {.shape = cases[i].shape,
                                    .activation = GN_ACTIVATION_SILU,
                                    .bound = ORACLE_ALWAYS,
                                    .label = label};
        float *tensors[TENSORS];

        fill(&check.shape, beta, dy, cases[i].easy, tensors);
        for (int64_t c = 0; c < check.shape.dims[1]; c++)
            tensors[GAMMA][c] = gamma;
        wrong += check_all(&check, tensors);
        tensors_destroy(tensors);
    }
    return wrong;
}

/* z overflows in float, and act'(z) is 1 or 0. */
static void test_infinite_z(void **state)
{
    (void)state;
    assert_int_equal(check_overflow("gamma 3e38", 3e38f, 0, 1e-30f), 0);
}

/* act'(z) is 1.09 and dy is near the largest float, so g overflows. */
static void test_overflow(void **state)
{
    (void)state;
    assert_int_equal(check_overflow("dy 3.3e38", 0.125f, 2.4f, 3.3e38f), 0);
}

/* Without an activation, rstd * gamma * dy is too large for float, but dx is not. Two of eight
 * values have xhat 0 and all of dy. */
static void test_large_terms(void **state)
{
    static const struct shape shapes[] = {
        {3, {2, 6, 24}, 3, GN_CHANNELS_FIRST, 0, GN_AFFINE_CHANNEL},
        {3, {1, 2, 704}, 2, GN_CHANNELS_FIRST, 0, GN_AFFINE_CHANNEL},
        {3, {2, 6, 24}, 3, GN_CHANNELS_LAST, 0, GN_AFFINE_CHANNEL},
        {3, {1, 2, 704}, 2, GN_CHANNELS_LAST, 0, GN_AFFINE_CHANNEL}};
    int wrong = 0;
    (void)state;

    for (int i = 0; i < 4; i++) {
        const struct check check = {.shape = shapes[i],
                                    .activation = GN_ACTIVATION_IDENTITY,
                                    .bound = ORACLE_ALWAYS,
                                    .label = "dy 2.9e38"};
        const int64_t s = shape_spatial(&check.shape), c = check.shape.dims[1];
        float *tensors[TENSORS];

        tensors_create(&check.shape, tensors);
        for (int64_t k = 0; k < c; k++) {
            tensors[GAMMA][k] = 1;
            tensors[BETA][k] = 0;
        }
        for (int64_t k = 0; k < shape_elements(&check.shape); k++) {
            const int64_t at = check.shape.layout == GN_CHANNELS_LAST ? k / c % s : k % s;
            tensors[X][k] = at % 8 < 2 ? 0 : at % 2 ? 0.866f : -0.866f;
            tensors[DY][k] = at % 8 < 2 ? 0x1.bp127f : 0;
        }
        wrong += check_all(&check, tensors);
        tensors_destroy(tensors);
    }
    assert_int_equal(wrong, 0);
}

/* Neighbouring groups, which use_f32 divides into group ranges: the sums of one group need f64, and
 * another has a gamma for which float is not accurate enough. */
static void test_neighbours(void **state)
{
    static const struct shape shapes[] = {{3, {1, 12, 40}, 6, GN_CHANNELS_FIRST, DEFAULTS},
                                          {3, {2, 12, 600}, 6, GN_CHANNELS_FIRST, DEFAULTS},
                                          {3, {1, 12, 40}, 6, GN_CHANNELS_LAST, DEFAULTS},
                                          {3, {2, 12, 600}, 6, GN_CHANNELS_LAST, DEFAULTS}};
    int wrong = 0;
    (void)state;

    for (int i = 0; i < 4 * 6 * 5; i++) {
        const struct check check = {.shape = shapes[i / 30],
                                    .activation = GN_ACTIVATION_SILU,
                                    .bound = ORACLE_ALWAYS,
                                    .label = "neighbours in f64"};
        const int64_t in_f64 = i % 30 / 5, other = (in_f64 + 1 + i % 5) % 6;
        const int64_t s = shape_spatial(&check.shape);
        float *tensors[TENSORS];

        fill(&check.shape, 2.4f, 1, (struct easy){0, s, false}, tensors);
        for (int64_t c = 2 * in_f64; c < 2 * in_f64 + 2; c++) {
            tensors[GAMMA][c] = 0.125f;
            for (int64_t k = 0; k < s * check.shape.dims[0]; k++) {
                const int64_t n = k / s, at = k % s;
                const int64_t to = check.shape.layout == GN_CHANNELS_LAST ? (n * s + at) * 12 + c
                                                                          : (n * 12 + c) * s + at;
                tensors[DY][to] = k & 1 ? 3.3e38f : -3.3e38f;
            }
        }
        tensors[GAMMA][2 * other] = 1e-42f;
        wrong += check_all(&check, tensors);
        tensors_destroy(tensors);
    }
    assert_int_equal(wrong, 0);
}

/*
 * Samples of more channels than a tile has, of which only the last group, the first, or one between
 * them needs f64: g is saved for all others, and the last pass reads dy for that one.
 */
static void test_many_channels(void **state)
{
    enum { CHANNELS = 20480, SPATIAL = 3 };
    static const int64_t in_f64[] = {0, 2, 4};
    int wrong = 0;
    (void)state;

    for (int i = quick() ? 2 : 0; i < 3; i++) {
        const struct check check = {
            .shape = {3, {1, CHANNELS, SPATIAL}, 5, GN_CHANNELS_LAST, DEFAULTS},
            .activation = GN_ACTIVATION_SILU,
            .bound = ORACLE_ALWAYS,
            .label = "many channels"};
        const int64_t first = in_f64[i] * CHANNELS / 5;
        float *tensors[TENSORS];

        fill(&check.shape, 2.4f, 1, (struct easy){0, SPATIAL, false}, tensors);
        for (int64_t c = first; c < first + CHANNELS / 5; c++) {
            tensors[GAMMA][c] = 0.125f;
            for (int64_t s = 0; s < SPATIAL; s++)
                tensors[DY][s * CHANNELS + c] = (s + c) & 1 ? 3.3e38f : -3.3e38f;
        }
        if (quick()) {
            const struct variant best = {GN_ISA_AUTO, 2, AT_END};
            wrong += check_against_oracle(&check, tensors);
            wrong += check_variant(&check, tensors, &best);
        } else {
            wrong += check_all(&check, tensors);
        }
        tensors_destroy(tensors);
    }
    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_underflow),    cmocka_unit_test(test_subnormal_g),
        cmocka_unit_test(test_infinite_z),   cmocka_unit_test(test_overflow),
        cmocka_unit_test(test_large_terms),  cmocka_unit_test(test_neighbours),
        cmocka_unit_test(test_many_channels)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
