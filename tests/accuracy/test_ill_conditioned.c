/* SPDX-License-Identifier: MIT */
/* Inputs for which other implementations fail, checked against the bounds that hold for every
 * finite input and, if the rounding errors are independent, against the tighter bounds. */
#include "check.h"
#include "patterns.h"
#include "progress.h"

#include <float.h>
#include <stdio.h>

/* A gamma, beta and dy to combine with the patterns of x. */
struct affine {
    const char *name;
    float gamma, beta, dy;
};

static const struct affine affines[] = {
    {"ordinary", 1, 1, 1},
    {"dy 1e-20", 1, 1, 1e-20f},
    {"dy 1e30", 1, 1, 1e30f},
    {"gamma 0", 0, 1, 1},
    {"beta 0", 1, 0, 1},
    {"gamma and beta subnormal", 1e-40f, 1e-42f, 1},
    {"gamma huge", 1e30f, 1, 1e-10f},
    {"beta huge", 1, 1e38f, 1},
    /* gamma * xhat overflows where y, with a beta of the other sign, does not. */
    {"gamma and beta huge", 1.2e38f, 2e38f, 1e-10f},
    {"gamma and dy 1e-25", 1e-25f, 0, 1e-25f},
    {"gamma and dy 1e25", 1e25f, 1, 1e25f},
    {"dy subnormal", 1, 1, 1e-41f},
};
enum { AFFINES = sizeof(affines) / sizeof(affines[0]) };

static void fill_affine(const struct shape *shape, const struct affine *affine, uint64_t seed,
                        float *tensors[TENSORS])
{
    tensors_fill(shape, seed, tensors);
    for (int64_t c = 0; c < shape->dims[1]; c++) {
        tensors[GAMMA][c] *= affine->gamma;
        tensors[BETA][c] *= affine->beta;
    }
    for (int64_t i = 0; i < shape_elements(shape); i++)
        tensors[DY][i] *= affine->dy;
}

/* Checks with the outputs in `absent` passed as NULL. */
static int check_without(const struct shape *shape, const struct pattern *pattern,
                         const struct affine *affine, uint64_t seed, unsigned absent)
{
    /* The tighter bounds apply only if only x is extreme. */
    const bool tight = pattern->independent && affine == &affines[0] && shape->eps > 0;
    char label[120];
    const struct check check = {.shape = *shape,
                                .bound = tight ? ORACLE_INDEPENDENT : ORACLE_ALWAYS,
                                .absent = absent,
                                .label = label};
    float *tensors[TENSORS];

    snprintf(label, sizeof(label), "%s, %s", pattern->name, affine->name);
    tensors_create(shape, tensors);
    fill_affine(shape, affine, seed, tensors);
    pattern_fill(shape, pattern->value, seed, tensors[X]);
    const int wrong = check_all(&check, tensors);
    tensors_destroy(tensors);
    return wrong;
}

static int check_pattern(const struct shape *shape, const struct pattern *pattern,
                         const struct affine *affine, uint64_t seed)
{
    return check_without(shape, pattern, affine, seed, 0);
}

static const struct {
    int64_t n, c, s, groups;
} extents[] = {
    {1, 32, 1024, 8}, {2, 6, 33, 2},   {2, 4, 5, 1},  {3, 64, 1, 16},
    {1, 3, 4099, 3},  {1, 2, 9000, 1}, {2, 96, 7, 3}, {1, 1, 20011, 1},
};
enum { EXTENTS = sizeof(extents) / sizeof(extents[0]) };

static struct shape shape_at(int extent, int layout, double eps)
{
    return (struct shape){.rank = 3,
                          .dims = {extents[extent].n, extents[extent].c, extents[extent].s},
                          .groups = extents[extent].groups,
                          .layout = (gn_layout)layout,
                          .eps = eps};
}

