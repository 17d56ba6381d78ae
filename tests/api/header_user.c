/* SPDX-License-Identifier: MIT */
/* Compiled as C99 and as C++11, but never run: the header must not need other headers before it. */
#include <groupnorm.h>

int use_header(const void *x, void *y);

int use_header(const void *x, void *y)
{
    const int64_t dims[2] = {1, 32};
    gn_desc *desc = 0;
    gn_plan *plan = 0;
    gn_status status = gn_desc_create(&desc, 2, dims);

    if (status == GN_OK)
        status = gn_desc_set_layout(desc, GN_CHANNELS_LAST);
    if (status == GN_OK)
        status = gn_plan_create(&plan, desc);
    if (status == GN_OK)
        status = gn_forward(plan, x, 0, 0, y, 0, 0);
    gn_plan_destroy(plan);
    gn_desc_destroy(desc);
    return status == GN_OK && GN_VERSION_MAJOR >= 0;
}
