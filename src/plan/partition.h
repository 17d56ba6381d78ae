/* SPDX-License-Identifier: MIT */
/*
 * How a plan's tensors are divided: into tiles, each small enough for a cache, and where groups are
 * small, into batches of them. All follows from the shape alone, so that results do too.
 */
#ifndef GN_PARTITION_H
#define GN_PARTITION_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/kernels.h"

/* A part of a group (rows) or of a sample (columns). */
struct gn_tile_shape {
    int64_t channel, channels; /* of the group, or of the sample */
    int64_t position, length;  /* elements of each channel, from this one on */
    int64_t moments, sums;     /* which sets of the group or the channels are its own */
    int64_t depth;             /* channels of a group in it */
};

struct gn_partition {
    /*
     * Columns: channels last, or S = 1. A single channel is a row in either layout.
     */
    enum gn_axis axis;

    /*
     * Whether the groups are small: columns of one pixel, of few enough channels for a single tile,
     * in float without an activation. Then how many samples are worked on as one, at most, and for
     * how many of them dgamma and dbeta are added up in float.
     */
    bool small;
    int64_t small_batch, small_sums;

    /*
     * The tiles of a group (rows) or of a sample (columns). Rows: either tile_channels whole rows,
     * or, with tile_channels = 1, tile_length elements of one. Columns: tile_length pixels of
     * tile_channels channels, which are all, or some groups, or, with pieces > 1, one of the pieces
     * of a group.
     */
    int64_t tiles, tile_channels, tile_length;
    int64_t pixel_tiles, pieces; /* columns */

    struct gn_tile_shape whole; /* where there is but one tile */

    /* How many sets of moments a group has from the tiles, and of sums a channel. */
    int64_t moments, sums;

    /* Groups (rows) or samples (columns) of a single tile that are worked off as one, at most. */
    int64_t most_items;
    int64_t batch_groups; /* the groups of so many */

    /* dgamma and dbeta are summed over blocks of so many samples, then over the blocks. */
    int64_t blocks, block_samples;
};

struct gn_plan;

/* Divides the shape that the plan has. */
void gn_divide(struct gn_plan *plan);

/* A tile: the plan's own where there is one alone, else made in the room. */
const struct gn_tile_shape *gn_tile_shape_at(const struct gn_plan *plan, int64_t tile,
                                             struct gn_tile_shape *room);

/* The elements of a group behind one set of moments. */
double gn_moments_count(const struct gn_plan *plan, int64_t set);

#endif
