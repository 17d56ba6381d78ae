/* SPDX-License-Identifier: MIT */
/*
 * ResNet-50 (He et al. 2016) at 224 x 224 with GroupNorm in place of BatchNorm, as in Wu & He 2018,
 * and the UNet of Stable Diffusion 1.5 (Rombach et al. 2022) at 64 x 64 latents, where a batch is a
 * prompt and the empty prompt.
 */
#include "layers.h"

#include <stddef.h>

const struct layer layers[] = {
    {"ResNet-50 stem", 8, 64, 112, 112},
    {"ResNet-50 layer 1", 8, 64, 56, 56},
    {"ResNet-50 layer 1 out", 8, 256, 56, 56},
    {"ResNet-50 layer 2", 8, 128, 28, 28},
    {"ResNet-50 layer 2 out", 8, 512, 28, 28},
    {"ResNet-50 layer 3", 8, 256, 14, 14},
    {"ResNet-50 layer 3 out", 8, 1024, 14, 14},
    {"ResNet-50 layer 4", 8, 512, 7, 7},
    {"ResNet-50 layer 4 out", 8, 2048, 7, 7},
    {"SD UNet level 0", 2, 320, 64, 64},
    {"SD UNet level 0 skip", 2, 640, 64, 64},
    {"SD UNet level 1", 2, 640, 32, 32},
    {"SD UNet level 1 skip", 2, 1280, 32, 32},
    {"SD UNet level 2", 2, 1280, 16, 16},
    {"SD UNet level 2 skip", 2, 2560, 16, 16},
    {"SD UNet middle", 2, 1280, 8, 8},
    {NULL, 0, 0, 0, 0},
};
