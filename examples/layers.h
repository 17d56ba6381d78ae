/* SPDX-License-Identifier: MIT */
/* The shapes of the group normalizations in two networks. */
#ifndef LAYERS_H
#define LAYERS_H

#include <stdint.h>

struct layer {
    const char *name;
    int64_t n, c, h, w;
};

/* Each layer has 32 groups. The array ends with a layer whose name is NULL. */
extern const struct layer layers[];

#endif
