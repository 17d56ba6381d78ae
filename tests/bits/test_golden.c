/* SPDX-License-Identifier: MIT */
/* The bits of known results of GN_F32, which must be the same on every machine. */
#include "golden.h"
#include "patterns.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

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
    /* Groups of many channels, in one piece and in two; many groups, in several tiles. */
    {3, {1, 6000, 5}, 1, GN_CHANNELS_LAST, DEFAULTS},
    {3, {1, 9000, 7}, 1, GN_CHANNELS_LAST, DEFAULTS},
    {3, {1, 9000, 3}, 90, GN_CHANNELS_LAST, DEFAULTS},
    /* As many pixels as are sampled for a shift: with groups of 4 or more channels, of 2, and of
     * 1. */
    {3, {2, 48, 4}, 6, GN_CHANNELS_LAST, DEFAULTS},
    {3, {2, 24, 8}, 12, GN_CHANNELS_LAST, DEFAULTS},
    {3, {2, 5, 16}, 5, GN_CHANNELS_LAST, DEFAULTS},
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

enum { SHAPES = sizeof(shapes) / sizeof(shapes[0]), NAMES = sizeof(names) / sizeof(names[0]) };

/* All NaNs count as equal. */
static uint64_t hash(const float *values, int64_t count)
{
    uint64_t h = GOLDEN_HASH;

    for (int64_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof(bits));
        h = golden_hash(h, isnan(values[i]) ? 0x7fc00000u : bits, sizeof(bits));
    }
    return h;
}

/* Makes one line of the file: the case, then the hashes. */
static void make_line(int number, gn_isa isa, char line[GOLDEN_LINE])
{
    const struct shape *shape = &shapes[number / NAMES];
    const char *name = names[number % NAMES];
    float *tensors[TENSORS];
    char text[160];
    gn_plan *plan = make_plan(shape, isa, 0);

    tensors_create(shape, tensors);
    tensors_fill(shape, 1, tensors);
    pattern_fill(shape, pattern_named(name)->value, 2, tensors[X]);
    assert_int_equal(call_forward(plan, tensors), GN_OK);
    assert_int_equal(call_backward(plan, tensors), GN_OK);
    int used = snprintf(line, GOLDEN_LINE, "%s, %s", shape_text(shape, text), name);
    for (int t = FIRST_OUTPUT; t < TENSORS; t++)
        used += snprintf(line + used, GOLDEN_LINE - (size_t)used, "\t%s %016llx",
                         tensor_name((enum tensor)t),
                         (unsigned long long)hash(tensors[t], tensor_count(shape, (enum tensor)t)));
    snprintf(line + used, GOLDEN_LINE - (size_t)used, "\n");
    tensors_destroy(tensors);
    gn_plan_destroy(plan);
}

int main(int argc, char **argv)
{
    return golden_main(argc, argv, SHAPES * NAMES, make_line);
}
