/* SPDX-License-Identifier: MIT */
#include "support.h"
#include "progress.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The constants of a linear congruential generator (Knuth's MMIX). */
#define FACTOR UINT64_C(6364136223846793005)
#define OFFSET UINT64_C(1442695040888963407)

uint64_t random_next(uint64_t *state)
{
    *state = *state * FACTOR + OFFSET;
    return *state >> 32;
}

int64_t random_range(uint64_t *state, int64_t lowest, int64_t highest)
{
    return lowest + (int64_t)(random_next(state) % (uint64_t)(highest - lowest + 1));
}

float random_uniform(uint64_t *state)
{
    return (float)((int64_t)(random_next(state) >> 11) - (1 << 20)) * 0x1p-20f;
}

float random_normal(uint64_t *state)
{
    /* Does four steps of random_next in one, so that the processor need not wait for one step
     * before it starts the next. Many tests spend much of their time in this function. */
    const uint64_t factor = FACTOR * FACTOR * FACTOR * FACTOR;
    const uint64_t offset = OFFSET * (FACTOR * FACTOR * FACTOR + FACTOR * FACTOR + FACTOR + 1);
    uint64_t last[4];
    int64_t sum = -12 * (1 << 17);

    /* The sum of twelve uniform variables in [-1/2, 1/2) has variance 1. */
    for (int i = 0; i < 4; i++) {
        sum += (int64_t)(random_next(state) >> 14);
        last[i] = *state;
    }
    for (int k = 0; k < 2; k++) {
        for (int i = 0; i < 4; i++) {
            last[i] = last[i] * factor + offset;
            sum += (int64_t)(last[i] >> 46);
        }
    }
    *state = last[3];
    return (float)sum * 0x1p-18f;
}

int64_t shape_spatial(const struct shape *shape)
{
    int64_t product = 1;

    for (int i = 2; i < shape->rank; i++)
        product *= shape->dims[i];
    return product;
}

int64_t shape_elements(const struct shape *shape)
{
    return shape->dims[0] * shape->dims[1] * shape_spatial(shape);
}

const char *shape_text(const struct shape *shape, char text[160])
{
    int used = snprintf(text, 160, "[");

    for (int i = 0; i < shape->rank; i++)
        used += snprintf(text + used, 160 - (size_t)used, i ? ", %lld" : "%lld",
                         (long long)shape->dims[i]);
    snprintf(text + used, 160 - (size_t)used, "] G=%lld channels %s eps=%g%s",
             (long long)shape->groups, shape->layout == GN_CHANNELS_LAST ? "last" : "first",
             shape->eps, shape->affine == GN_AFFINE_SAMPLE ? " affine by sample" : "");
    return text;
}

int64_t tensor_count(const struct shape *shape, enum tensor tensor)
{
    switch (tensor) {
    case X:
    case Y:
    case DY:
    case DX:
        return shape_elements(shape);
    case MEAN:
    case RSTD:
        return shape->dims[0] * shape->groups;
    case GAMMA:
    case BETA:
    case DGAMMA:
    case DBETA:
    case TENSORS:
        break;
    }
    return shape->affine == GN_AFFINE_SAMPLE ? shape->dims[0] * shape->dims[1] : shape->dims[1];
}

const char *tensor_name(enum tensor tensor)
{
    static const char *const names[TENSORS] = {"x",    "gamma", "beta", "dy",     "y",
                                               "mean", "rstd",  "dx",   "dgamma", "dbeta"};
    return names[tensor];
}

int available_isas(gn_isa isas[ISAS])
{
    const int64_t dims[2] = {1, 1};
    gn_desc *desc;
    int count = 0;

    assert_int_equal(gn_desc_create(&desc, 2, dims), GN_OK);
    for (int isa = GN_ISA_GENERIC; isa < ISAS; isa++) {
        if (gn_desc_set_isa(desc, (gn_isa)isa) == GN_OK)
            isas[count++] = (gn_isa)isa;
    }
    gn_desc_destroy(desc);
    assert_in_range(count, 1, ISAS - 1);
    assert_int_equal(isas[0], GN_ISA_GENERIC);
    return count;
}