/* Checks every pattern in every shape. gamma, beta and dy take turns. */
static int check_patterns(double eps, int turn)
{
    int wrong = 0;

    for (int p = 0; p < pattern_count; p++) {
        progress("pattern of x", p, pattern_count);
        if (eps == 0 && (patterns[p].constant || patterns[p].vanishing))
            continue;
        for (int e = 0; e < EXTENTS; e++) {
            for (int layout = 0; layout < 2; layout++) {
                const struct shape shape = shape_at(e, layout, eps);
                if (quick() && (e == 0 || e > 3 || (p + e + layout) % 3))
                    continue;
                wrong += check_pattern(&shape, &patterns[p], &affines[0], (uint64_t)p + 1);
                wrong += check_pattern(&shape, &patterns[p], &affines[turn++ % AFFINES],
                                       (uint64_t)p + 2);
            }
        }
    }
    return wrong;
}

static void test_default_epsilon(void **state)
{
    (void)state;
    assert_int_equal(check_patterns(DEFAULT_EPS, 0), 0);
}

static void test_no_epsilon(void **state)
{
    (void)state;
    assert_int_equal(check_patterns(0, 3), 0);
}

static void test_large_epsilon(void **state)
{
    (void)state;
    assert_int_equal(check_patterns(1e300, 5) + check_patterns(7.5, 7), 0);
}

/* The shape for which E[x^2] - E[x]^2 is known to give errors as large as the values. */
static void test_known_failure(void **state)
{
    struct shape shape = {4, {1, 32, 64, 64}, 8, GN_CHANNELS_FIRST, DEFAULTS};
    int wrong = 0;
    (void)state;

    for (; shape.layout <= GN_CHANNELS_LAST; shape.layout++) {
        wrong += check_pattern(&shape, pattern_named("mean 1e4, deviation 1e-2"), &affines[0], 1);
        wrong += check_pattern(&shape, pattern_named("mean 100, deviation 0.01"), &affines[0], 1);
    }
    assert_int_equal(wrong, 0);
}

/* Deviations so far below the mean that a double cannot hold both. */
static int check_large_group(const char *pattern, int layout, int64_t s)
{
    const struct shape shape = {
        .rank = 3, .dims = {1, 3, s}, .groups = 1, .layout = (gn_layout)layout};

    return check_pattern(&shape, pattern_named(pattern), &affines[0], 1);
}

static void test_large_groups(void **state)
{
    int wrong = 0;
    (void)state;

    for (int layout = 0; layout < 2; layout++) {
        for (int64_t s = 2001; s <= (quick() ? 2001 : 300000); s = s * 5 / 3) {
            wrong += check_large_group("one unit off", layout, s);
            wrong += check_large_group("one unit off 1e38", layout, s);
        }
    }
    assert_int_equal(wrong, 0);
}

/* The variance is so small that rstd is infinite. y must be as accurate as ever. */
static void test_infinite_rstd_forward(void **state)
{
    int wrong = 0;
    (void)state;

    for (int e = 1; e < EXTENTS; e++) {
        for (int layout = 0; layout < 2; layout++) {
            const struct shape shape = shape_at(e, layout, 0);
            for (int a = 0; a < AFFINES; a++)
                wrong += check_without(&shape, pattern_named(a % 2 ? "subnormal" : "one subnormal"),
                                       &affines[a], 4, 1u << DX | 1u << DGAMMA);
        }
    }
    assert_int_equal(wrong, 0);
}

/* The gradients that are finite must be as accurate as ever too. */
static void test_infinite_rstd_backward(void **state)
{
    int wrong = 0;
    (void)state;

    for (int layout = 0; layout < 2; layout++) {
        const struct shape shape = shape_at(1, layout, 0);
        wrong += check_pattern(&shape, pattern_named("subnormal"), &affines[1], 5);
        wrong += check_pattern(&shape, pattern_named("one subnormal"), &affines[0], 6);
    }
    assert_int_equal(wrong, 0);
}

