/* SPDX-License-Identifier: MIT */
/*
 * Tensors beyond the last-level cache, whose outputs are written past it: the same bits, and
 * nothing beside the output, wherever it begins.
 */
#include "check.h"

#include <stdio.h>
#include <unistd.h>

/* Elements of a tensor of half the cache, but of no more than 64 MiB. */
static int64_t beyond_cache(void)
{
    const int64_t most = INT64_C(128) << 20;
    int64_t bytes = 0;

#ifdef _SC_LEVEL3_CACHE_SIZE
    bytes = sysconf(_SC_LEVEL3_CACHE_SIZE);
#endif
    if (bytes <= 0)
        bytes = 32 << 20;
    if (bytes > most) {
        print_message("this cache of %lld bytes is not exceeded\n", (long long)bytes);
        bytes = most;
    }
    return bytes / 2 / (int64_t)sizeof(float);
}

/* In channels first, of every `hard` groups the last is beyond float's sums; 0: none. */
static int check_shape(const struct shape shape, int64_t hard)
{
    const int64_t elements = shape_elements(&shape), size = elements / shape.dims[0] / shape.groups;
    float *tensors[TENSORS];
    gn_isa isas[8];
    const int count = available_isas(isas);
    int wrong = 0;

    tensors_create(&shape, tensors);
    tensors_fill(&shape, 9, tensors);
    for (int64_t i = 0; hard && i < elements; i++)
        tensors[X][i] *= i / size % hard == hard - 1 ? 1e31f : 1;
    wrong += check_against_oracle(&shape, tensors, 0, hard ? ORACLE_ALWAYS : ORACLE_INDEPENDENT,
                                  "streamed");
    for (int i = 0; i < count; i++) {
        for (int place = 0; place < PLACES; place++) {
            const struct variant variant = {isas[i], 2, (enum place)place, 0};
            wrong += check_variant(&shape, tensors, &variant, "streamed");
        }
    }
    tensors_destroy(tensors);
    return wrong;
}

static int check_layout(gn_layout layout, int64_t channels, int64_t odd)
{
    const int64_t spatial = (quick() ? 8192 : beyond_cache()) / channels + odd;

    return check_shape((struct shape){3, {1, channels, spatial}, 8, layout, DEFAULTS}, 0);
}

static void test_rows(void **state)
{
    (void)state;
    assert_int_equal(check_layout(GN_CHANNELS_FIRST, 8, 5), 0);
}

/* Rows of less than a vector to more than are streamed as one, the first of them in double. */
static void test_short_rows(void **state)
{
    static const int64_t lengths[] = {9, 10, 13, 49, 16, 49, 257, 511, 512};
    int wrong = 0;
    (void)state;

    for (int i = 0; i < 9; i++) {
        const int64_t elements = quick() ? 8192 : beyond_cache();
        /* So that the last row of 9 elements begins 3 elements after the start of a line. */
        const int64_t n = elements / (6 * lengths[i]) / 8 * 8 + 2;
        const struct shape shape = {3, {n, 6, lengths[i]}, 3, GN_CHANNELS_FIRST, DEFAULTS};
        wrong += check_shape(shape, i < 4 ? 1 + i % 3 : 0);
    }
    assert_int_equal(wrong, 0);
}

static void test_columns(void **state)
{
    (void)state;
    /* More than the panels of any instruction set, so that the next pixels are fetched ahead. */
    assert_int_equal(check_layout(GN_CHANNELS_LAST, 136, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows),
                                       cmocka_unit_test(test_short_rows),
                                       cmocka_unit_test(test_columns)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
