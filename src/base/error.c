/* SPDX-License-Identifier: MIT */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

static _Thread_local char sentence[256];

gn_status gn_fail(gn_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    return status;
}

const char *gn_last_error(void)
{
    return sentence;
}

const char *gn_status_string(gn_status status)
{
    switch (status) {
    case GN_OK:
        return "success";
    case GN_INVALID_ARGUMENT:
        return "invalid argument";
    case GN_UNSUPPORTED:
        return "unsupported";
    case GN_OUT_OF_MEMORY:
        return "out of memory";
    }
    return "unknown status";
}
