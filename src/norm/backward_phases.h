/* SPDX-License-Identifier: MIT */
/*
 * The phases of the backward pass: moments, only where the rounding of the stored mean matters;
 * gradient sums; apply. Each is a function on tiles and, except for apply, a function on the
 * groups that the tiles complete.
 */
#ifndef GN_BACKWARD_PHASES_H
#define GN_BACKWARD_PHASES_H

#include "plan/plan.h"
#include "run/schedule.h"

/*
 * Whether moments have a phase of their own before the sums, because the sums need the forward
 * coefficients. Without an activation, float sums need only the stored mean. Then moments, where
 * they matter, are computed in the same phase as the sums, while x is in the cache.
 */
bool gn_has_moments_phase(const gn_plan *plan);

void gn_backward_moments_tiles(const struct gn_place *place, int64_t first, int64_t end);
void gn_backward_moments_groups(const struct gn_place *place, int64_t first_unit,
                                int64_t last_unit);
void gn_backward_sums_tiles(const struct gn_place *place, int64_t first, int64_t end);
void gn_backward_sums_groups(const struct gn_place *place, int64_t first_unit, int64_t last_unit);
void gn_backward_apply_tiles(const struct gn_place *place, int64_t first, int64_t end);

#endif
