/* SPDX-License-Identifier: MIT */
/* A program that uses the installed library, the same in C and in C++. */
#ifndef CONSUMER_H
#define CONSUMER_H

#include <groupnorm.h>
#include <stdio.h>

/* Normalizes equal values, which become beta. Returns the exit status. */
static int consume(void)
{
    const int64_t dims[] = {2, 4, 9};
    float x[2 * 4 * 9], y[2 * 4 * 9];
    const float beta[] = {1, 2, 3, 4};
    int i;
    gn_desc *desc = NULL;
    gn_plan *plan = NULL;
    gn_status status;

    for (i = 0; i < 2 * 4 * 9; i++)
        x[i] = 0.1f;
    status = gn_desc_create(&desc, 3, dims);
    if (status == GN_OK)
        status = gn_desc_set_groups(desc, 2);
    if (status == GN_OK)
        status = gn_plan_create(&plan, desc);
    if (status == GN_OK)
        status = gn_forward(plan, x, NULL, beta, y, NULL, NULL);
    gn_plan_destroy(plan);
    gn_desc_destroy(desc);
    if (status != GN_OK) {
        fprintf(stderr, "%s: %s\n", gn_status_string(status), gn_last_error());
        return 1;
    }
    for (i = 0; i < 2 * 4 * 9; i++)
        if (y[i] != beta[i / 9 % 4]) {
            fprintf(stderr, "y[%d] = %g\n", i, (double)y[i]);
            return 1;
        }
    if (gn_version() != GN_VERSION_MAJOR * 10000 + GN_VERSION_MINOR * 100 + GN_VERSION_PATCH) {
        fprintf(stderr, "loaded version %s is not the header's\n", gn_version_string());
        return 1;
    }
    return 0;
}

#endif
