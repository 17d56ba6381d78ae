/* SPDX-License-Identifier: MIT */
/*
 * The contents of a descriptor. api/desc.c validates shapes and types; what only their combination
 * shows, as sizes that overflow, plan/plan.c does.
 */
#ifndef GN_DESC_H
#define GN_DESC_H

#include <stdbool.h>

#include "base/types.h"
#include "groupnorm.h"

enum { GN_TENSORS = GN_TENSOR_SUM + 1 };

struct gn_desc {
    int rank;
    int64_t dims[GN_MAX_RANK];
    int64_t groups;
    gn_layout layout;
    double epsilon;
    gn_type x, y, param;
    bool strided[GN_TENSORS]; /* false: dense, and strides are not set */
    int64_t strides[GN_TENSORS][GN_MAX_RANK];
    gn_affine affine;
    gn_activation activation;
    gn_skip skip;
    int threads;
    gn_isa isa;
};

#endif
