/* SPDX-License-Identifier: MIT */
/* Strides: which are refused, with which error message, and which tensors in one buffer may be used
 * together. test_fuzz.c checks the results of views. */
#include "expect.h"

#include <stdlib.h>
#include <string.h>

static gn_desc *make(int rank, const int64_t *dims, int64_t groups, gn_layout layout)
{
    gn_desc *desc;

    assert_int_equal(gn_desc_create(&desc, rank, dims), GN_OK);
    assert_int_equal(gn_desc_set_groups(desc, groups), GN_OK);
    assert_int_equal(gn_desc_set_layout(desc, layout), GN_OK);
    return desc;
}

static gn_plan *plan_of(gn_desc *desc)
{
    gn_plan *plan;

    assert_int_equal(gn_plan_create(&plan, desc), GN_OK);
    gn_desc_destroy(desc);
    return plan;
}

static gn_status set4(gn_desc *desc, gn_tensor which, int64_t n, int64_t c, int64_t h, int64_t w)
{
    const int64_t strides[4] = {n, c, h, w};
    return gn_desc_set_strides(desc, which, strides);
}

static const gn_tensor outputs[] = {GN_TENSOR_Y, GN_TENSOR_DX, GN_TENSOR_SUM},
                       inputs[] = {GN_TENSOR_X, GN_TENSOR_DY, GN_TENSOR_SKIP};

static void test_refused(void **state)
{
    const int64_t dims[4] = {2, 6, 4, 5}, huge = INT64_MAX / 2;
    gn_desc *desc = make(4, dims, 3, GN_CHANNELS_FIRST);
    (void)state;

    expect_failure(gn_desc_set_strides(NULL, GN_TENSOR_X, dims), GN_INVALID_ARGUMENT,
                   "desc is NULL");
    expect_failure(set4(desc, GN_TENSOR_X, 120, 20, -5, 1), GN_INVALID_ARGUMENT, "of x",
                   "strides[2] = -5", "negative");
    expect_failure(set4(desc, GN_TENSOR_DY, huge, 20, 5, 1), GN_INVALID_ARGUMENT, "of dy",
                   "strides[0]", "overflow");
    expect_failure(set4(desc, GN_TENSOR_DY, 120, huge, 5, 1), GN_INVALID_ARGUMENT, "strides[1]",
                   "overflow");
    expect_failure(set4(desc, GN_TENSOR_DY, INT64_C(1) << 56, 20, 5, 1), GN_INVALID_ARGUMENT,
                   "strides[0]", "overflow");
    for (int i = 0; i < 3; i++) {
        /* A broadcast; a stride that another dim also has; rows that overlap the next row. */
        expect_failure(set4(desc, outputs[i], 120, 0, 5, 1), GN_INVALID_ARGUMENT, "overlap",
                       "(120, 0, 5, 1)", "(2, 6, 4, 5)");
        expect_failure(set4(desc, outputs[i], 120, 20, 1, 1), GN_INVALID_ARGUMENT, "overlap");
        expect_failure(set4(desc, outputs[i], 120, 20, 4, 1), GN_INVALID_ARGUMENT, "overlap");
        expect_failure(set4(desc, outputs[i], 119, 20, 5, 1), GN_INVALID_ARGUMENT, "overlap");
        /* No two elements share memory: nested strides in any order, and others. */
        assert_int_equal(set4(desc, outputs[i], 1, 2, 60, 12), GN_OK);
        assert_int_equal(set4(desc, outputs[i], 500, 40, 7, 1), GN_OK);
        assert_int_equal(set4(desc, inputs[i], 0, 0, 0, 0), GN_OK);
        assert_int_equal(set4(desc, inputs[i], 0, 20, 1, 1), GN_OK);
    }
    gn_desc_destroy(desc);

    /* The elements 0, 2, 3, 5: strides that interleave. */
    const int64_t two[3] = {1, 2, 2}, interleaved[3] = {9, 2, 3}, meeting[3] = {9, 2, 2};
    desc = make(3, two, 1, GN_CHANNELS_FIRST);
    assert_int_equal(gn_desc_set_strides(desc, GN_TENSOR_Y, interleaved), GN_OK);
    expect_failure(gn_desc_set_strides(desc, GN_TENSOR_Y, meeting), GN_INVALID_ARGUMENT, "y",
                   "overlap");
    gn_desc_destroy(desc);
}

