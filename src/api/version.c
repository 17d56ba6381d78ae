/* SPDX-License-Identifier: MIT */
/* The version of the loaded library, and gn_plan_create. */
#include "base/error.h"
#include "norm/backward.h"
#include "norm/forward.h"

#define TEXT_(a) #a
#define TEXT(a) TEXT_(a)

int gn_version(void)
{
    return GN_VERSION_MAJOR * 10000 + GN_VERSION_MINOR * 100 + GN_VERSION_PATCH;
}

const char *gn_version_string(void)
{
    return TEXT(GN_VERSION_MAJOR) "." TEXT(GN_VERSION_MINOR) "." TEXT(GN_VERSION_PATCH);
}

gn_status gn_plan_create(gn_plan **plan, const gn_desc *desc)
{
    if (!plan)
        return gn_fail(GN_INVALID_ARGUMENT, "plan is NULL");
    *plan = NULL;
    if (!desc)
        return gn_fail(GN_INVALID_ARGUMENT, "desc is NULL");
    gn_plan *made;
    gn_status status = gn_plan_make(&made, desc);
    if (status != GN_OK)
        return status;
    int64_t forward = gn_forward_scratch(made), backward = gn_backward_scratch(made);
    if (made->elements)
        status = gn_run_prepare(&made->runner, forward > backward ? forward : backward);
    if (status == GN_OK)
        *plan = made;
    else
        gn_plan_destroy(made);
    return status;
}
