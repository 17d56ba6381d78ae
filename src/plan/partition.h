/* SPDX-License-Identifier: MIT */
/*
 * How a plan's tensors are divided: into tiles that fit a cache and, where groups are small, into
 * batches of groups. The order of sums follows from the shape only, so that results depend on the
 * shape and not on the machine or the threads.
 */
#ifndef GN_PARTITION_H
#define GN_PARTITION_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/kernels.h"

/* A part of a group (rows) or of a sample (columns). */
struct gn_tile_shape {
    int64_t channel,
        channels; /* its channels: within the group (rows), or within the sample (columns) */
    int64_t position, length; /* elements position to position + length - 1 of each channel */
    int64_t moments,
        sums;      /* index of its set of moments per group, and of its set of sums per channel */
    int64_t depth; /* consecutive channels of the tile that belong to one group */
};

struct gn_partition {
    /*
     * Columns for channels last, and for S = 1. A tensor with one channel is rows in either layout
     * unless S = 1.
     */
    enum gn_axis axis;

    /*
     * Whether the groups are small: columns of one pixel, with few enough channels for a single
     * tile, computed in float, without an activation. Then `small_batch` is the largest number of
     * samples in a batch, and `small_sums` the number of samples whose dgamma and dbeta are summed
     * in float.
     */
    bool small;
    int64_t small_batch, small_sums;

    /*
     * The tiles of a group (rows) or of a sample (columns). Rows: a tile is tile_channels whole
     * rows or, with tile_channels = 1, tile_length elements of one row. Columns: a tile is
     * tile_length pixels of tile_channels channels. These are all channels, or some whole groups
     * or, with pieces > 1, one of the `pieces` pieces of a group.
     */
    int64_t tiles, tile_channels, tile_length;
    int64_t pixel_tiles, pieces; /* columns only: tiles over the spatial extent; pieces per group */

    struct gn_tile_shape whole; /* the only tile, if tiles = 1 */

    /* The number of sets of moments per group, and of sets of sums per channel. */
    int64_t moments, sums;

    /* The most items in a batch: groups (rows) or samples (columns) of a single tile; else 1. */
    int64_t most_items;
    int64_t batch_groups; /* the groups in such a batch */

    /* dgamma and dbeta are summed over blocks of block_samples samples, then over the blocks. */
    int64_t blocks, block_samples;
};

struct gn_plan;

/* Sets plan->parts from the plan's shape. */
void gn_divide(struct gn_plan *plan);

/*
 * Divides tiles of columns further, between groups, until all blocks of samples together have about
 * one for each thread. No result changes: every sum is over the pixels of a tile, which stay as
 * they are. A tile keeps at least 64 channels.
 */
void gn_divide_among(struct gn_plan *plan, int threads);

/*
 * A sequence of tiles can be processed as one: in rows, tiles of whole rows, or tiles of one row.
 * In columns it is a single tile. These are the lengths, at most `most`, of the longest sequence
 * within tiles first to end - 1 whose first tile is `first`, and of the longest one whose last tile
 * is end - 1.
 */
int64_t gn_sequence_from(const struct gn_plan *plan, int64_t first, int64_t end, int64_t most);
int64_t gn_sequence_before(const struct gn_plan *plan, int64_t first, int64_t end, int64_t most);

/*
 * The shape of a tile, or of a sequence of `count` tiles as if it were one: the plan's own if there
 * is only one tile, else `sequence`, which this function fills.
 */
const struct gn_tile_shape *gn_tile_shape_at(const struct gn_plan *plan, int64_t tile,
                                             int64_t count, struct gn_tile_shape *sequence);

/* The number of a group's elements that one set of moments covers. */
double gn_moments_count(const struct gn_plan *plan, int64_t set);

#endif
