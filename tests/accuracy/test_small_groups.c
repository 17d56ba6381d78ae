/* SPDX-License-Identifier: MIT */
/*
 * Tensors of rank 2, whose channels have one element. The test covers every small depth of a group,
 * numbers of groups and samples that are not multiples of a vector's lanes, and samples whose
 * groups are ill-conditioned in different ways, so that neighbouring groups need different
 * computations.
 */
#include "check.h"
#include "patterns.h"

#include <math.h>
#include <string.h>

/* From depth 32 on, coefficients are not spread over channels: each is one number per group. */
static const int64_t depths[] = {1, 2, 3, 4, 5, 7, 8, 16, 31, 32, 33};
static const int64_t samples[] = {1, 3, 11, 70};
static const int64_t groups[] = {1, 5, 16, 19, 35};
enum { DEPTHS = 11, SAMPLES = 4, GROUPS = 5 };

/* Shape number i goes through every combination. The eps takes turns. */
static struct shape shape_number(int i)
{
    const int64_t d = depths[i % DEPTHS], n = samples[i / DEPTHS % SAMPLES],
                  g = groups[i / DEPTHS / SAMPLES];

    return (struct shape){.rank = 2,
                          .dims = {n, g * d},
                          .groups = g,
                          .layout = (gn_layout)(i % 2),
                          .eps = i % 5 == 3 ? 1e-30 : DEFAULT_EPS,
                          .affine = i % 7 == 6 ? GN_AFFINE_SAMPLE : GN_AFFINE_CHANNEL};
}
enum { SHAPES = DEPTHS * SAMPLES * GROUPS };

/* Skips most combinations in a quick run, but not all of any depth. */
static bool skipped(int i)
{
    return quick() && i % 13;
}

/* Fills each group with another pattern. The patterns take turns, beginning with number `turn`. */
static void fill_mixed(const struct shape *shape, int turn, float scale, float *x)
{
    const int64_t d = shape->dims[1] / shape->groups;
    uint64_t random = (uint64_t)turn + 1;

    for (int64_t group = 0; group < shape->dims[0] * shape->groups; group++) {
        pattern_value *value = patterns[(group + turn) % pattern_count].value;
        for (int64_t k = 0; k < d; k++)
            x[group * d + k] = scale * value(k, d, 1, &random);
    }
}

static void test_ordinary(void **state)
{
    int wrong = 0;
    (void)state;

    for (int i = 0; i < SHAPES; i++) {
        struct check check = {
            .shape = shape_number(i), .bound = ORACLE_INDEPENDENT, .label = "ordinary"};
        float *tensors[TENSORS];

        if (skipped(i))
            continue;
        tensors_create(&check.shape, tensors);
        tensors_fill(&check.shape, (uint64_t)i, tensors);
        wrong += check_all(&check, tensors);
        check.absent = 1u << GAMMA | 1u << BETA;
        wrong += check_against_oracle(&check, tensors);
        tensors_destroy(tensors);
    }
    assert_int_equal(wrong, 0);
}

/* Checks 48,000 groups per depth: if the errors can exceed the tighter bounds, some group shows it.
 */
static void test_many(void **state)
{
    int wrong = 0;
    (void)state;

    for (int64_t d = 2; d <= (quick() ? 2 : 16); d *= 2) {
        const struct check check = {.shape = {2, {1500, 32 * d}, 32, GN_CHANNELS_FIRST, DEFAULTS},
                                    .bound = ORACLE_INDEPENDENT,
                                    .label = "many"};
        float *tensors[TENSORS];

        tensors_create(&check.shape, tensors);
        tensors_fill(&check.shape, (uint64_t)d, tensors);
        wrong += check_all(&check, tensors);
        tensors_destroy(tensors);
    }
    assert_int_equal(wrong, 0);
}

