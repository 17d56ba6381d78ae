/* SPDX-License-Identifier: MIT */
#include "types.h"

const char *gn_type_name(gn_type type)
{
    static const char *const names[] = {"f32", "f64", "bf16", "f16"};
    return names[type];
}
