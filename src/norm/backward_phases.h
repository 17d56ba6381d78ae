/* SPDX-License-Identifier: MIT */
/*
 * The phases of the backward pass: {moments only where the rounding of the stored mean matters,
 * gradient sums, apply}, each a function on a tile and one on the groups that tiles complete.
 */
#ifndef GN_BACKWARD_PHASES_H
#define GN_BACKWARD_PHASES_H

#include "plan/plan.h"
#include "run/schedule.h"

/*
 * Whether moments come in a phase of their own, before sums that need the coefficients. Without an
 * activation, sums of floats need no more than the stored mean: then moments, where they matter,
 * are found in the same phase as the sums, while x is in the cache.
 */
bool gn_has_moments_phase(const gn_plan *plan);

void gn_backward_moments_tile(const struct gn_place *place, int64_t tile);
void gn_backward_moments_groups(const struct gn_place *place, int64_t first_unit,
                                int64_t last_unit);
void gn_backward_sums_tile(const struct gn_place *place, int64_t tile);
void gn_backward_sums_groups(const struct gn_place *place, int64_t first_unit, int64_t last_unit);
void gn_backward_apply_tile(const struct gn_place *place, int64_t tile);

#endif
