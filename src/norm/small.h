/* SPDX-License-Identifier: MIT */
/*
 * Small groups: the passes where channels have one element each, over whole samples at once. In the
 * forward pass an item is a sample, in the backward pass a block of samples.
 */
#ifndef GN_SMALL_H
#define GN_SMALL_H

#include "run/schedule.h"

void gn_forward_small(const struct gn_place *place, int64_t tile);
void gn_backward_small(const struct gn_place *place, int64_t tile);

#endif
