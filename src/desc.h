/* SPDX-License-Identifier: MIT */
/* gn_desc: the only place where shapes and types are validated. */
#ifndef GN_DESC_H
#define GN_DESC_H

#include "groupnorm.h"

enum { GN_MAX_RANK = 8, GN_MAX_THREADS = 1024 };

struct gn_desc {
    int rank;
    int64_t dims[GN_MAX_RANK];
    int64_t groups;
    gn_layout layout;
    double epsilon;
    gn_affine affine;
    int threads;
    gn_isa isa;
};

/* The checks that need more than one of the descriptor's settings. */
gn_status gn_desc_check(const gn_desc *desc);

#endif
