/* SPDX-License-Identifier: MIT */
/* The synopsis of groupnorm.h. */
#include <groupnorm.h>
#include <stdio.h>

int main(void)
{
    static float x[2 * 64 * 8 * 8], y[2 * 64 * 8 * 8], mean[2 * 32], rstd[2 * 32];
    const int64_t dims[] = {2, 64, 8, 8};
    gn_desc *desc = NULL;
    gn_plan *plan = NULL;
    gn_status status = gn_desc_create(&desc, 4, dims);
    if (status == GN_OK)
        status = gn_desc_set_groups(desc, 32);
    if (status == GN_OK)
        status = gn_desc_set_activation(desc, GN_ACTIVATION_SILU);
    if (status == GN_OK)
        status = gn_plan_create(&plan, desc);
    gn_desc_destroy(desc);
    if (status == GN_OK)
        status = gn_forward(plan, x, NULL, NULL, y, mean, rstd);
    if (status != GN_OK)
        fprintf(stderr, "%s: %s\n", gn_status_string(status), gn_last_error());
    gn_plan_destroy(plan);
    return status != GN_OK;
}
