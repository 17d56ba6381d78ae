/* SPDX-License-Identifier: MIT */
/* Skip connections: the sum that is normalized, and the gradient of a skip of [N, C]. */
#ifndef GN_SKIP_H
#define GN_SKIP_H

#include "norm/backward.h"
#include "norm/buffers.h"
#include "norm/forward.h"
#include "norm/tiles.h"

/* Adds skip to a region of x, into where it is normalized from, and where kernels can read it. */
void gn_add_skip(const struct gn_forward_call *call, const struct gn_region *region,
                 const struct gn_buffers *buffers, struct gn_operand *sum);

/* The sums of dx over the channels of some groups, from what is in the workspace. */
void gn_store_dskip(const struct gn_backward_call *call, const struct gn_workspace *ws,
                    const struct gn_group_range *range);

/*
 * Where channels have one element, dskip is dx: found in its place, or copied from there. The call
 * wants both, or dskip only.
 */
gn_status gn_run_with_dskip_as_dx(struct gn_backward_call *call);

#endif
