/* SPDX-License-Identifier: MIT */
#include "plan.h"

#include <inttypes.h>
#include <stdlib.h>

#include "backward.h"
#include "error.h"
#include "forward.h"
#include "isa.h"

enum {
    ROW_TILE = 8192,          /* elements: four chunks */
    ROW_TILE_UNIT = 2048,     /* elements: one chunk */
    MAX_ROW_TILES = 4096,     /* of a group, about: bounds the scratch */
    COLUMN_TILE = 65536,      /* elements: together with dy, inside an L2 cache */
    COLUMN_TILE_UNIT = 64,    /* pixels: one chunk */
    COLUMN_TILE_WIDTH = 8192, /* channels, at most: bounds a thread's work area */
    MAX_COLUMN_TILES = 64,    /* of a sample */
    MAX_SAMPLE_BLOCKS = 64
};

/* Scratch for so many channels cannot be had; with more, its size might overflow. */
#define MAX_CHANNELS (INT64_C(1) << 40)

static int64_t ceil_div(int64_t a, int64_t b)
{
    return a / b + (a % b != 0);
}

static int64_t max(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t min(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void partition_rows(gn_plan *plan)
{
    int64_t unit = ROW_TILE_UNIT;
    int64_t shortest = ceil_div(plan->D * plan->S, MAX_ROW_TILES);
    int64_t length = max(ROW_TILE, ceil_div(shortest, unit) * unit);
    if (plan->S >= length) {
        plan->tile_channels = 1;
        plan->tile_length = length;
        plan->tiles = plan->D * ceil_div(plan->S, length);
    } else {
        plan->tile_channels = length / max(1, plan->S);
        plan->tile_length = plan->S;
        plan->tiles = ceil_div(plan->D, plan->tile_channels);
    }
}

static void partition_columns(gn_plan *plan)
{
    int64_t unit = COLUMN_TILE_UNIT, channel_tiles = 1;
    plan->tile_channels = plan->C;
    plan->pieces = 1;
    if (plan->D > COLUMN_TILE_WIDTH) {
        plan->tile_channels = COLUMN_TILE_WIDTH;
        plan->pieces = ceil_div(plan->D, COLUMN_TILE_WIDTH);
        channel_tiles = plan->G * plan->pieces;
    } else if (plan->C > COLUMN_TILE_WIDTH) {
        plan->tile_channels = COLUMN_TILE_WIDTH / plan->D * plan->D;
        channel_tiles = ceil_div(plan->C, plan->tile_channels);
    }
    int64_t pixels =
        max(ceil_div(COLUMN_TILE, plan->tile_channels), ceil_div(plan->S, MAX_COLUMN_TILES));
    plan->tile_length = ceil_div(pixels, unit) * unit;
    plan->pixel_tiles = ceil_div(plan->S, plan->tile_length);
    plan->tiles = plan->pixel_tiles * channel_tiles;
}

static void set_shape(gn_plan *plan)
{
    const struct gn_desc *desc = &plan->desc;
    plan->N = desc->dims[0];
    plan->C = desc->dims[1];
    plan->S = 1;
    for (int i = 2; i < desc->rank; i++)
        plan->S *= desc->dims[i];
    plan->G = desc->groups;
    plan->D = plan->C / plan->G;
    plan->elements = plan->N * plan->C * plan->S;
    plan->columns = plan->S == 1 || (desc->layout == GN_CHANNELS_LAST && plan->C > 1);
    if (plan->columns)
        partition_columns(plan);
    else
        partition_rows(plan);
    plan->block_samples = max(1, ceil_div(plan->N, MAX_SAMPLE_BLOCKS));
    plan->blocks = ceil_div(plan->N, plan->block_samples);
    /* Squares that underflow do not matter beside an epsilon that is much larger. */
    plan->floor = desc->epsilon >= 0x1p-60 ? 0 : 0x1p-100;
}

struct gn_row_tile gn_plan_row_tile(const gn_plan *plan, int64_t n, int64_t g, int64_t tile)
{
    int64_t group = (n * plan->C + g * plan->D) * plan->S;
    struct gn_row_tile t;
    int64_t position = 0;
    if (plan->tile_length == plan->S) {
        t.channel = tile * plan->tile_channels;
        t.channels = min(plan->tile_channels, plan->D - t.channel);
        t.length = plan->S;
        t.sums = t.channel;
    } else {
        int64_t per_channel = gn_plan_sums_per_channel(plan);
        t.channel = tile / per_channel;
        t.channels = 1;
        position = tile % per_channel * plan->tile_length;
        t.length = min(plan->tile_length, plan->S - position);
        t.sums = tile;
    }
    t.start = group + t.channel * plan->S + position;
    t.channel += g * plan->D;
    return t;
}

int64_t gn_plan_sums_per_channel(const gn_plan *plan)
{
    return max(1, ceil_div(plan->S, max(1, plan->tile_length)));
}

struct gn_column_tile gn_plan_column_tile(const gn_plan *plan, int64_t n, int64_t tile)
{
    int64_t channel_tiles = plan->tiles / plan->pixel_tiles;
    int64_t across = tile % channel_tiles;
    struct gn_column_tile t = {.pixel_tile = tile / channel_tiles};
    if (plan->pieces > 1) {
        int64_t g = across / plan->pieces, offset = across % plan->pieces * plan->tile_channels;
        t.channel = g * plan->D + offset;
        t.channels = min(plan->tile_channels, plan->D - offset);
        t.depth = t.channels;
        t.moments = across;
    } else {
        t.channel = across * plan->tile_channels;
        t.channels = min(plan->tile_channels, plan->C - t.channel);
        t.depth = plan->D;
        t.moments = t.channel / plan->D;
    }
    t.moments += t.pixel_tile * plan->G * plan->pieces;
    int64_t pixel = t.pixel_tile * plan->tile_length;
    t.pixels = min(plan->tile_length, plan->S - pixel);
    t.start = (n * plan->S + pixel) * plan->C + t.channel;
    return t;
}

int64_t gn_strip_run(const gn_plan *plan, const struct gn_column_tile *t, int64_t c, int64_t n)
{
    int64_t in_group = plan->D - (t->channel + c + n) % plan->D;
    return min(min(in_group, t->channels - c - n), GN_STRIP - n);
}

int64_t gn_plan_moments_bytes(const gn_plan *plan)
{
    int64_t count = plan->columns ? plan->pixel_tiles * plan->G * plan->pieces : plan->tiles;
    return count * (int64_t)sizeof(struct gn_moments);
}

struct gn_moments gn_plan_merge(const gn_plan *plan, const struct gn_moments *moments, int64_t g)
{
    if (!plan->columns) {
        struct gn_moments all = moments[0];
        for (int64_t tile = 1; tile < plan->tiles; tile++)
            gn_merge_moments(&all, &moments[tile]);
        return all;
    }
    struct gn_moments all = moments[g * plan->pieces];
    for (int64_t i = 1; i < plan->pixel_tiles * plan->pieces; i++) {
        int64_t across = g * plan->pieces + i % plan->pieces;
        gn_merge_moments(&all, &moments[i / plan->pieces * plan->G * plan->pieces + across]);
    }
    return all;
}

static gn_status choose_kernels(gn_plan *plan)
{
    if (plan->desc.isa != GN_ISA_AUTO) {
        plan->kernels = gn_kernels_for(plan->desc.isa);
        return GN_OK;
    }
    int highest = GN_ISA_AUTO;
    const char *name = getenv("GN_ISA");
    if (name && *name) {
        highest = gn_isa_from_name(name);
        if (highest < 0)
            return gn_fail(GN_INVALID_ARGUMENT,
                           "GN_ISA = \"%.32s\" in the environment is not auto, generic, avx2, "
                           "avx512 or neon",
                           name);
    }
    plan->kernels = gn_kernels_best((gn_isa)highest);
    return GN_OK;
}

/* Gets the scratch that the first call will need, so that it allocates nothing. */
static gn_status prepare_scratch(gn_plan *plan)
{
    if (plan->elements == 0)
        return GN_OK;
    if (plan->C > MAX_CHANNELS)
        return gn_fail(GN_OUT_OF_MEMORY, "no memory for scratch for %" PRId64 " channels", plan->C);
    int threads = gn_schedule_threads(plan->desc.threads, plan->elements);
    int64_t bytes = max(gn_forward_scratch(plan, threads), gn_backward_scratch(plan, threads));
    struct gn_scratch *scratch = gn_scratch_take(&plan->scratch, bytes);
    if (!scratch)
        return gn_fail(GN_OUT_OF_MEMORY, "no memory for %" PRId64 " bytes of scratch", bytes);
    gn_scratch_give(&plan->scratch, scratch);
    return GN_OK;
}

gn_status gn_plan_create(gn_plan **out, const gn_desc *desc)
{
    if (!out)
        return gn_fail(GN_INVALID_ARGUMENT, "plan is NULL");
    *out = NULL;
    if (!desc)
        return gn_fail(GN_INVALID_ARGUMENT, "desc is NULL");
    gn_status status = gn_desc_check(desc);
    if (status != GN_OK)
        return status;
    gn_plan *plan = calloc(1, sizeof *plan);
    if (!plan)
        return gn_fail(GN_OUT_OF_MEMORY, "no memory for a plan of %zu bytes", sizeof *plan);
    plan->desc = *desc;
    set_shape(plan);
    status = choose_kernels(plan);
    if (status == GN_OK)
        status = prepare_scratch(plan);
    if (status == GN_OK)
        *out = plan;
    else
        gn_plan_destroy(plan);
    return status;
}

void gn_plan_destroy(gn_plan *plan)
{
    if (!plan)
        return;
    gn_scratch_give(&plan->scratch, NULL);
    free(plan);
}

gn_status gn_plan_run(const gn_plan *plan, struct gn_job *job)
{
    /* Handing scratch around changes nothing that a caller can see: hence no const. */
    gn_scratch_keeper *keeper = (gn_scratch_keeper *)(uintptr_t)&plan->scratch;
    int threads = gn_schedule_threads(plan->desc.threads, plan->elements);
    int64_t bytes = gn_schedule_scratch(job, threads);
    struct gn_scratch *scratch = gn_scratch_take(keeper, bytes);
    if (!scratch)
        return gn_fail(GN_OUT_OF_MEMORY, "no memory for %" PRId64 " bytes of scratch", bytes);
    gn_schedule_run(job, threads, scratch->memory);
    gn_scratch_give(keeper, scratch);
    return GN_OK;
}
