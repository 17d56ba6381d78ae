/* SPDX-License-Identifier: MIT */
#include "api/arguments.h"

#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "tensor/overlap.h"

static gn_status check_pointer(const struct gn_argument *a)
{
    if (!a->data && a->count > 0 && !(a->flags & GN_OPTIONAL))
        return gn_fail(GN_INVALID_ARGUMENT, "%s is NULL", a->name);
    if ((uintptr_t)a->data % (uintptr_t)gn_size(a->type) != 0)
        return gn_fail(GN_INVALID_ARGUMENT,
                       "%s = %p is not aligned to its element of %" PRId64 " bytes", a->name,
                       a->data, gn_size(a->type));
    return GN_OK;
}

/* The bytes from the argument's first element to the end of its last one. */
static int64_t bytes_of(const struct gn_argument *a)
{
    if (a->view && !a->view->dense)
        return gn_extent_bytes(&a->view->extent);
    return a->count * gn_size(a->type);
}

/* Whether the address ranges of two arguments are disjoint. */
static bool are_disjoint(const struct gn_argument *a, const struct gn_argument *b)
{
    uint64_t from_a = (uintptr_t)a->data, from_b = (uintptr_t)b->data;
    return from_a < from_b ? from_b - from_a >= (uint64_t)bytes_of(a)
                           : from_a - from_b >= (uint64_t)bytes_of(b);
}

/* The places of all elements of an argument. */
static struct gn_extent extent_of(const struct gn_argument *a)
{
    struct gn_extent extent = {
        .size = gn_size(a->type), .rank = 1, .dims = {a->count}, .strides = {gn_size(a->type)}};
    if (a->view && !a->view->dense)
        extent = a->view->extent;
    extent.start = (uintptr_t)a->data;
    return extent;
}

static bool overlap(const struct gn_argument *a, const struct gn_argument *b)
{
    if (!a->data || !b->data || a->count == 0 || b->count == 0 || are_disjoint(a, b))
        return false;
    struct gn_extent of_a = extent_of(a), of_b = extent_of(b);
    return gn_overlap(&of_a, &of_b);
}

/* Whether two tensors consist of the same elements in the same places. */
static bool same(const struct gn_argument *a, const struct gn_argument *b)
{
    const struct gn_extent *of_a = &a->view->extent, *of_b = &b->view->extent;
    return a->data == b->data && a->type == b->type &&
           memcmp(of_a->strides, of_b->strides, sizeof of_a->strides) == 0;
}

static gn_status check_pair(const struct gn_argument *output, const struct gn_argument *other)
{
    bool in_place = output->view && other->view && !(other->flags & GN_OUTPUT);
    if ((in_place && same(output, other)) || !overlap(output, other))
        return GN_OK;
    return gn_fail(
        GN_INVALID_ARGUMENT, "%s = %p of %" PRId64 " elements overlaps %s = %p of %" PRId64 "%s",
        output->name, output->data, output->count, other->name, other->data, other->count,
        in_place ? ": they may only be the same, of the same type and strides" : "");
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
