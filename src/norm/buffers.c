/* SPDX-License-Identifier: MIT */
#include "norm/buffers.h"

int64_t gn_buffers_bytes(const gn_plan *plan, bool backward)
{
    int64_t operands = 3 * plan->operand_bytes + plan->raw_bytes;
    if (backward)
        return operands + plan->scratch_bytes;
    /* The moments need no space for the g of an activation. */
    bool columns = plan->parts.axis == GN_AXIS_COLUMNS;
    int64_t scratch = gn_columns_scratch_bytes(plan->parts.tile_channels, false);
    return operands + (columns ? gn_round_up(scratch) : 0);
}
