/* SPDX-License-Identifier: MIT */
/*
 * Defines the kernel table of one instruction set. Before including it, include the vector
 * vocabulary (simd/vec*.h) and define KERNELS, the table's name; ISA, the instruction set; and
 * ISA_NAME, its name as text.
 */
#include "kernels/algo/column_gradients.h"
#include "kernels/algo/column_moments.h"
#include "kernels/algo/convert.h"
#include "kernels/algo/group_coefficients.h"
#include "kernels/algo/precision.h"
#include "kernels/algo/small.h"
#include "kernels/algo/statistics.h"
#include "kernels/kernels.h"

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
