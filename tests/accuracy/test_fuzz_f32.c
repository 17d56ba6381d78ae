/* SPDX-License-Identifier: MIT */
/*
 * Random shapes, layouts, groups, arguments and threads. The seeds are the same each time, so that
 * a commit passes or fails whatever the time of day. GN_TEST_SEED=first and GN_TEST_CASES=number
 * choose others. A failure prints the seed of its case.
 */
#include "check.h"
#include "patterns.h"
#include "progress.h"

#include <stdio.h>
#include <stdlib.h>

static uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text ? strtoull(text, NULL, 10) : otherwise;
}

/* Most shapes are small, some are long in one dim. */
static struct shape random_shape(uint64_t *random)
{
    struct shape shape = {.rank = (int)random_range(random, 2, 8), .eps = DEFAULT_EPS};
    const int64_t d = random_range(random, 1, 24);
    int64_t room = random_range(random, 0, 9) == 0 ? 200000 : 12000;

    shape.groups = random_range(random, 1, 12);
    if (random_range(random, 0, 3) == 0)
        shape.groups = 1;
    shape.dims[0] = random_range(random, 1, 5);
    shape.dims[1] = shape.groups * d;
    shape.layout = (gn_layout)random_range(random, 0, 1);
    shape.affine = (gn_affine)(random_range(random, 0, 3) == 0);
    room /= shape.dims[0] * shape.dims[1];
    for (int i = 2; i < shape.rank; i++) {
        const int64_t most = i + 1 < shape.rank && room > 12 ? 12 : room;
        shape.dims[i] = random_range(random, 1, most > 1 ? most : 1);
        room /= shape.dims[i];
    }
    return shape;
}

static unsigned random_absent(uint64_t *random)
{
    unsigned absent = 0;

    for (unsigned t = GAMMA; t < TENSORS; t++) {
        if (t != DY && t != Y && random_range(random, 0, 4) == 0)
            absent |= 1u << t;
    }
    return absent;
}

static int check_case(uint64_t seed)
{
    uint64_t random = seed * 0x9e3779b97f4a7c15u;
    const struct shape shape = random_shape(&random);
    const unsigned absent = random_absent(&random), affine = 1u << GAMMA | 1u << BETA;
    const struct pattern *pattern = random_range(&random, 0, 1)
                                        ? &patterns[0]
                                        : &patterns[random_range(&random, 0, pattern_count - 1)];
    float *tensors[TENSORS];
    gn_isa isas[ISAS];
    const int count = available_isas(isas);
    char label[80];
    /* Computes all outputs first, so that the absent ones are known, then computes without
     * those. */
    struct check check = {.shape = shape,
                          .bound = pattern->independent ? ORACLE_INDEPENDENT : ORACLE_ALWAYS,
                          .absent = absent & affine,
                          .label = label};
    int wrong = 0;

    snprintf(label, sizeof(label), "GN_TEST_SEED=%llu, %s", (unsigned long long)seed,
             pattern->name);
    tensors_create(&shape, tensors);
    tensors_fill(&shape, random_next(&random), tensors);
    pattern_fill(&shape, pattern->value, random_next(&random), tensors[X]);
    wrong += check_against_oracle(&check, tensors);
    check.absent = absent;
    for (int i = 0; i < count; i++) {
        const struct variant variant = {isas[i], (int)random_range(&random, 0, 8),
                                        (enum place)random_range(&random, 0, PLACES - 1)};
        wrong += check_variant(&check, tensors, &variant);
    }
    tensors_destroy(tensors);
    return wrong;
}

static void test_random(void **state)
{
    const uint64_t first = number_from("GN_TEST_SEED", 1);
    const uint64_t count = number_from("GN_TEST_CASES", quick() ? 60 : 4000);
    int wrong = 0;
    (void)state;

    print_message("seeds %llu to %llu\n", (unsigned long long)first,
                  (unsigned long long)(first + count - 1));
    for (uint64_t seed = first; seed < first + count && wrong < 10; seed++) {
        progress("case", (int64_t)(seed - first), (int64_t)count);
        wrong += check_case(seed);
    }
    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
