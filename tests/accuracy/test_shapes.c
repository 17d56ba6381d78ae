/* SPDX-License-Identifier: MIT */
/* Random data against the oracle: many shapes, both layouts, every instruction set, several numbers
 * of threads, guarded and unaligned memory, and absent arguments. */
#include "check.h"
#include "progress.h"

#include <string.h>

static int check_layouts(int rank, const int64_t *dims, int64_t groups, const char *label)
{
    int wrong = 0;

    for (int layout = GN_CHANNELS_FIRST; layout <= GN_CHANNELS_LAST; layout++) {
        struct check check = {
            .shape = {.rank = rank, .groups = groups, .layout = (gn_layout)layout, .eps = DEFAULTS},
            .bound = ORACLE_INDEPENDENT,
            .label = label};
        float *tensors[TENSORS];

        memcpy(check.shape.dims, dims, (size_t)rank * sizeof(dims[0]));
        tensors_create(&check.shape, tensors);
        tensors_fill(&check.shape, (uint64_t)(shape_elements(&check.shape) + groups), tensors);
        wrong += check_all(&check, tensors);
        tensors_destroy(tensors);
    }
    return wrong;
}

static int check_ncs(int64_t n, int64_t c, int64_t s, int64_t groups, const char *label)
{
    return check_layouts(3, (const int64_t[]){n, c, s}, groups, label);
}

static void test_ranks(void **state)
{
    static const struct {
        int rank;
        int64_t dims[8];
        int64_t groups;
    } cases[] = {
        {2, {5, 64}, 16},
        {2, {33, 12}, 3},
        {3, {2, 6, 11}, 2},
        {4, {2, 48, 63, 65}, 6},
        {4, {3, 8, 5, 7}, 4},
        {5, {1, 10, 3, 5, 7}, 5},
        {6, {2, 4, 2, 3, 1, 5}, 2},
        {7, {1, 6, 2, 1, 3, 2, 3}, 3},
        {8, {2, 3, 2, 1, 3, 1, 2, 5}, 1},
    };
    int wrong = 0;
    (void)state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (!quick() || i != 3)
            wrong += check_layouts(cases[i].rank, cases[i].dims, cases[i].groups, "ranks");
    }
    assert_int_equal(wrong, 0);
}

/* Every remainder modulo a vector, a set of lanes and a chunk, as the spatial extent and as D. */
static void test_tails(void **state)
{
    const int64_t step = quick() ? 9 : 1;
    int wrong = 0;
    (void)state;

    for (int64_t tail = 1; tail <= 70; tail += step) {
        progress("tail", tail, 70);
        wrong += check_ncs(1, 6, tail, 3, "tails of S");
        wrong += check_ncs(2, 2, tail, 2, "tails of S, D = 1");
        wrong += check_ncs(3, tail, 1, 1, "tails of D, S = 1");
        wrong += check_ncs(1, 2 * tail, 5, 2, "tails of D");
    }
    assert_int_equal(wrong, 0);
}

/* Spatial extents just below and above round numbers, where blocks, chunks and threads meet. */
static void test_boundaries(void **state)
{
    static const int64_t extents[] = {128,   256,   512,   1024,  2047,  2048,  2049,
                                      4095,  4096,  4097,  8191,  8192,  8193,  16384,
                                      16387, 32767, 32768, 32769, 65535, 65537, 131072};
    const size_t count = quick() ? 7 : sizeof(extents) / sizeof(extents[0]);
    int wrong = 0;
    (void)state;

    for (size_t i = 0; i < count; i++) {
        progress("extent", extents[i], extents[count - 1]);
        wrong += check_ncs(1, 1, extents[i], 1, "C = 1");
        wrong += check_ncs(1, 3, extents[i], 1, "G = 1");
        wrong += check_ncs(2, 2, extents[i] - 1, 2, "D = 1");
    }
    assert_int_equal(wrong, 0);
}

static void test_channels(void **state)
{
    int wrong = 0;
    (void)state;

    wrong += check_ncs(2, 64, 9, 64, "instance norm");
    wrong += check_ncs(2, 96, 49, 1, "layer norm");
    wrong += check_ncs(1, 4099, 3, 1, "D large");
    wrong += check_ncs(2, 2048, 2, 2, "D large");
    wrong += check_ncs(1, 320, 33, 32, "D = 10");
    if (!quick()) {
        wrong += check_ncs(1, 20011, 1, 1, "one group of many channels");
        wrong += check_ncs(2, 20000, 67, 2, "two groups of many channels");
        wrong += check_ncs(1, 30000, 5, 10000, "many groups of many channels");
        wrong += check_ncs(2, 8193, 3, 8193, "many groups of one channel");
    }
    wrong += check_ncs(3, 33, 17, 11, "D = 3");
    wrong += check_ncs(quick() ? 16 : 257, 128, 1, 32, "groups of 4");
    wrong += check_ncs(17, 128, 2, 128, "groups of 2");
    wrong += check_ncs(5, 70, 3, 7, "D = 10");
    assert_int_equal(wrong, 0);
}

