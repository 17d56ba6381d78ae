/* SPDX-License-Identifier: MIT */
/* gn_plan: a validated shape, its kernels, its partition into tiles, and its scratch memory. */
#ifndef GN_PLAN_H
#define GN_PLAN_H

#include <stdbool.h>

#include "desc.h"
#include "kernels/kernels.h"
#include "schedule.h"
#include "scratch.h"

struct gn_plan {
    struct gn_desc desc;
    const struct gn_kernels *kernels;

    int64_t N, C, S, G, D;
    int64_t elements; /* of a tensor */

    /*
     * Whether channels are columns in memory: channels last, or S = 1. A single channel is a row in
     * either layout.
     */
    bool columns;

    /*
     * The tiles of a group (rows) or of a sample (columns), from the shape alone. Rows: either
     * tile_channels whole rows, or, with tile_channels = 1, tile_length elements of one. Columns:
     * tile_length pixels of tile_channels channels, which are all, or some groups, or, with pieces
     * > 1, one of the pieces of a group.
     */
    int64_t tiles, tile_channels, tile_length;
    int64_t pixel_tiles, pieces; /* columns */

    /* dgamma and dbeta are summed over blocks of so many samples, then over the blocks. */
    int64_t blocks, block_samples;

    double floor; /* see kernels.h, moments_rows */

    gn_scratch_keeper scratch;
};

/* Channels `channel`... of a group, each `length` elements, that begin at x[start]. */
struct gn_row_tile {
    int64_t start, channel, channels, length;
    int64_t sums; /* index in the group of its first sum, where each tile has one a channel */
};

/* `pixels` rows of the channels `channel`... that begin at x[start] and are C elements apart. */
struct gn_column_tile {
    int64_t start, pixels, channel, channels;
    int64_t pixel_tile;
    int64_t depth; /* channels of a group in it */
    int64_t
        moments; /* index in the sample of its first moments: one a pixel tile, group and piece */
};

struct gn_row_tile gn_plan_row_tile(const gn_plan *plan, int64_t n, int64_t g, int64_t tile);
struct gn_column_tile gn_plan_column_tile(const gn_plan *plan, int64_t n, int64_t tile);

/* The moments of group g of those of all tiles of a group (rows) or of a sample (columns). */
struct gn_moments gn_plan_merge(const gn_plan *plan, const struct gn_moments *moments, int64_t g);

/* The bytes of those moments. */
int64_t gn_plan_moments_bytes(const gn_plan *plan);

/*
 * The channels from c + n of a column tile on that belong to the same group and have room in a
 * strip that began at c.
 */
int64_t gn_strip_run(const gn_plan *plan, const struct gn_column_tile *t, int64_t c, int64_t n);

/* The sums that a channel of a group has in all tiles together. */
int64_t gn_plan_sums_per_channel(const gn_plan *plan);

/* Runs a job with the plan's threads and scratch. Fails for want of memory alone. */
gn_status gn_plan_run(const gn_plan *plan, struct gn_job *job);

#endif