/* Gradients that cancel, vanish or are mostly 0, with an x that is ordinary or very small. */
static void test_gradient_patterns(void **state)
{
    static const char *const xs[] = {"normal", "near 1e-30", "0", "two values"};
    static const float scales[] = {1, 1e-25f, 1e-38f};
    int wrong = 0;
    (void)state;

    for (int p = 0; p < pattern_count; p++) {
        progress("pattern of dy", p, pattern_count);
        for (int i = 0; i < 4 * 3 * 2; i++) {
            const int e = 1 + (p + i) % 3;
            const double eps = i % 4 == 2 || i % 3 ? 1e-5 : 1e-300;
            const struct shape shape = shape_at(e, i / 12, eps);
            char label[160];
            const struct check check = {.shape = shape, .bound = ORACLE_ALWAYS, .label = label};
            float *tensors[TENSORS];
            if (quick() && (p + i) % 7)
                continue;
            snprintf(label, sizeof(label), "x %s, dy %s by %g", xs[i % 4], patterns[p].name,
                     (double)scales[i / 4 % 3]);
            tensors_create(&shape, tensors);
            tensors_fill(&shape, 3, tensors);
            pattern_fill(&shape, pattern_named(xs[i % 4])->value, 7, tensors[X]);
            pattern_fill(&shape, patterns[p].value, 8, tensors[DY]);
            for (int64_t k = 0; k < shape_elements(&shape); k++)
                tensors[DY][k] *= scales[i / 4 % 3];
            wrong += check_all(&check, tensors);
            tensors_destroy(tensors);
        }
    }
    assert_int_equal(wrong, 0);
}

/* All values are very small and eps is 0: in float all products underflow, but no result does. */
static void test_tiny(void **state)
{
    static const struct affine tiny = {"gamma and dy 1e-20", 1e-20f, 0, 1e-20f};
    int wrong = 0;
    (void)state;

    for (int e = 1; e < EXTENTS; e++) {
        for (int layout = 0; layout < 2; layout++) {
            const struct shape shape = shape_at(e, layout, 0);
            wrong += check_pattern(&shape, pattern_named("near 1e-20"), &tiny, 9);
            wrong += check_pattern(&shape, pattern_named("near 1e-20"), &affines[1], 10);
            wrong += check_pattern(&shape, pattern_named("near 1e-30"), &affines[1], 11);
        }
    }
    assert_int_equal(wrong, 0);
}

/* If all values are equal, y is exactly beta, for every length and every size of the value. */
static void test_constants(void **state)
{
    static const float constants[] = {0, 0.1f, -3, 1e38f, FLT_MAX, 0x1p-149f, 1e-20f, 16777215};
    int wrong = 0;
    (void)state;

    for (int64_t s = 1; s <= 2051; s += s < 70 ? 1 : 283) {
        progress("length", s, 2051);
        for (int layout = 0; layout < 2; layout++) {
            const struct shape shape = {3, {1, 6, s}, 2, (gn_layout)layout, DEFAULTS};
            const struct check check = {
                .shape = shape, .bound = ORACLE_ALWAYS, .label = "constant"};
            float *tensors[TENSORS];

            if (quick() && s % 7 != 1)
                continue;
            tensors_create(&shape, tensors);
            tensors_fill(&shape, (uint64_t)s, tensors);
            for (size_t i = 0; i < sizeof(constants) / sizeof(constants[0]); i++) {
                for (int64_t k = 0; k < shape_elements(&shape); k++)
                    tensors[X][k] = constants[i];
                wrong += check_against_oracle(&check, tensors);
                for (int64_t k = 0; k < shape_elements(&shape); k++) {
                    const int64_t c = layout ? k % 6 : k / s;
                    wrong += tensors[Y][k] != tensors[BETA][c];
                }
                wrong += check_variants(&check, tensors);
            }
            tensors_destroy(tensors);
        }
    }
    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_default_epsilon),
        cmocka_unit_test(test_no_epsilon),
        cmocka_unit_test(test_large_epsilon),
        cmocka_unit_test(test_known_failure),
        cmocka_unit_test(test_large_groups),
        cmocka_unit_test(test_infinite_rstd_forward),
        cmocka_unit_test(test_infinite_rstd_backward),
        cmocka_unit_test(test_gradient_patterns),
        cmocka_unit_test(test_tiny),
        cmocka_unit_test(test_constants),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
