/* SPDX-License-Identifier: MIT */
/* Checks of the pointers that a call gets. */
#ifndef GN_ARGUMENTS_H
#define GN_ARGUMENTS_H

#include "plan/plan.h"

enum {
    GN_OPTIONAL = 1, /* may be NULL */
    GN_OUTPUT = 2
};

struct gn_argument {
    const char *name;
    const void *data;
    int64_t count; /* of elements; NULL is fine where there are none */
    unsigned flags;
    gn_type type;
    /* Of a tensor: where its elements are. An output tensor may be an input tensor itself. */
    const struct gn_view *view;
};

gn_status gn_check_arguments(const struct gn_argument *arguments, int count);

#endif
