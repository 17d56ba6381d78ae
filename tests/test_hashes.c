/* SPDX-License-Identifier: MIT */
/*
 * The bits of known results, on every machine: FNV-1a hashes of each output, kept in a file.
 *
 * `test_hashes FILE` compares; `test_hashes FILE write` makes the file anew, for a release that
 * means to change the bits.
 */
#include "patterns.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *path;
static bool writing;

static const struct shape shapes[] = {
    {2, {9, 128}, 32, GN_CHANNELS_FIRST, DEFAULTS},
    {2, {9, 128}, 32, GN_CHANNELS_LAST, DEFAULTS},
    {4, {2, 48, 15, 17}, 6, GN_CHANNELS_FIRST, DEFAULTS},
    {4, {2, 48, 15, 17}, 6, GN_CHANNELS_LAST, DEFAULTS},
    {3, {1, 3, 8209}, 1, GN_CHANNELS_FIRST, DEFAULTS},
    {3, {1, 3, 8209}, 1, GN_CHANNELS_LAST, DEFAULTS},
    {3, {2, 2, 4111}, 2, GN_CHANNELS_FIRST, 1e-3, GN_AFFINE_CHANNEL},
    {3, {2, 2, 4111}, 2, GN_CHANNELS_LAST, 1e-3, GN_AFFINE_CHANNEL},
    {5, {2, 64, 2, 3, 5}, 64, GN_CHANNELS_FIRST, DEFAULTS},
    {5, {2, 64, 2, 3, 5}, 64, GN_CHANNELS_LAST, DEFAULTS},
    {3, {1, 1, 100003}, 1, GN_CHANNELS_FIRST, DEFAULTS},
};

static const char *const names[] = {"normal",
                                    "mean 1e4, deviation 1e-2",
                                    "near 1e30",
                                    "subnormal",
                                    "magnitudes",
                                    "outlier in the middle",
                                    "near 1e38",
                                    "trend",
                                    "starts of rows far",
                                    "0.1"};

/* Over the bytes of each number from the lowest, so that the order in memory does not matter. */
static uint64_t hash(const float *values, int64_t count)
{
    uint64_t h = 0xcbf29ce484222325u;

    for (int64_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof(bits));
        if (isnan(values[i]))
            bits = 0x7fc00000u;
        for (int byte = 0; byte < 4; byte++) {
            h ^= bits >> (8 * byte) & 0xff;
            h *= 0x100000001b3u;
        }
    }
    return h;
}

/* One line of the file: the case, then the hashes. */
static void make_line(const struct shape *shape, const char *name, gn_isa isa, char line[400])
{
    float *tensors[TENSORS];
    char text[160];
    gn_plan *plan = make_plan(shape, isa, 0);

    tensors_create(shape, tensors);
    tensors_fill(shape, 1, tensors);
    pattern_fill(shape, pattern_named(name)->value, 2, tensors[X]);
    assert_int_equal(call_forward(plan, tensors), GN_OK);
    assert_int_equal(call_backward(plan, tensors), GN_OK);
    int used = snprintf(line, 400, "%s, %s", shape_text(shape, text), name);
    for (int t = FIRST_OUTPUT; t < TENSORS; t++)
        used +=
            snprintf(line + used, 400 - (size_t)used, "\t%s %016llx", tensor_name((enum tensor)t),
                     (unsigned long long)hash(tensors[t], tensor_count(shape, (enum tensor)t)));
    snprintf(line + used, 400 - (size_t)used, "\n");
    tensors_destroy(tensors);
    gn_plan_destroy(plan);
}

static int compare_line(FILE *file, const struct shape *shape, const char *name)
{
    char kept[400] = "", line[400];
    gn_isa isas[8];
    const int count = available_isas(isas);
    int wrong = 0;

    if (!fgets(kept, sizeof(kept), file))
        kept[0] = '\0';
    for (int i = 0; i < count; i++) {
        make_line(shape, name, isas[i], line);
        if (strcmp(line, kept) == 0)
            continue;
        print_error("%s\nkept   %sfound  %s", isa_name(isas[i]), kept, line);
        wrong++;
    }
    return wrong;
}

static void test_hashes(void **state)
{
    FILE *file = fopen(path, writing ? "w" : "r");
    int wrong = 0;
    (void)state;

    assert_non_null(file);
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        for (size_t p = 0; p < sizeof(names) / sizeof(names[0]); p++) {
            char line[400];
            if (writing) {
                make_line(&shapes[i], names[p], GN_ISA_GENERIC, line);
                fputs(line, file);
            } else {
                wrong += compare_line(file, &shapes[i], names[p]);
            }
        }
    }
    assert_true(writing || getc(file) == EOF);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(wrong, 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_hashes)};

    if (argc < 2) {
        fprintf(stderr, "usage: %s FILE [write]\n", argv[0]);
        return 2;
    }
    path = argv[1];
    writing = argc > 2 && strcmp(argv[2], "write") == 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
