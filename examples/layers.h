/* SPDX-License-Identifier: MIT */
/* The shapes that group normalization meets in two networks. */
#ifndef LAYERS_H
#define LAYERS_H

#include <stdint.h>

struct layer {
    const char *name;
    int64_t n, c, h, w;
};

/* 32 groups each; ends with a layer without a name. */
extern const struct layer layers[];

#endif
