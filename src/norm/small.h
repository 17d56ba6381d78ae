/* SPDX-License-Identifier: MIT */
/*
 * Small groups: the passes for channels of one element, over whole samples at once. An item is a
 * sample in the forward pass, a block of samples in the backward pass.
 */
#ifndef GN_SMALL_H
#define GN_SMALL_H

#include "run/schedule.h"

void gn_forward_small(const struct gn_place *place, int64_t first_tile, int64_t last_tile);
void gn_backward_small(const struct gn_place *place, int64_t first_tile, int64_t last_tile);

#endif