static void test_large(void **state)
{
    int wrong = 0;
    (void)state;

    if (quick())
        skip();
    wrong += check_ncs(1, 1, (1 << 22) + 5, 1, "one group beyond 2^22");
    wrong += check_ncs(1, 8, (1 << 19) + 3, 1, "one group beyond 2^22, D = 8");
    wrong += check_ncs(2, 5, 100003, 5, "long odd rows");
    assert_int_equal(wrong, 0);
}

/* The shapes of known networks. The large ones have fewer samples and smaller images. */
static void test_networks(void **state)
{
    static const struct {
        int rank;
        int64_t dims[5];
        int64_t groups;
    } cases[] = {
        {4, {2, 1280, 8, 8}, 32},    {4, {3, 2048, 7, 7}, 32},    {4, {16, 256, 7, 7}, 32},
        {4, {2, 320, 32, 32}, 32},   {4, {1, 640, 32, 32}, 32},   {4, {1, 512, 64, 64}, 32},
        {4, {1, 128, 100, 130}, 32}, {4, {2, 64, 112, 112}, 32},  {4, {2, 256, 56, 56}, 32},
        {5, {1, 64, 4, 56, 56}, 32}, {5, {1, 32, 40, 41, 42}, 8}, {3, {1, 1, 1048576}, 1},
        {4, {64, 128, 4, 4}, 32},    {2, {512, 128}, 32},         {4, {2, 96, 56, 56}, 1},
        {4, {2, 96, 56, 56}, 96},
    };
    int wrong = 0;
    (void)state;

    if (quick())
        skip();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        progress("network", (int64_t)i, sizeof(cases) / sizeof(cases[0]));
        wrong += check_layouts(cases[i].rank, cases[i].dims, cases[i].groups, "networks");
    }
    assert_int_equal(wrong, 0);
}

/* Omits each optional argument in turn, then several and all of them. */
static void test_optional(void **state)
{
    static const struct shape shapes[] = {
        {3, {3, 6, 35}, 2, GN_CHANNELS_FIRST, DEFAULTS},
        {3, {2, 64, 9}, 32, GN_CHANNELS_LAST, DEFAULTS},
        {2, {9, 64}, 16, GN_CHANNELS_FIRST, DEFAULTS},
        {3, {1, 5, 4099}, 1, GN_CHANNELS_LAST, DEFAULTS},
        {3, {1, 2, 9000}, 2, GN_CHANNELS_FIRST, DEFAULTS},
        {3, {2, 3, 8200}, 1, GN_CHANNELS_FIRST, DEFAULTS},
    };
    enum {
        AFFINE = 1 << GAMMA | 1 << BETA,
        STATS = 1 << MEAN | 1 << RSTD,
        GRADIENTS = 1 << DX | 1 << DGAMMA | 1 << DBETA
    };
    static const unsigned subsets[] = {1u << GAMMA,
                                       1u << BETA,
                                       1u << MEAN,
                                       1u << RSTD,
                                       1u << DX,
                                       1u << DGAMMA,
                                       1u << DBETA,
                                       AFFINE,
                                       STATS,
                                       GRADIENTS,
                                       1u << DX | 1u << DGAMMA,
                                       1u << DX | 1u << DBETA,
                                       1u << DGAMMA | 1u << DBETA,
                                       1u << GAMMA | 1u << DX,
                                       AFFINE | 1u << DGAMMA | 1u << DBETA,
                                       AFFINE | STATS | GRADIENTS};
    int wrong = 0;
    (void)state;

    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        struct check check = {.shape = shapes[i], .bound = ORACLE_INDEPENDENT, .label = "optional"};
        float *tensors[TENSORS];

        tensors_create(&shapes[i], tensors);
        tensors_fill(&shapes[i], i + 77, tensors);
        for (size_t k = 0; k < sizeof(subsets) / sizeof(subsets[0]); k++) {
            if (quick() && (i + k) % 4)
                continue;
            /* Computes all outputs first, so that the absent ones are known, then computes without
             * those. */
            check.absent = subsets[k] & AFFINE;
            wrong += check_against_oracle(&check, tensors);
            check.absent = subsets[k];
            wrong += check_variants(&check, tensors);
        }
        tensors_destroy(tensors);
    }
    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ranks),      cmocka_unit_test(test_tails),
        cmocka_unit_test(test_boundaries), cmocka_unit_test(test_channels),
        cmocka_unit_test(test_large),      cmocka_unit_test(test_networks),
        cmocka_unit_test(test_optional),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
