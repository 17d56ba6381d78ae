/* SPDX-License-Identifier: MIT */
#include "plan/partition.h"

#include "plan/plan.h"

enum {
    ROW_TILE = 16384,         /* elements: two spans (SPAN) */
    ROW_TILE_UNIT = 2048,     /* elements: one chunk (CHUNK) */
    MAX_ROW_TILES = 4096,     /* per group, approximately: bounds the scratch */
    COLUMN_TILE = 65536,      /* elements: fits an L2 cache together with dy */
    COLUMN_TILE_UNIT = 64,    /* pixels: one chunk (GN_CHUNK_PIXELS) */
    COLUMN_TILE_WIDTH = 8192, /* channels, at most: bounds the scratch of a thread */
    MAX_COLUMN_TILES = 64,    /* per sample */
    BATCH = 32768,            /* elements: fits an L2 cache together with the output */
    MAX_BATCH_GROUPS = 512,
    MAX_SAMPLE_BLOCKS = 64,
    BLOCK = 8192,     /* elements in a block of samples, at least, approximately: each block costs
                         partial sums */
    ROW_ITEMS = 512,  /* items, approximately: enough for any number of threads */
    SMALL_SAMPLES = 8 /* whose dgamma and dbeta are summed in float */
};

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

static void divide_rows(const struct gn_plan *plan, struct gn_partition *p)
{
    int64_t unit = ROW_TILE_UNIT, S = max(1, plan->S);
    int64_t shortest = ceil_div(plan->D * S, MAX_ROW_TILES);
    int64_t length = max(ROW_TILE, ceil_div(shortest, unit) * unit);
    if (S >= length) {
        p->tile_channels = 1;
        p->tile_length = length;
        p->sums = ceil_div(S, length);
        p->tiles = plan->D * p->sums;
    } else {
        /* As few tiles as possible, of as few rows as then suffice: 4 and 4 rather than 5 and 3. */
        p->tile_channels = ceil_div(plan->D, ceil_div(plan->D, length / S));
        p->tile_length = S;
        p->sums = 1;
        p->tiles = ceil_div(plan->D, p->tile_channels);
    }
    p->moments = p->tiles;
    p->most_items = p->tiles > 1 ? 1 : min(max(1, BATCH / (plan->D * S)), MAX_BATCH_GROUPS);
    p->batch_groups = p->most_items;
}

static void divide_columns(const struct gn_plan *plan, struct gn_partition *p)
{
    int64_t unit = COLUMN_TILE_UNIT, channel_tiles = 1, S = max(1, plan->S);
    p->tile_channels = plan->C;
    p->pieces = 1;
    if (plan->D > COLUMN_TILE_WIDTH) {
        p->tile_channels = COLUMN_TILE_WIDTH;
        p->pieces = ceil_div(plan->D, COLUMN_TILE_WIDTH);
        channel_tiles = plan->G * p->pieces;
    } else if (plan->C > COLUMN_TILE_WIDTH) {
        p->tile_channels = COLUMN_TILE_WIDTH / plan->D * plan->D;
        channel_tiles = ceil_div(plan->C, p->tile_channels);
    }
    int64_t pixels = max(ceil_div(COLUMN_TILE, p->tile_channels), ceil_div(S, MAX_COLUMN_TILES));
    p->tile_length = ceil_div(pixels, unit) * unit;
    p->pixel_tiles = ceil_div(S, p->tile_length);
    p->tiles = p->pixel_tiles * channel_tiles;
    p->moments = p->pixel_tiles * p->pieces;
    p->sums = p->pixel_tiles;
    int64_t most = min(BATCH / S / plan->C, MAX_BATCH_GROUPS / plan->G);
    p->most_items = p->tiles > 1 ? 1 : max(1, most);
    p->batch_groups = p->most_items * plan->G;
}

/* A sequence of `count` tiles. */
static struct gn_tile_shape row_tile(const struct gn_plan *plan, int64_t tile, int64_t count)
{
    const struct gn_partition *p = &plan->parts;
    struct gn_tile_shape t = {.moments = tile};
    if (p->tile_length == plan->S) {
        t.channel = tile * p->tile_channels;
        t.channels = min(count * p->tile_channels, plan->D - t.channel);
        t.length = plan->S;
    } else {
        t.channel = tile / p->sums;
        t.channels = 1;
        t.sums = tile % p->sums;
        t.position = t.sums * p->tile_length;
        t.length = min(count * p->tile_length, plan->S - t.position);
    }
    t.depth = t.channels;
    return t;
}

