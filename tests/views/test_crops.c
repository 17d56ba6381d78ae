/* SPDX-License-Identifier: MIT */
/*
 * Compares crops of volumes, whose tiles begin in the middle of a row of a plane, with dense
 * tensors: the bits must be the same. Also 16-bit tensors without spatial extent that end where
 * readable memory ends.
 */
#define _GNU_SOURCE

#include "kind.h"
#include "typed.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { N = 1, C = 4, DEPTH = 11, HEIGHT = 37, WIDTH = 93, AROUND = 5 };
static const int64_t dims[] = {N, C, DEPTH, HEIGHT, WIDTH};

/* The strides of the crop in a volume that is larger by AROUND in each spatial dim. */
static void crop_strides(gn_layout layout, int64_t strides[5])
{
    const int64_t height = HEIGHT + AROUND, width = WIDTH + AROUND;
    const int64_t spatial = (DEPTH + AROUND) * height * width;
    const int64_t pixel = layout == GN_CHANNELS_LAST ? C : 1;

    strides[0] = C * spatial;
    strides[1] = layout == GN_CHANNELS_LAST ? 1 : spatial;
    strides[2] = height * width * pixel;
    strides[3] = width * pixel;
    strides[4] = pixel;
}

static gn_plan *plan_for(gn_layout layout, gn_activation activation, const int64_t *strides)
{
    gn_desc *desc;
    gn_plan *plan;

    assert_int_equal(gn_desc_create(&desc, 5, dims), GN_OK);
    assert_int_equal(gn_desc_set_groups(desc, 2), GN_OK);
    assert_int_equal(gn_desc_set_layout(desc, layout), GN_OK);
    assert_int_equal(gn_desc_set_activation(desc, activation), GN_OK);
    for (int which = GN_TENSOR_X; which <= GN_TENSOR_DX; which++)
        assert_int_equal(gn_desc_set_strides(desc, (gn_tensor)which, strides), GN_OK);
    assert_int_equal(gn_plan_create(&plan, desc), GN_OK);
    gn_desc_destroy(desc);
    return plan;
}

static int64_t offset_of(int64_t i, const int64_t strides[5])
{
    int64_t offset = 0;

    for (int k = 4; k >= 0; k--) {
        offset += i % dims[k] * strides[k];
        i /= dims[k];
    }
    return offset;
}

enum { T_X, T_DY, T_Y, T_DX, T_ALL };

/* Runs both passes on tensors with the strides. The results are copied to memory in the order of
 * dims. */
static void run(gn_layout layout, gn_activation activation, const int64_t strides[5],
                float *const given[2], float *const results[2])
{
    const int64_t count = C * DEPTH * HEIGHT * WIDTH;
    const size_t room = (size_t)(C * (DEPTH + AROUND) * (HEIGHT + AROUND) * (WIDTH + AROUND));
    gn_plan *plan = plan_for(layout, activation, strides);
    float *tensors[T_ALL], mean[2], rstd[2];

    for (int t = 0; t < T_ALL; t++) {
        tensors[t] = calloc(room, sizeof(float));
        assert_non_null(tensors[t]);
    }
    for (int64_t i = 0; i < count; i++)
        for (int t = T_X; t <= T_DY; t++)
            tensors[t][offset_of(i, strides)] = given[t][i];
    assert_int_equal(gn_forward(plan, tensors[T_X], NULL, NULL, tensors[T_Y], mean, rstd), GN_OK);
    assert_int_equal(gn_backward(plan, tensors[T_DY], tensors[T_X], mean, rstd, NULL, NULL,
                                 tensors[T_DX], NULL, NULL),
                     GN_OK);
    for (int64_t i = 0; i < count; i++)
        for (int t = T_Y; t <= T_DX; t++)
            results[t - T_Y][i] = tensors[t][offset_of(i, strides)];
    for (int t = 0; t < T_ALL; t++)
        free(tensors[t]);
    gn_plan_destroy(plan);
}

