/* SPDX-License-Identifier: MIT */
/* The version of the loaded library. */
#include "groupnorm.h"

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