/* A refused setter keeps the previous strides, and NULL restores dense ones. */
static void test_kept(void **state)
{
    const int64_t dims[4] = {1, 2, 2, 2};
    float x[8] = {0, 1, 2, 3, 4, 5, 6, 7}, y[40], dense[8];
    gn_desc *desc = make(4, dims, 1, GN_CHANNELS_FIRST);
    gn_plan *plan;
    (void)state;

    assert_int_equal(set4(desc, GN_TENSOR_Y, 0, 20, 10, 3), GN_OK);
    expect_failure(set4(desc, GN_TENSOR_Y, 0, 20, 0, 3), GN_INVALID_ARGUMENT, "y");
    assert_int_equal(gn_plan_create(&plan, desc), GN_OK);
    assert_int_equal(gn_forward(plan, x, NULL, NULL, y, NULL, NULL), GN_OK);
    gn_plan_destroy(plan);

    assert_int_equal(gn_desc_set_strides(desc, GN_TENSOR_Y, NULL), GN_OK);
    plan = plan_of(desc);
    assert_int_equal(gn_forward(plan, x, NULL, NULL, dense, NULL, NULL), GN_OK);
    gn_plan_destroy(plan);
    for (int i = 0; i < 8; i++)
        assert_memory_equal(&y[i / 4 * 20 + i / 2 % 2 * 10 + i % 2 * 3], &dense[i], sizeof(*y));
}

/* The stride of a dim of size 1 is arbitrary. */
static void test_ignored(void **state)
{
    enum { N = 2048, C = 384 };
    const int64_t dims[4] = {N, C, 1, 1}, one[4] = {1, C, 2, 1};
    const int64_t strides[4] = {C, 1, 786432, 1}, odd[4] = {INT64_MAX, 2, 1, INT64_MIN};
    static float x[N * C], y[2][N * C];
    uint64_t random = 3;
    (void)state;

    for (int i = 0; i < N * C; i++)
        x[i] = random_normal(&random);
    for (int i = 0; i < 2; i++) {
        gn_desc *desc = make(4, dims, 32, GN_CHANNELS_FIRST);
        if (i)
            assert_int_equal(gn_desc_set_strides(desc, GN_TENSOR_X, strides), GN_OK);
        gn_plan *plan = plan_of(desc);
        assert_int_equal(gn_forward(plan, x, NULL, NULL, y[i], NULL, NULL), GN_OK);
        gn_plan_destroy(plan);
    }
    assert_memory_equal(y[0], y[1], sizeof(y[0]));

    gn_desc *desc = make(4, one, 32, GN_CHANNELS_FIRST);
    assert_int_equal(gn_desc_set_strides(desc, GN_TENSOR_Y, odd), GN_OK);
    gn_desc_destroy(desc);
}

/* One buffer of [2, 8, 3, 5], in either layout. Each tensor is 4 of its channels. */
enum { ROOM = 2 * 8 * 3 * 5 };

static gn_plan *slices(gn_layout layout)
{
    const int64_t dims[4] = {2, 4, 3, 5};
    const int64_t first[4] = {120, 15, 5, 1}, last[4] = {120, 1, 40, 8};
    gn_desc *desc = make(4, dims, 2, layout);

    for (int i = GN_TENSOR_X; i <= GN_TENSOR_SUM; i++)
        assert_int_equal(
            gn_desc_set_strides(desc, (gn_tensor)i, layout == GN_CHANNELS_LAST ? last : first),
            GN_OK);
    return plan_of(desc);
}

static void test_together(void **state)
{
    static float buffer[2 * ROOM], saved[2 * ROOM], mean[4], rstd[4];
    (void)state;

    for (int layout = 0; layout < 2; layout++) {
        const int64_t channel = layout == GN_CHANNELS_LAST ? 1 : 15;
        gn_plan *plan = slices((gn_layout)layout);
        uint64_t random = 8;

        for (int i = 0; i < 2 * ROOM; i++)
            saved[i] = buffer[i] = random_normal(&random);
        /* Forward into the other half of the channels, and in place. */
        float *low = buffer, *high = buffer + 4 * channel;
        assert_int_equal(gn_forward(plan, low, NULL, NULL, high, mean, rstd), GN_OK);
        assert_int_equal(gn_forward(plan, low, NULL, NULL, low, mean, rstd), GN_OK);
        assert_int_equal(gn_backward(plan, high, low, mean, rstd, NULL, NULL, high, NULL, NULL),
                         GN_OK);

        memcpy(buffer, saved, sizeof(saved));
        /* y begins one channel too early, one element after x, or at the same channels of the next
         * sample. */
        expect_failure(gn_forward(plan, low, NULL, NULL, buffer + 3 * channel, NULL, NULL),
                       GN_INVALID_ARGUMENT, "y", "overlaps x");
        expect_failure(gn_forward(plan, low, NULL, NULL, low + (layout ? 8 : 1), NULL, NULL),
                       GN_INVALID_ARGUMENT, "y", "overlaps x");
        expect_failure(gn_forward(plan, low, NULL, NULL, low + 120, NULL, NULL),
                       GN_INVALID_ARGUMENT, "y", "overlaps x");
        /* mean lies among y's elements, and in the gap between them. */
        expect_failure(gn_forward(plan, low, NULL, NULL, high, high + 119, NULL),
                       GN_INVALID_ARGUMENT, "y", "overlaps mean");
        assert_memory_equal(buffer, saved, sizeof(saved));
        assert_int_equal(gn_forward(plan, low, NULL, NULL, low, high, NULL), GN_OK);
        gn_plan_destroy(plan);
    }
}