const char *activation_name(gn_activation activation)
{
    static const char *const names[ACTIVATIONS] = {"identity", "relu", "silu"};
    return names[activation];
}

const char *isa_name(gn_isa isa)
{
    static const char *const names[ISAS] = {"auto", "generic", "avx2", "avx512", "neon"};
    return names[isa];
}

gn_desc *make_desc(const struct shape *shape)
{
    gn_desc *desc;

    progress_tick();
    if (gn_desc_create(&desc, shape->rank, shape->dims) != GN_OK ||
        gn_desc_set_groups(desc, shape->groups) != GN_OK ||
        gn_desc_set_layout(desc, shape->layout) != GN_OK ||
        gn_desc_set_epsilon(desc, shape->eps) != GN_OK ||
        gn_desc_set_affine(desc, shape->affine) != GN_OK)
        fail_msg("descriptor: %s", gn_last_error());
    return desc;
}

gn_plan *make_plan(const struct shape *shape, gn_isa isa, int threads)
{
    gn_desc *desc = make_desc(shape);
    gn_plan *plan = NULL;

    if (gn_desc_set_isa(desc, isa) != GN_OK || gn_desc_set_threads(desc, threads) != GN_OK ||
        gn_plan_create(&plan, desc) != GN_OK)
        fail_msg("plan: %s", gn_last_error());
    gn_desc_destroy(desc);
    return plan;
}

gn_status call_forward(const gn_plan *plan, float *const tensors[TENSORS])
{
    return gn_forward(plan, tensors[X], tensors[GAMMA], tensors[BETA], tensors[Y], tensors[MEAN],
                      tensors[RSTD]);
}

gn_status call_backward(const gn_plan *plan, float *const tensors[TENSORS])
{
    return gn_backward(plan, tensors[DY], tensors[X], tensors[MEAN], tensors[RSTD], tensors[GAMMA],
                       tensors[BETA], tensors[DX], tensors[DGAMMA], tensors[DBETA]);
}

void tensors_create(const struct shape *shape, float *tensors[TENSORS])
{
    for (int t = 0; t < TENSORS; t++) {
        const int64_t count = tensor_count(shape, (enum tensor)t);

        tensors[t] = malloc((size_t)(count ? count : 1) * sizeof(float));
        assert_non_null(tensors[t]);
        for (int64_t i = 0; t >= FIRST_OUTPUT && i < count; i++)
            tensors[t][i] = NAN;
    }
}

void tensors_destroy(float *tensors[TENSORS])
{
    for (int t = 0; t < TENSORS; t++)
        free(tensors[t]);
}

void tensors_fill(const struct shape *shape, uint64_t seed, float *tensors[TENSORS])
{
    const int64_t elements = shape_elements(shape);
    uint64_t state = seed * 2654435761u + 1;

    for (int64_t c = 0; c < tensor_count(shape, GAMMA); c++) {
        tensors[GAMMA][c] = 1.0f + 0.5f * random_uniform(&state);
        tensors[BETA][c] = random_uniform(&state);
    }
    for (int64_t i = 0; i < elements; i++) {
        tensors[X][i] = random_normal(&state) + 0.25f;
        tensors[DY][i] = random_normal(&state);
    }
}

bool same_bits(const float *a, const float *b, int64_t count, int64_t *where)
{
    if (count == 0 || memcmp(a, b, (size_t)count * sizeof(float)) == 0)
        return true;
    for (int64_t i = 0; i < count; i++) {
        if (memcmp(&a[i], &b[i], sizeof(float)) != 0 && !(isnan(a[i]) && isnan(b[i]))) {
            *where = i;
            return false;
        }
    }
    return true;
}

bool quick(void)
{
    const char *value = getenv("GN_TEST_QUICK");

    return value && strcmp(value, "1") == 0;
}
