/* SPDX-License-Identifier: MIT */
/* The moments of tiles, which both passes compute. */
#ifndef GN_TILE_MOMENTS_H
#define GN_TILE_MOMENTS_H

#include "norm/tiles.h"

/*
 * Stores the moments of a tile's groups, or of each tile of a sequence, in their sets. k is the
 * kernel's tile for t, with x set; rows of x with gaps are replaced by a copy without them.
 */
void gn_find_tile_moments(const gn_plan *plan, const struct gn_workspace *ws,
                          const struct gn_work_tile *t, struct gn_tile *k);

/* The moments of each channel of a tile, for dskip. */
void gn_find_channel_moments(const gn_plan *plan, const struct gn_work_tile *t, struct gn_tile *k,
                             struct gn_moments out);

#endif
