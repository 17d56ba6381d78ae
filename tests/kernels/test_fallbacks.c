/* SPDX-License-Identifier: MIT */
/*
 * Counts how often kernels recompute sums in f64. A needless recomputation gives right results at
 * several times the cost, so only a count reveals it. This program compiles the kernels with a
 * counter, for one instruction set. The others must decide alike, because their results have the
 * same bits.
 */
#include "patterns.h"

#include <stdlib.h>

static int64_t fallbacks;
#define FELL_BACK() (fallbacks++)

#define VEC_BYTES 16
#include "kernels/simd/vec.h"
#define KERNELS counted_kernels
#define ISA GN_ISA_GENERIC
#define ISA_NAME "counted"
#include "kernels/table.h"

enum { DEPTH = 4, GROUPS = 512 };

/* The tensors of one sample with GROUPS groups, and the other arrays of a kernel call. */
struct counted {
    int64_t length, elements;
    float *x, *dy, mean[GROUPS * DEPTH + 2 * GN_PADDING];
    double sums[2][GROUPS * DEPTH + 2 * GN_PADDING], moments[3][GROUPS + 2 * GN_PADDING];
    double *work;
};

static void counted_create(struct counted *c, int64_t length, const char *pattern)
{
    const struct shape shape = {
        3, {1, GROUPS * DEPTH, length}, GROUPS, GN_CHANNELS_FIRST, DEFAULTS};

    c->length = length;
    c->elements = shape_elements(&shape);
    c->x = malloc((size_t)c->elements * sizeof(float));
    c->dy = malloc((size_t)c->elements * sizeof(float));
    c->work = malloc((size_t)gn_columns_scratch_bytes(GROUPS * DEPTH, false));
    assert_non_null(c->x);
    assert_non_null(c->dy);
    assert_non_null(c->work);
    memset(c->mean, 0, sizeof(c->mean));
    pattern_fill(&shape, pattern_named(pattern)->value, 1, c->x);
    pattern_fill(&shape, pattern_named("normal")->value, 2, c->dy);
}

static void counted_destroy(struct counted *c)
{
    free(c->x);
    free(c->dy);
    free(c->work);
}

/*
 * Returns the number of recomputations in one call of moments or gradient_sums. `last` selects
 * channels last.
 */
static int64_t count(struct counted *c, bool backward, bool last)
{
    const struct gn_moments moments = {c->moments[0], c->moments[1], c->moments[2]};
    const int64_t stride = last ? GROUPS * DEPTH : c->length;
    const struct gn_tile tile = {.axis = last ? GN_AXIS_COLUMNS : GN_AXIS_ROWS,
                                 .channels = GROUPS * DEPTH,
                                 .length = c->length,
                                 .depth = DEPTH,
                                 .x = {.data = c->x, .type = GN_F32, .stride = stride},
                                 .dy = {.data = c->dy, .type = GN_F32, .stride = stride}};
    const struct gn_coefficients with = {.group_mean = c->mean};
    const struct gn_sums sums = {c->sums[0], c->sums[1], NULL};

    fallbacks = 0;
    if (backward)
        counted_kernels.gradient_sums(&tile, &with, sums, c->work);
    else
        counted_kernels.moments(&tile, 0, moments, c->work);
    return fallbacks;
}

static const int64_t lengths[] = {16, 25, 49, 100, 200, 600, 2048, 3000};
enum { LENGTHS = sizeof(lengths) / sizeof(lengths[0]) };

/*
 * Ordinary values need no f64. Backward sums use a given mean, so kernels do not check them for
 * cancellation, and one pattern suffices.
 */
static void test_ordinary(void **state)
{
    static const char *const ordinary[] = {"normal", "mean 100, deviation 0.01", "near 1e-13"};
    (void)state;

    for (int i = 0; i < LENGTHS * 3; i++) {
        struct counted c;

        counted_create(&c, lengths[i / 3], ordinary[i % 3]);
        assert_int_equal(count(&c, false, false), 0);
        assert_int_equal(count(&c, false, true), 0);
        if (i % 3 == 0) {
            assert_int_equal(count(&c, true, false), 0);
            assert_int_equal(count(&c, true, true), 0);
        }
        counted_destroy(&c);
    }
}

/* Kernels recompute sums that overflow or underflow in float. This also tests the counter. */
static void test_extreme(void **state)
{
    struct counted c;
    (void)state;

    counted_create(&c, 49, "near 1e30");
    assert_int_equal(count(&c, false, false), GROUPS);
    assert_int_equal(count(&c, false, true), 1); /* one for all channels */
    counted_destroy(&c);
    /* The squares of these values are below the normal numbers. */
    counted_create(&c, 49, "near 1e-20");
    assert_int_equal(count(&c, false, false), GROUPS);
    assert_int_equal(count(&c, false, true), 1);
    counted_destroy(&c);
    counted_create(&c, 49, "near 1e-30");
    for (int64_t i = 0; i < c.elements; i++)
        c.dy[i] *= 1e-10f;
    assert_int_equal(count(&c, true, false), GROUPS * DEPTH);
    assert_int_equal(count(&c, true, true), 1);
    counted_destroy(&c);
}

/*
 * gradient_sums sets needs_f64 of each channel, whatever the array contained. Only the second of
 * three channels has a dy for which g = dy * act'(z) overflows.
 */
static void test_flags(void **state)
{
    static float mean[3 + 2 * GN_PADDING], scale[3 + 2 * GN_PADDING], shift[3 + 2 * GN_PADDING];
    static float saved_g[3 * 3000];
    double needs_f64[3 + 2 * GN_PADDING];
    (void)state;

    for (int i = 0; i < LENGTHS * 2; i++) {
        struct counted c;
        const int64_t n = lengths[i / 2];
        const bool last = i % 2;

        counted_create(&c, n, "normal");
        for (int64_t k = 0; k < 3 * n; k++)
            if ((last ? k % 3 : k / n) == 1)
                c.dy[k] = 3.3e38f;
        for (int64_t k = 0; k < 3; k++) {
            scale[k] = 0.1f;
            shift[k] = 2.4f;
            needs_f64[k] = -1;
        }
        const int64_t stride = last ? 3 : n;
        const struct gn_tile tile = {.axis = last ? GN_AXIS_COLUMNS : GN_AXIS_ROWS,
                                     .channels = 3,
                                     .length = n,
                                     .depth = 3,
                                     .x = {.data = c.x, .type = GN_F32, .stride = stride},
                                     .dy = {.data = c.dy, .type = GN_F32, .stride = stride},
                                     .saved_g = {.data = last ? saved_g : NULL, .stride = 3},
                                     .activation = GN_ACTIVATION_SILU};
        bool use_f32 = true;
        const struct gn_coefficients with = {
            .mean = mean, .scale = scale, .shift = shift, .use_f32 = &use_f32};
        const struct gn_sums sums = {c.sums[0], c.sums[1], needs_f64};

        counted_kernels.gradient_sums(&tile, &with, sums, c.work);
        assert_true(needs_f64[0] == 0 && needs_f64[1] == 1 && needs_f64[2] == 0);
        counted_destroy(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_ordinary),
                                       cmocka_unit_test(test_extreme),
                                       cmocka_unit_test(test_flags)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
