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
     * tile_length pixels of all channels.
     */
    int64_t tiles, tile_channels, tile_length;

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

/* `pixels` rows of C elements that begin at x[start]. */
struct gn_column_tile {
    int64_t start, pixels;
};

struct gn_row_tile gn_plan_row_tile(const gn_plan *plan, int64_t n, int64_t g, int64_t tile);
struct gn_column_tile gn_plan_column_tile(const gn_plan *plan, int64_t n, int64_t tile);

/* The sums that a channel of a group has in all tiles together. */
int64_t gn_plan_sums_per_channel(const gn_plan *plan);

/* Runs a job with the plan's threads and scratch. Fails for want of memory alone. */
gn_status gn_plan_run(const gn_plan *plan, struct gn_job *job);

#endif