/* x, dy or both are mixed. gamma and beta are sometimes beyond the range of the fast kernels. */
static void test_mixed(void **state)
{
    static const float scales[] = {1, 1e-4f, 1e-24f, 1e-38f};
    int wrong = 0;
    (void)state;

    for (int i = 0; i < 2 * SHAPES; i++) {
        const struct shape shape = shape_number(i / 2);
        const struct check check = {.shape = shape, .bound = ORACLE_ALWAYS, .label = "mixed"};
        float *tensors[TENSORS];

        if (skipped(i / 2))
            continue;
        tensors_create(&shape, tensors);
        tensors_fill(&shape, (uint64_t)i, tensors);
        if (i % 3 != 1)
            fill_mixed(&shape, i, 1, tensors[X]);
        if (i % 3 != 2)
            fill_mixed(&shape, i + 7, scales[i / 3 % 4], tensors[DY]);
        tensors[GAMMA][i % shape.dims[1]] = i % 7 == 1 ? 1e-30f : i % 7 == 2 ? 1e25f : 0;
        tensors[BETA][i % shape.dims[1]] = i % 7 == 3 ? 1e35f : 0;
        wrong += check_all(&check, tensors);
        tensors_destroy(tensors);
    }
    assert_int_equal(wrong, 0);
}

/* Some channels have dy near the smallest float, and others do not. */
static void test_small_gradients(void **state)
{
    int wrong = 0;
    (void)state;

    for (int i = 0; i < DEPTHS * 4; i++) {
        const struct shape shape = {
            2, {quick() ? 40 : 1000, 2 * depths[i / 4]}, 2, GN_CHANNELS_FIRST, DEFAULTS};
        const struct check check = {
            .shape = shape, .bound = ORACLE_ALWAYS, .label = "small gradients"};
        float *tensors[TENSORS];

        tensors_create(&shape, tensors);
        tensors_fill(&shape, (uint64_t)i, tensors);
        for (int64_t k = i % 2; k < shape_elements(&shape); k += 2)
            tensors[DY][k] = (float)(1 + (k + i) % 999) * (i % 4 < 2 ? 0x1p-149f : 0x1p-130f);
        wrong += check_all(&check, tensors);
        tensors_destroy(tensors);
    }
    assert_int_equal(wrong, 0);
}

/* dx of a dy that is a few times the smallest float, with a large rstd. */
static void test_smallest_gradients(void **state)
{
    int wrong = 0;
    (void)state;

    for (int i = 0; i < (quick() ? 20 : 1000); i++) {
        const struct shape shape = {
            .rank = 2, .dims = {7, 3 * depths[i % DEPTHS]}, .groups = 3, .eps = 1e-12};
        const struct check check = {
            .shape = shape, .bound = ORACLE_ALWAYS, .label = "smallest gradients"};
        uint64_t random = (uint64_t)i;
        float *tensors[TENSORS];

        tensors_create(&shape, tensors);
        tensors_fill(&shape, (uint64_t)i, tensors);
        for (int64_t k = 0; k < shape_elements(&shape); k++) {
            tensors[X][k] *= 1e-4f;
            tensors[DY][k] = (float)random_range(&random, -1, 1) * 0x1p-149f;
        }
        for (int64_t c = 0; c < shape.dims[1]; c++)
            tensors[GAMMA][c] = 1;
        wrong += check_against_oracle(&check, tensors);
        tensors_destroy(tensors);
    }
    assert_int_equal(wrong, 0);
}

/* A group that is not finite does not change those in the other lanes of its vector. */
static void test_nonfinite_neighbour(void **state)
{
    int wrong = 0;
    (void)state;

    for (int i = 0; i < SHAPES; i++) {
        const struct shape shape = shape_number(i);
        const struct check check = {.shape = shape, .label = "not finite"};
        const int64_t d = shape.dims[1] / shape.groups, all = shape.dims[0] * shape.groups;
        const int64_t bad = i % all;
        float *tensors[TENSORS], *alone[TENSORS];
        int64_t where;

        if (skipped(i))
            continue;
        tensors_create(&shape, tensors);
        tensors_create(&shape, alone);
        tensors_fill(&shape, (uint64_t)i, tensors);
        tensors_fill(&shape, (uint64_t)i, alone);
        tensors[i % 2 ? X : DY][bad * d + i % d] = i % 3 ? NAN : INFINITY;
        gn_plan *plan = make_plan(&shape, GN_ISA_AUTO, 1);
        assert_int_equal(call_forward(plan, tensors), GN_OK);
        assert_int_equal(call_forward(plan, alone), GN_OK);
        assert_int_equal(call_backward(plan, tensors), GN_OK);
        assert_int_equal(call_backward(plan, alone), GN_OK);
        gn_plan_destroy(plan);
        for (int64_t group = 0; group < all; group++) {
            if (group == bad)
                continue;
            wrong += !same_bits(tensors[Y] + group * d, alone[Y] + group * d, d, &where);
            wrong += !same_bits(tensors[DX] + group * d, alone[DX] + group * d, d, &where);
            wrong += !same_bits(tensors[RSTD] + group, alone[RSTD] + group, 1, &where);
        }
        wrong += check_variants(&check, tensors);
        tensors_destroy(tensors);
        tensors_destroy(alone);
    }
    assert_int_equal(wrong, 0);
}