static struct gn_tile_shape column_tile(const struct gn_plan *plan, int64_t tile)
{
    const struct gn_partition *p = &plan->parts;
    int64_t channel_tiles = p->tiles / p->pixel_tiles;
    int64_t across = tile % channel_tiles, piece = across % p->pieces;
    struct gn_tile_shape t = {.sums = tile / channel_tiles};
    if (p->pieces > 1) {
        int64_t offset = piece * p->tile_channels;
        t.channel = across / p->pieces * plan->D + offset;
        t.channels = min(p->tile_channels, plan->D - offset);
        t.depth = t.channels;
    } else {
        t.channel = across * p->tile_channels;
        t.channels = min(p->tile_channels, plan->C - t.channel);
        t.depth = plan->D;
    }
    t.moments = t.sums * p->pieces + piece;
    t.position = t.sums * p->tile_length;
    t.length = min(p->tile_length, plan->S - t.position);
    return t;
}

void gn_divide(struct gn_plan *plan)
{
    struct gn_partition *p = &plan->parts;
    bool columns = plan->S == 1 || (plan->desc.layout == GN_CHANNELS_LAST && plan->C > 1);
    p->axis = columns ? GN_AXIS_COLUMNS : GN_AXIS_ROWS;
    if (columns)
        divide_columns(plan, p);
    else
        divide_rows(plan, p);
    /*
     * Small groups have kernels only for floats, to which short types are converted, and without an
     * activation.
     */
    bool simple = !plan->is_f64 && !plan->activates && plan->desc.param == GN_F32;
    p->small = plan->S == 1 && p->tiles == 1 && simple;
    p->small_batch = max(1, BATCH / plan->C);
    p->small_sums = min(p->small_batch, SMALL_SAMPLES);
    if (p->tiles == 1)
        p->whole = columns ? column_tile(plan, 0) : row_tile(plan, 0, 1);
    int64_t blocks = columns ? MAX_SAMPLE_BLOCKS : max(1, ROW_ITEMS / plan->G);
    blocks = min(blocks, MAX_SAMPLE_BLOCKS);
    blocks = min(blocks, ceil_div(plan->N, max(1, BLOCK / (plan->C * max(1, plan->S)))));
    p->block_samples = max(1, ceil_div(plan->N, max(1, blocks)));
    p->blocks = ceil_div(plan->N, p->block_samples);
}

void gn_divide_among(struct gn_plan *plan, int threads)
{
    enum { LEAST_CHANNELS = 64 };
    struct gn_partition *p = &plan->parts;
    int64_t tiles = p->blocks * p->pixel_tiles;
    if (p->axis == GN_AXIS_ROWS || p->pieces > 1 || p->most_items > 1 || p->small || tiles == 0)
        return;
    int64_t across = max(1, threads / tiles);
    int64_t groups = max(ceil_div(plan->G, across), ceil_div(LEAST_CHANNELS, plan->D));
    if (groups * plan->D >= p->tile_channels)
        return;
    p->tile_channels = groups * plan->D;
    p->tiles = p->pixel_tiles * ceil_div(plan->C, p->tile_channels);
}

/* The length of a sequence within `tiles` tiles, of which `in_row` belong to the same row. */
static int64_t sequence(const struct gn_plan *plan, int64_t tiles, int64_t in_row, int64_t most)
{
    if (plan->parts.axis == GN_AXIS_COLUMNS)
        return 1;
    bool whole_rows = plan->parts.sums == 1;
    return min(whole_rows ? tiles : min(tiles, in_row), most);
}

int64_t gn_sequence_from(const struct gn_plan *plan, int64_t first, int64_t end, int64_t most)
{
    int64_t sums = plan->parts.sums;
    return sequence(plan, end - first, sums - first % sums, most);
}

int64_t gn_sequence_before(const struct gn_plan *plan, int64_t first, int64_t end, int64_t most)
{
    return sequence(plan, end - first, (end - 1) % plan->parts.sums + 1, most);
}

const struct gn_tile_shape *gn_tile_shape_at(const struct gn_plan *plan, int64_t tile,
                                             int64_t count, struct gn_tile_shape *sequence)
{
    const struct gn_partition *p = &plan->parts;
    if (p->tiles == 1)
        return &p->whole;
    *sequence = p->axis == GN_AXIS_COLUMNS ? column_tile(plan, tile) : row_tile(plan, tile, count);
    return sequence;
}

double gn_moments_count(const struct gn_plan *plan, int64_t set)
{
    const struct gn_partition *p = &plan->parts;
    if (p->moments == 1)
        return (double)(plan->D * plan->S);
    if (p->axis == GN_AXIS_ROWS) {
        struct gn_tile_shape t = row_tile(plan, set, 1);
        return (double)(t.channels * t.length);
    }
    /*
     * With several pieces per group, the tiles of the first group come first in each row of tiles.
     */
    int64_t channel_tiles = p->tiles / p->pixel_tiles;
    struct gn_tile_shape t = column_tile(plan, set / p->pieces * channel_tiles + set % p->pieces);
    return (double)(t.depth * t.length);
}
