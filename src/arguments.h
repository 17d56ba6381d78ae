/* SPDX-License-Identifier: MIT */
/* Checks of the pointers that a call gets. */
#ifndef GN_ARGUMENTS_H
#define GN_ARGUMENTS_H

#include "groupnorm.h"

enum {
    GN_OPTIONAL = 1, /* may be NULL */
    GN_OUTPUT = 2,
    GN_TENSOR = 4 /* an output tensor may be an input tensor itself */
};

struct gn_argument {
    const char *name;
    const void *data;
    int64_t count; /* of floats; NULL is fine where there are none */
    unsigned flags;
};

gn_status gn_check_arguments(const struct gn_argument *arguments, int count);

#endif