static void test_volumes(void **state)
{
    const int64_t count = C * DEPTH * HEIGHT * WIDTH;
    float *arrays[6];
    uint64_t random = 8;
    (void)state;

    for (int t = 0; t < 6; t++) {
        arrays[t] = malloc((size_t)count * sizeof(float));
        assert_non_null(arrays[t]);
        for (int64_t i = 0; t < 2 && i < count; i++)
            arrays[t][i] = random_normal(&random) + (t ? 0 : 3);
    }
    for (int i = 0; i < 4; i++) {
        const gn_layout layout = (gn_layout)(i % 2);
        const gn_activation activation = i / 2 ? GN_ACTIVATION_SILU : GN_ACTIVATION_IDENTITY;
        int64_t cropped[5], dense[5] = {0}, where;

        crop_strides(layout, cropped);
        dense[4] = layout == GN_CHANNELS_LAST ? C : 1;
        for (int k = 3; k >= 2; k--)
            dense[k] = dense[k + 1] * dims[k + 1];
        dense[1] = layout == GN_CHANNELS_LAST ? 1 : dense[2] * dims[2];
        dense[0] = C * DEPTH * HEIGHT * WIDTH;
        run(layout, activation, dense, arrays, arrays + 2);
        run(layout, activation, cropped, arrays, arrays + 4);
        for (int t = 0; t < 2; t++)
            if (!same_bits(arrays[2 + t], arrays[4 + t], count, &where))
                fail_msg("%s, channels %s: element %lld differs", t ? "dx" : "y",
                         layout ? "last" : "first", (long long)where);
    }
    for (int t = 0; t < 6; t++)
        free(arrays[t]);
}

/* An array whose last byte is the last one before an inaccessible page. */
static void *at_end(size_t bytes, void **map)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), room = (bytes + page - 1) / page * page;

    *map = mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(*map != MAP_FAILED);
    assert_int_equal(mprotect((char *)*map + room, page, PROT_NONE), 0);
    return (char *)*map + room - bytes;
}

static void test_end_of_memory(void **state)
{
    static const int64_t samples[] = {1, 7, 64, 300};
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    (void)state;

    for (int i = 0; i < 2 * 4; i++) {
        const gn_type type = i % 2 ? GN_F16 : GN_BF16;
        const struct shape shape = {
            2, {samples[i / 2], 48}, i % 2 ? 12 : 3, GN_CHANNELS_FIRST, DEFAULTS};
        const struct kind kind = {type, type, GN_F32, GN_ACTIVATION_IDENTITY, GN_SKIP_TENSOR};
        const size_t bytes = 2 * (size_t)shape_elements(&shape);
        const size_t few = sizeof(float) * (size_t)tensor_count(&shape, MEAN);
        gn_plan *plan = make_plan_of(&shape, &kind, GN_ISA_AUTO, 1);
        void *maps[6], *arrays[6];

        for (int k = 0; k < 6; k++) {
            arrays[k] = at_end(k < 4 ? bytes : few, &maps[k]);
            for (size_t e = 0; k < 2 && e < bytes / 2; e++)
                ((uint16_t *)arrays[k])[e] = (uint16_t)(0x3c00 + e % 199);
        }
        assert_int_equal(gn_forward(plan, arrays[0], NULL, NULL, arrays[2], arrays[4], arrays[5]),
                         GN_OK);
        assert_int_equal(gn_backward(plan, arrays[1], arrays[0], arrays[4], arrays[5], NULL, NULL,
                                     arrays[3], NULL, NULL),
                         GN_OK);
        for (int k = 0; k < 6; k++) {
            const size_t of = k < 4 ? bytes : few;
            munmap(maps[k], (of + page - 1) / page * page + page);
        }
        gn_plan_destroy(plan);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_volumes),
        cmocka_unit_test(test_end_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
