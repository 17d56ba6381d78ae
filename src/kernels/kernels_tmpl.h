/* SPDX-License-Identifier: MIT */
/*
 * All kernels of one instruction set. Before including it, include a vector vocabulary (vec.h) and
 * define KERNELS, the table's name, ISA, the instruction set, and ISA_NAME, its name as text.
 */
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "kernels.h"
#include "reals.h"

#include "convert_tmpl.h"
#include "folds_tmpl.h"
#include "groups_tmpl.h"
#include "statistics_tmpl.h"

#define REAL float
#define R f32
#include "act_tmpl.h"
#include "moments_tmpl.h"
#include "coefficients_tmpl.h"
#include "map_tmpl.h"
#include "map_row_tmpl.h"
#include "normalize_tmpl.h"
#include "sums_tmpl.h"
#include "small_span_tmpl.h"
#undef REAL
#undef R

#define REAL double
#define R f64
#include "act_tmpl.h"
#include "moments_tmpl.h"
#include "coefficients_tmpl.h"
#include "map_tmpl.h"
#include "map_row_tmpl.h"
#include "normalize_tmpl.h"
#include "sums_tmpl.h"
#include "small_span_tmpl.h"
#undef REAL
#undef R

#include "group_coefficients_tmpl.h"
#include "row_moments_tmpl.h"
#include "gradients_hold_tmpl.h"
#include "short_gradients_tmpl.h"
#include "active_gradients_tmpl.h"
#include "row_gradients_tmpl.h"
#include "column_moments_tmpl.h"
#include "column_gradients_tmpl.h"
#include "precision_tmpl.h"
#include "small_tmpl.h"
#include "transpose_tmpl.h"
#include "small_lanes_tmpl.h"
#include "small_entries_tmpl.h"

const struct gn_kernels KERNELS = {
    .isa = ISA,
    .name = ISA_NAME,
    .convert = convert,
    .convert_back = convert_back,
    .add = add,
    .moments = moments,
    .statistics = statistics,
    .load_statistics = load_statistics,
    .forward_coefficients = forward_coefficients,
    .gradient_coefficients = gradient_coefficients,
    .gradient_sums = gradient_sums,
    .normalize = normalize,
    .gradient_apply = gradient_apply,
    .forward_small = forward_small,
    .backward_small = backward_small,
};
