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
    int64_t count; /* elements; data may be NULL if this is 0 */
    unsigned flags;
    gn_type type;
    /*
     * A tensor's places of elements; NULL for a dense array. An output tensor may be an input
     * tensor, with the same pointer, type and strides.
     */
    const struct gn_view *view;
};

gn_status gn_check_arguments(const struct gn_argument *arguments, int count);

#endif
