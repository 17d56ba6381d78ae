/* SPDX-License-Identifier: MIT */
#include "patterns.h"

#include <float.h>
#include <string.h>

#define PATTERN(name) static float name(int64_t k, int64_t m, int64_t spatial, uint64_t *random)
/* Each pattern uses some of its arguments. */
#define UNUSED ((void)k, (void)m, (void)spatial, (void)random)

/* A pattern that depends only on the random numbers, or only on the position. */
#define PATTERN_OF(name, expression)                                                               \
    PATTERN(name)                                                                                  \
    {                                                                                              \
        UNUSED;                                                                                    \
        return (expression);                                                                       \
    }

PATTERN_OF(normal, random_normal(random))
PATTERN_OF(mean_1e4, 1e4f + 1e-2f * random_normal(random))
PATTERN_OF(mean_100, 100 + 0.01f * random_normal(random))
PATTERN_OF(near_1e30, 1e30f * random_normal(random))
PATTERN_OF(mean_1e30, 1e30f * (1 + 0.001f * random_normal(random)))
PATTERN_OF(near_1e20, 1e20f * random_normal(random))
PATTERN_OF(near_1e_13, 1e-13f * random_normal(random))
PATTERN_OF(near_1e_20, 1e-20f * random_normal(random))
PATTERN_OF(near_1e_30, 1e-30f * random_normal(random))
PATTERN_OF(near_1e38, 3.3e38f * random_uniform(random))
PATTERN_OF(near_minus_1e38, -3e38f + 1e37f * random_uniform(random))
PATTERN_OF(extremes, random_next(random) & 1 ? FLT_MAX : -FLT_MAX)
PATTERN_OF(subnormal, (float)random_range(random, -4000, 4000) * 0x1p-149f)
PATTERN_OF(constant_zero, 0)
PATTERN_OF(constant_tenth, 0.1f)
PATTERN_OF(constant_1e38, -1e38f)
PATTERN_OF(constant_subnormal, 0x1p-145f)
PATTERN_OF(trend, (float)k)
PATTERN_OF(trend_high, 1e6f - (float)k)
PATTERN_OF(trend_in_chunks, (float)(k % 2048) + random_uniform(random))
PATTERN_OF(trend_in_rows, (float)(k % spatial) * 0.01f)
PATTERN_OF(two_values, random_next(random) & 1 ? 3.7f : -3.7f)
PATTERN_OF(two_far_values, random_next(random) & 1 ? 1e5f : 1.0f)
PATTERN_OF(mask, random_next(random) % 5 == 0 ? 1.0f : 0.0f)
PATTERN_OF(outlier_first, k == 0 ? 1e30f : random_normal(random))
PATTERN_OF(outlier_middle, k == m / 2 ? -1e30f : random_normal(random))
PATTERN_OF(outlier_last, k == m - 1 ? 1e30f : random_normal(random))
PATTERN_OF(outlier_modest, k == m / 3 ? 1e4f : random_normal(random))
PATTERN_OF(alternating, k & 1 ? 1.0f : -1.0f)
PATTERN_OF(alternating_high, k & 1 ? 1000.001f : 1000.0f)
PATTERN_OF(smooth, 128 + 100 * ((float)k / (float)m - 0.3f) * ((float)k / (float)m - 0.8f))
PATTERN_OF(first_far, k < 32 ? 1e6f : random_normal(random))
PATTERN_OF(chunk_starts_far, k % 2048 < 32 ? 1e5f : random_normal(random))
PATTERN_OF(row_starts_far, k % spatial < 8 ? -1e5f : random_normal(random))
PATTERN_OF(channel_means, 100 * (float)(k / spatial % 64) + random_normal(random))
PATTERN_OF(blocks_jump, (k / 2048 & 1 ? 1e4f : -1e4f) + random_normal(random))
PATTERN_OF(step, k < m / 2 ? 0.1f : 1e5f)
PATTERN_OF(one_unit_off, k == m / 3 ? 1 + FLT_EPSILON : 1.0f)
PATTERN_OF(one_unit_off_1e38, k == m / 3 ? 1.0000001e38f : 1e38f)
PATTERN_OF(one_nonzero, k == m - 1 ? 1.0f : 0.0f)
PATTERN_OF(one_subnormal, k == m / 2 ? 0x1p-149f : 0.0f)