/* A call in place needs tensors of the same type and strides. */
static void test_in_place(void **state)
{
    const int64_t dims[3] = {2, 4, 6}, strides[3] = {24, 1, 4};
    float x[48] = {0};
    gn_plan *plan;
    gn_desc *desc = make(3, dims, 2, GN_CHANNELS_FIRST);
    (void)state;

    assert_int_equal(gn_desc_set_strides(desc, GN_TENSOR_Y, strides), GN_OK);
    assert_int_equal(gn_plan_create(&plan, desc), GN_OK);
    expect_failure(gn_forward(plan, x, NULL, NULL, x, NULL, NULL), GN_INVALID_ARGUMENT, "overlaps",
                   "same", "strides");
    gn_plan_destroy(plan);
    assert_int_equal(gn_desc_set_strides(desc, GN_TENSOR_Y, NULL), GN_OK);
    assert_int_equal(gn_desc_set_types(desc, GN_BF16, GN_F32, GN_F32), GN_OK);
    plan = plan_of(desc);
    expect_failure(gn_forward(plan, x, NULL, NULL, x, NULL, NULL), GN_INVALID_ARGUMENT, "overlaps",
                   "same", "type");
    gn_plan_destroy(plan);
}

/* Images whose tiles end within a row. */
enum {
    CHANNELS = 2,
    DEPTH = 3,
    HEIGHT = 75,
    WIDTH = 101,
    VOXELS = DEPTH * HEIGHT * WIDTH,
    LARGE = CHANNELS * (VOXELS + DEPTH * (3 * HEIGHT + 40))
};

static void set_gaps(int64_t *strides, int64_t after_row, int64_t after_image)
{
    strides[4] = 1;
    strides[3] = WIDTH + after_row;
    strides[2] = HEIGHT * strides[3] + after_image;
    strides[1] = DEPTH * strides[2];
    strides[0] = CHANNELS * strides[1];
}

static void put_voxels(float *to, const int64_t *strides, const float *from)
{
    for (int64_t i = 0; i < CHANNELS * VOXELS; i++)
        to[i / VOXELS * strides[1] + i / (HEIGHT * WIDTH) % DEPTH * strides[2] +
           i / WIDTH % HEIGHT * strides[3] + i % WIDTH] = from[i];
}

/* Forward and backward. The tensors are indexed by gn_tensor. */
static void normalize_large(float (*tensors)[LARGE], int64_t (*strides)[5], const float *x,
                            const float *dy)
{
    const int64_t dims[5] = {1, CHANNELS, DEPTH, HEIGHT, WIDTH};
    gn_desc *desc = make(5, dims, 1, GN_CHANNELS_FIRST);
    float mean, rstd;

    assert_int_equal(gn_desc_set_activation(desc, GN_ACTIVATION_SILU), GN_OK);
    assert_int_equal(gn_desc_set_threads(desc, 2), GN_OK);
    for (int i = 0; i < 4; i++)
        assert_int_equal(gn_desc_set_strides(desc, (gn_tensor)i, strides[i]), GN_OK);
    memset(tensors, 0, 4 * sizeof(*tensors));
    put_voxels(tensors[GN_TENSOR_X], strides[GN_TENSOR_X], x);
    put_voxels(tensors[GN_TENSOR_DY], strides[GN_TENSOR_DY], dy);

    gn_plan *plan = plan_of(desc);
    assert_int_equal(
        gn_forward(plan, tensors[GN_TENSOR_X], NULL, NULL, tensors[GN_TENSOR_Y], &mean, &rstd),
        GN_OK);
    assert_int_equal(gn_backward(plan, tensors[GN_TENSOR_DY], tensors[GN_TENSOR_X], &mean, &rstd,
                                 NULL, NULL, tensors[GN_TENSOR_DX], NULL, NULL),
                     GN_OK);
    gn_plan_destroy(plan);
}

/* Gaps after rows, after images, after both and after neither, each combination once for every
 * tensor. */
