/* SPDX-License-Identifier: MIT */
#include "arguments.h"

#include <inttypes.h>
#include <stdalign.h>
#include <stdbool.h>

#include "error.h"

static gn_status check_pointer(const struct gn_argument *a)
{
    if (!a->data && a->count > 0 && !(a->flags & GN_OPTIONAL))
        return gn_fail(GN_INVALID_ARGUMENT, "%s is NULL", a->name);
    if ((uintptr_t)a->data % alignof(float) != 0)
        return gn_fail(GN_INVALID_ARGUMENT, "%s = %p is not aligned to its element of %zu bytes",
                       a->name, a->data, sizeof(float));
    return GN_OK;
}

static bool overlap(const struct gn_argument *a, const struct gn_argument *b)
{
    if (!a->data || !b->data || a->count == 0 || b->count == 0)
        return false;
    uintptr_t a_start = (uintptr_t)a->data, a_bytes = (uintptr_t)a->count * sizeof(float);
    uintptr_t b_start = (uintptr_t)b->data, b_bytes = (uintptr_t)b->count * sizeof(float);
    return a_start < b_start ? b_start - a_start < a_bytes : a_start - b_start < b_bytes;
}

static gn_status check_pair(const struct gn_argument *output, const struct gn_argument *other)
{
    bool in_place =
        (output->flags & GN_TENSOR) && (other->flags & GN_TENSOR) && !(other->flags & GN_OUTPUT);
    if (!overlap(output, other) || (in_place && output->data == other->data))
        return GN_OK;
    return gn_fail(GN_INVALID_ARGUMENT,
                   "%s = %p of %" PRId64 " elements overlaps %s = %p of %" PRId64 "%s",
                   output->name, output->data, output->count, other->name, other->data,
                   other->count, in_place ? ": they may only be the same" : "");
}

gn_status gn_check_arguments(const struct gn_argument *arguments, int count)
{
    gn_status status = GN_OK;
    for (int i = 0; status == GN_OK && i < count; i++)
        status = check_pointer(&arguments[i]);
    for (int i = 0; status == GN_OK && i < count; i++)
        if (arguments[i].flags & GN_OUTPUT)
            for (int j = 0; status == GN_OK && j < count; j++)
                if (j != i)
                    status = check_pair(&arguments[i], &arguments[j]);
    return status;
}
