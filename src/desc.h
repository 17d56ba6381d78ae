/* SPDX-License-Identifier: MIT */
/* gn_desc: the only place where shapes and types are validated. */
#ifndef GN_DESC_H
#define GN_DESC_H

#include <stdbool.h>

#include "groupnorm.h"

enum { GN_MAX_RANK = 8, GN_MAX_THREADS = 1024, GN_TENSORS = GN_TENSOR_SUM + 1 };

struct gn_desc {
    int rank;
    int64_t dims[GN_MAX_RANK];
    int64_t groups;
    gn_layout layout;
    double epsilon;
    gn_type x, y, param;
    bool strided[GN_TENSORS]; /* else dense */
    int64_t strides[GN_TENSORS][GN_MAX_RANK];
    gn_affine affine;
    gn_activation activation;
    gn_skip skip;
    int threads;
    gn_isa isa;
};

/* Those of a dense tensor. */
void gn_desc_dense_strides(const struct gn_desc *desc, int64_t *strides);

/* The checks that need more than one of the descriptor's settings. */
gn_status gn_desc_check(const gn_desc *desc);

#endif
