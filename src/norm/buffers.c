/* SPDX-License-Identifier: MIT */
#include "norm/buffers.h"

int64_t gn_saved_g_bytes(const gn_plan *plan)
{
    const struct gn_partition *p = &plan->parts;
    if (!plan->activates || plan->is_f64 || p->tiles > 1)
        return 0;
    int64_t item = p->axis == GN_AXIS_COLUMNS ? plan->C * plan->S : plan->D * plan->S;
    return gn_round_up(p->most_items * item * (int64_t)sizeof(float));
}

int64_t gn_buffers_bytes(const gn_plan *plan, bool backward)
{
    int64_t operands = 3 * plan->operand_bytes + plan->raw_bytes;
    if (backward)
        return operands + plan->scratch_bytes + gn_saved_g_bytes(plan);
    /* The moments need no space for the g of an activation. */
    bool columns = plan->parts.axis == GN_AXIS_COLUMNS;
    int64_t scratch = gn_columns_scratch_bytes(plan->parts.tile_channels, false);
    return operands + (columns ? gn_round_up(scratch) : 0);
}