/* An output in the place of an input, also if other kernels compute some of the groups. */
static void test_in_place(void **state)
{
    int wrong = 0;
    (void)state;

    for (int i = 0; i < SHAPES; i++) {
        const struct shape shape = shape_number(i);
        const size_t bytes = (size_t)shape_elements(&shape) * sizeof(float);
        float *separate[TENSORS], *place[TENSORS];
        int64_t where;

        if (skipped(i))
            continue;
        tensors_create(&shape, separate);
        tensors_create(&shape, place);
        tensors_fill(&shape, (uint64_t)i, separate);
        fill_mixed(&shape, i, 1, separate[X]);
        for (int t = 0; t < FIRST_OUTPUT; t++)
            memcpy(place[t], separate[t],
                   (size_t)tensor_count(&shape, (enum tensor)t) * sizeof(float));

        gn_plan *plan = make_plan(&shape, GN_ISA_AUTO, 1);
        assert_int_equal(call_forward(plan, separate), GN_OK);
        assert_int_equal(call_backward(plan, separate), GN_OK);
        float *picked[TENSORS];
        memcpy(picked, place, sizeof(picked));
        picked[Y] = place[X];
        assert_int_equal(call_forward(plan, picked), GN_OK);
        wrong += !same_bits(separate[Y], place[X], shape_elements(&shape), &where);
        memcpy(place[X], separate[X], bytes);
        picked[DX] = i % 2 ? place[X] : place[DY];
        assert_int_equal(call_backward(plan, picked), GN_OK);
        wrong += !same_bits(separate[DX], picked[DX], shape_elements(&shape), &where);
        wrong += !same_bits(separate[DGAMMA], place[DGAMMA], shape.dims[1], &where);
        gn_plan_destroy(plan);
        tensors_destroy(separate);
        tensors_destroy(place);
    }
    assert_int_equal(wrong, 0);
}

/*
 * One group has a small deviation and a gamma so large that scale = gamma * rstd overflows in
 * float, though y and dx do not. It is each group in turn, since each lane has one.
 */
static void test_large_scale(void **state)
{
    enum { GROUPS_OF_CASE = 35 };
    int wrong = 0;
    (void)state;

    for (int i = 0; i < DEPTHS * GROUPS_OF_CASE; i++) {
        const int64_t d = depths[i / GROUPS_OF_CASE], at = i % GROUPS_OF_CASE;
        const struct check check = {
            .shape = {2, {3, GROUPS_OF_CASE * d}, GROUPS_OF_CASE, 0, 1e-30, GN_AFFINE_CHANNEL},
            .bound = ORACLE_ALWAYS,
            .label = "large scale"};
        float *tensors[TENSORS];

        tensors_create(&check.shape, tensors);
        tensors_fill(&check.shape, (uint64_t)i, tensors);
        for (int64_t k = 0; k < d; k++) {
            tensors[GAMMA][at * d + k] *= 1e30f;
            for (int64_t n = 0; n < 3; n++) {
                tensors[X][(n * GROUPS_OF_CASE + at) * d + k] *= 1e-10f;
                tensors[DY][(n * GROUPS_OF_CASE + at) * d + k] *= 1e-22f;
            }
        }
        wrong += check_against_oracle(&check, tensors);
        tensors_destroy(tensors);
    }
    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ordinary),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_mixed),
        cmocka_unit_test(test_small_gradients),
        cmocka_unit_test(test_smallest_gradients),
        cmocka_unit_test(test_nonfinite_neighbour),
        cmocka_unit_test(test_in_place),
        cmocka_unit_test(test_large_scale),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