static void test_large_images(void **state)
{
    const int64_t gaps[4][2] = {{3, 0}, {0, 40}, {1, 7}, {0, 0}};
    static float x[CHANNELS * VOXELS], dy[CHANNELS * VOXELS], expected[LARGE];
    static float dense[4][LARGE], separate[4][LARGE];
    int64_t strides[4][5];
    uint64_t random = 12;
    (void)state;

    for (int i = 0; i < CHANNELS * VOXELS; i++) {
        x[i] = random_normal(&random);
        dy[i] = random_normal(&random);
    }
    for (int i = 0; i < 4; i++)
        set_gaps(strides[i], 0, 0);
    normalize_large(dense, strides, x, dy);
    for (int way = 0; way < 4; way++) {
        for (int i = 0; i < 4; i++)
            set_gaps(strides[i], gaps[(i + way) % 4][0], gaps[(i + way) % 4][1]);
        normalize_large(separate, strides, x, dy);
        for (int i = GN_TENSOR_Y; i <= GN_TENSOR_DX; i += GN_TENSOR_DX - GN_TENSOR_Y) {
            memset(expected, 0, sizeof(expected));
            put_voxels(expected, strides[i], dense[i]);
            assert_memory_equal(separate[i], expected, sizeof(expected));
        }
    }
}

/*
 * The rows of all channels are interleaved, so that a channel begins one row after the previous
 * one. The last tile of a channel is one whole row. Forward, backward and in place must give the
 * bits of dense tensors.
 */
static void check_interleaved(int64_t height, int64_t width, gn_activation activation)
{
    const int64_t dims[4] = {1, 2, height, width}, size = 2 * height * width;
    const int64_t interleaved[4] = {size, width, 2 * width, 1};
    float *tensors[2][5], mean, rstd;
    uint64_t random = 4;

    for (int way = 0; way < 2; way++)
        for (int i = 0; i < 5; i++) {
            tensors[way][i] = calloc((size_t)size, sizeof(float));
            assert_non_null(tensors[way][i]);
        }
    for (int64_t i = 0; i < size; i++) {
        const int64_t c = i / (height * width), row = i / width % height;
        const int64_t at = (row * 2 + c) * width + i % width;
        for (int tensor = 0; tensor <= 2; tensor += 2)
            tensors[0][tensor][i] = tensors[1][tensor][at] = random_normal(&random);
    }
    for (int way = 0; way < 2; way++) {
        float **t = tensors[way];
        gn_desc *desc = make(4, dims, 1, GN_CHANNELS_FIRST);
        assert_int_equal(gn_desc_set_activation(desc, activation), GN_OK);
        for (int i = 0; way && i < 4; i++)
            assert_int_equal(gn_desc_set_strides(desc, (gn_tensor)i, interleaved), GN_OK);
        gn_plan *plan = plan_of(desc);
        assert_int_equal(gn_forward(plan, t[GN_TENSOR_X], NULL, NULL, t[GN_TENSOR_Y], &mean, &rstd),
                         GN_OK);
        assert_int_equal(gn_backward(plan, t[GN_TENSOR_DY], t[GN_TENSOR_X], &mean, &rstd, NULL,
                                     NULL, t[GN_TENSOR_DX], NULL, NULL),
                         GN_OK);
        memcpy(t[4], t[GN_TENSOR_X], (size_t)size * sizeof(float));
        assert_int_equal(gn_forward(plan, t[4], NULL, NULL, t[4], NULL, NULL), GN_OK);
        gn_plan_destroy(plan);
    }
    for (int64_t i = 0; i < size; i++) {
        const int64_t c = i / (height * width), row = i / width % height;
        const int64_t at = (row * 2 + c) * width + i % width;
        for (int tensor = 0; tensor < 5; tensor++)
            assert_memory_equal(&tensors[0][tensor][i], &tensors[1][tensor][at], sizeof(float));
    }
    for (int way = 0; way < 2; way++)
        for (int i = 0; i < 5; i++)
            free(tensors[way][i]);
}

static void test_woven_rows(void **state)
{
    (void)state;

    for (int streamed = 0; streamed < 2; streamed++) {
        setenv("GN_CACHE", streamed ? "1" : "", 1);
        check_interleaved(129, 128, GN_ACTIVATION_IDENTITY);
        check_interleaved(129, 128, GN_ACTIVATION_SILU);
        check_interleaved(257, 64, GN_ACTIVATION_RELU);
        check_interleaved(17, 1024, GN_ACTIVATION_IDENTITY);
    }
    unsetenv("GN_CACHE");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        silent_test(test_refused),         cmocka_unit_test(test_kept),
        cmocka_unit_test(test_ignored),    silent_test(test_together),
        silent_test(test_in_place),        cmocka_unit_test(test_large_images),
        cmocka_unit_test(test_woven_rows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