/* The values differ by powers of two, so that a sum loses all but the largest. */
PATTERN(magnitudes)
{
    float value = random_normal(random);

    UNUSED;
    for (int64_t i = random_range(random, 0, 60); i > 0; i--)
        value *= i & 1 ? 4.0f : 0.5f;
    return value;
}

const struct pattern patterns[] = {
    {"normal", normal, true, false, false},
    {"mean 1e4, deviation 1e-2", mean_1e4, true, false, false},
    {"mean 100, deviation 0.01", mean_100, true, false, false},
    {"near 1e30", near_1e30, true, false, false},
    {"mean 1e30, deviation 1e27", mean_1e30, true, false, false},
    {"near 1e20", near_1e20, true, false, false},
    {"near 1e-13", near_1e_13, true, false, false},
    {"near 1e-20", near_1e_20, true, false, false},
    {"near 1e-30", near_1e_30, true, false, false},
    {"near 1e38", near_1e38, false, false, false},
    {"near -3e38", near_minus_1e38, false, false, false},
    {"plus and minus the largest", extremes, false, false, false},
    {"subnormal", subnormal, false, false, true},
    {"0", constant_zero, false, true, false},
    {"0.1", constant_tenth, false, true, false},
    {"-1e38", constant_1e38, false, true, false},
    {"one subnormal value", constant_subnormal, false, true, false},
    {"trend", trend, false, false, false},
    {"falling trend from 1e6", trend_high, false, false, false},
    {"trend in chunks", trend_in_chunks, false, false, false},
    {"trend in rows", trend_in_rows, false, true, false},
    {"two values", two_values, false, true, false},
    {"two far values", two_far_values, false, true, false},
    {"mask", mask, false, true, false},
    {"outlier first", outlier_first, false, false, false},
    {"outlier in the middle", outlier_middle, false, false, false},
    {"outlier last", outlier_last, false, false, false},
    {"modest outlier", outlier_modest, false, false, false},
    {"alternating", alternating, false, false, false},
    {"alternating high", alternating_high, false, false, false},
    {"smooth", smooth, false, false, false},
    {"first elements far", first_far, false, false, false},
    {"starts of chunks far", chunk_starts_far, false, false, false},
    {"starts of rows far", row_starts_far, false, false, false},
    {"means by channel", channel_means, false, false, false},
    {"blocks jump", blocks_jump, false, false, false},
    {"step", step, false, false, false},
    {"one unit off", one_unit_off, false, false, false},
    {"one unit off 1e38", one_unit_off_1e38, false, false, false},
    {"one nonzero", one_nonzero, false, false, false},
    {"one subnormal", one_subnormal, false, false, true},
    {"magnitudes", magnitudes, false, false, false},
};
const int pattern_count = sizeof(patterns) / sizeof(patterns[0]);

const struct pattern *pattern_named(const char *name)
{
    for (int i = 0; i < pattern_count; i++) {
        if (strcmp(patterns[i].name, name) == 0)
            return &patterns[i];
    }
    fail_msg("no pattern %s", name);
    return NULL;
}

int64_t group_index(const struct shape *shape, int64_t n, int64_t g, int64_t k)
{
    const int64_t channels = shape->dims[1], spatial = shape_spatial(shape);
    const int64_t c = g * (channels / shape->groups) + k / spatial, s = k % spatial;

    if (shape->layout == GN_CHANNELS_LAST)
        return (n * spatial + s) * channels + c;
    return (n * channels + c) * spatial + s;
}

void pattern_fill(const struct shape *shape, pattern_value *value, uint64_t seed, float *x)
{
    const int64_t spatial = shape_spatial(shape);
    const int64_t m = shape->dims[1] / shape->groups * spatial;
    uint64_t random = seed;

    for (int64_t n = 0; n < shape->dims[0]; n++) {
        for (int64_t g = 0; g < shape->groups; g++) {
            for (int64_t k = 0; k < m; k++)
                x[group_index(shape, n, g, k)] = value(k, m, spatial, &random);
        }
    }
}
