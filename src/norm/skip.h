/* SPDX-License-Identifier: MIT */
/* Skip connections: the sum that is normalized, and the gradient of a skip of [N, C]. */
#ifndef GN_SKIP_H
#define GN_SKIP_H

#include "norm/backward.h"
#include "norm/buffers.h"
#include "norm/forward.h"
#include "norm/tiles.h"

/*
 * Stores x + skip for a region in the source of the call, and returns it in `sum` as an operand
 * that kernels can read.
 */
void gn_add_skip(const struct gn_forward_call *call, const struct gn_region *region,
                 const struct gn_buffers *buffers, struct gn_operand *sum);

/* Stores dskip for the channels of a range, from the sums and coefficients in the workspace. */
void gn_store_dskip(const struct gn_backward_call *call, const struct gn_workspace *ws,
                    const struct gn_group_range *range);

/*
 * For channels of one element, where dskip equals dx: computes dskip in place of dx, or copies it
 * from dx. The call wants both, or only dskip.
 */
gn_status gn_run_with_dskip_as_dx(struct gn_backward_call *call);

#endif
