/* SPDX-License-Identifier: MIT */
#include "plan/desc.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/number.h"
#include "base/types.h"
#include "plan/isa.h"
#include "run/threads.h"
#include "tensor/overlap.h"

static gn_status check_dims(int rank, const int64_t *dims)
{
    if (rank < 2 || rank > GN_MAX_RANK)
        return gn_fail(GN_INVALID_ARGUMENT, "rank = %d is not between 2 and %d", rank, GN_MAX_RANK);
    if (!dims)
        return gn_fail(GN_INVALID_ARGUMENT, "dims is NULL");
    int64_t bytes = (int64_t)sizeof(float);
    for (int i = 0; i < rank; i++) {
        if (dims[i] < 0)
            return gn_fail(GN_INVALID_ARGUMENT, "dims[%d] = %" PRId64 " is negative", i, dims[i]);
        if (i == 1 && dims[i] == 0)
            return gn_fail(GN_INVALID_ARGUMENT, "dims[1] = 0: there are no channels");
        if (__builtin_mul_overflow(bytes, dims[i] ? dims[i] : 1, &bytes))
            return gn_fail(GN_INVALID_ARGUMENT,
                           "dims[%d] = %" PRId64 " makes the tensor larger than 2^63 - 1 bytes", i,
                           dims[i]);
    }
    return GN_OK;
}

gn_status gn_desc_create(gn_desc **out, int rank, const int64_t *dims)
{
    if (!out)
        return gn_fail(GN_INVALID_ARGUMENT, "desc is NULL");
    *out = NULL;
    gn_status status = check_dims(rank, dims);
    if (status != GN_OK)
        return status;
    gn_desc *desc = calloc(1, sizeof *desc);
    if (!desc)
        return gn_fail(GN_OUT_OF_MEMORY, "no memory for a descriptor of %zu bytes", sizeof *desc);
    desc->rank = rank;
    memcpy(desc->dims, dims, (size_t)rank * sizeof *dims);
    desc->groups = 32;
    desc->layout = GN_CHANNELS_FIRST;
    desc->epsilon = 1e-5;
    desc->isa = GN_ISA_AUTO;
    *out = desc;
    return GN_OK;
}

void gn_desc_destroy(gn_desc *desc)
{
    free(desc);
}

static gn_status null_desc(void)
{
    return gn_fail(GN_INVALID_ARGUMENT, "desc is NULL");
}

gn_status gn_desc_set_groups(gn_desc *desc, int64_t groups)
{
    if (!desc)
        return null_desc();
    if (groups < 1)
        return gn_fail(GN_INVALID_ARGUMENT, "groups = %" PRId64 " is less than 1", groups);
    desc->groups = groups;
    return GN_OK;
}

/* Other languages may pass any number as an enumerator: compare enumerations as integers. */
static gn_status check_enum(const char *name, int value, int last)
{
    if (value < 0 || value > last)
        return gn_fail(GN_INVALID_ARGUMENT, "%s = %d is not between 0 and %d", name, value, last);
    return GN_OK;
}

gn_status gn_desc_set_layout(gn_desc *desc, gn_layout layout)
{
    if (!desc)
        return null_desc();
    gn_status status = check_enum("layout", (int)layout, GN_CHANNELS_LAST);
    if (status == GN_OK)
        desc->layout = layout;
    return status;
}

gn_status gn_desc_set_epsilon(gn_desc *desc, double epsilon)
{
    if (!desc)
        return null_desc();
    if (!gn_number_is_finite_and_not_negative(epsilon)) {
        char text[GN_NUMBER_TEXT];
        gn_number_text(epsilon, text);
        return gn_fail(GN_INVALID_ARGUMENT, "epsilon = %s is not finite and 0 or more", text);
    }
    desc->epsilon = epsilon;
    return GN_OK;
}

/* Whether the tensor's bytes, counting zero dims as 1, fit int64_t. */
static bool size_fits(const gn_desc *desc, gn_type type)
{
    int64_t bytes = gn_size(type);
    for (int i = 0; i < desc->rank; i++)
        if (__builtin_mul_overflow(bytes, desc->dims[i] ? desc->dims[i] : 1, &bytes))
            return false;
    return true;
}

gn_status gn_desc_set_types(gn_desc *desc, gn_type x, gn_type y, gn_type param)
{
    if (!desc)
        return null_desc();
    gn_status status = check_enum("x type", (int)x, GN_F16);
    if (status == GN_OK)
        status = check_enum("y type", (int)y, GN_F16);
    if (status == GN_OK)
        status = check_enum("param type", (int)param, GN_F16);
    if (status != GN_OK)
        return status;
    bool mixed = (x == GN_F32 && gn_is_short(y)) || (gn_is_short(x) && y == GN_F32);
    if (x != y && !mixed)
        return gn_fail(
            GN_UNSUPPORTED,
            "types x = %s, y = %s: supported are equal ones, and f32 with bf16 or f16; f64 "
            "goes only with f64",
            gn_types[x].name, gn_types[y].name);
    if (param != GN_F32 && param != x)
        return gn_fail(GN_UNSUPPORTED, "type param = %s: supported are f32 and x's type, here %s",
                       gn_types[param].name, gn_types[x].name);
    if (!size_fits(desc, x) || !size_fits(desc, y))
        return gn_fail(GN_INVALID_ARGUMENT,
                       "types x = %s, y = %s make the tensor larger than 2^63 - 1 bytes",
                       gn_types[x].name, gn_types[y].name);
    desc->x = x;
    desc->y = y;
    desc->param = param;
    return GN_OK;
}

static const char *tensor_name(gn_tensor which)
{
    static const char *const names[GN_TENSORS] = {"x", "y", "dy", "dx", "skip", "sum"};
    return names[which];
}

/* The limit of an element's offset: no tensor in memory is longer. */
#define MOST_ELEMENTS (INT64_C(1) << 56)

/* Reports that elements of an output overlap. */
static gn_status fail_overlap(const gn_desc *desc, gn_tensor which, const int64_t *strides)
{
    char text[2][24 * GN_MAX_RANK];
    int at[2] = {0, 0};
    for (int i = 0; i < desc->rank; i++) {
        const char *comma = i ? ", " : "";
        at[0] += snprintf(text[0] + at[0], sizeof text[0] - (size_t)at[0], "%s%" PRId64, comma,
                          strides[i]);
        at[1] += snprintf(text[1] + at[1], sizeof text[1] - (size_t)at[1], "%s%" PRId64, comma,
                          desc->dims[i]);
    }
    return gn_fail(GN_INVALID_ARGUMENT,
                   "strides of %s: elements of an output overlap (share memory): (%s) with dims "
                   "(%s)",
                   tensor_name(which), text[0], text[1]);
}

/*
 * Reports that the last element is too far away. Names the dim that contributes most to its offset.
 */
static gn_status fail_too_far(const gn_desc *desc, gn_tensor which, const int64_t *strides)
{
    int most = 0;
    int64_t farthest = 0;
    for (int i = 0; i < desc->rank; i++) {
        int64_t distance;
        if (__builtin_mul_overflow(strides[i], desc->dims[i] - 1, &distance))
            distance = INT64_MAX;
        if (desc->dims[i] > 1 && distance > farthest) {
            farthest = distance;
            most = i;
        }
    }
    return gn_fail(GN_INVALID_ARGUMENT,
                   "strides of %s: strides[%d] = %" PRId64 " with dims[%d] = %" PRId64
                   " overflows: the last element is more than 2^56 elements on",
                   tensor_name(which), most, strides[most], most, desc->dims[most]);
}

static gn_status check_strides(const gn_desc *desc, gn_tensor which, const int64_t *strides)
{
    struct gn_extent extent = {.size = 1, .rank = desc->rank};
    int64_t last = 0, step;
    bool empty = false;
    for (int i = 0; i < desc->rank; i++) {
        extent.dims[i] = desc->dims[i];
        extent.strides[i] = desc->dims[i] > 1 ? strides[i] : 0;
        empty |= desc->dims[i] == 0;
        if (desc->dims[i] <= 1)
            continue;
        if (strides[i] < 0)
            return gn_fail(GN_INVALID_ARGUMENT,
                           "strides of %s: strides[%d] = %" PRId64 " is negative",
                           tensor_name(which), i, strides[i]);
        if (__builtin_mul_overflow(strides[i], desc->dims[i] - 1, &step) ||
            __builtin_add_overflow(last, step, &last) || last > MOST_ELEMENTS)
            return fail_too_far(desc, which, strides);
    }
    bool output = which == GN_TENSOR_Y || which == GN_TENSOR_DX || which == GN_TENSOR_SUM;
    if (output && !empty && gn_overlaps_itself(&extent))
        return fail_overlap(desc, which, strides);
    return GN_OK;
}

gn_status gn_desc_set_strides(gn_desc *desc, gn_tensor which, const int64_t *strides)
{
    if (!desc)
        return null_desc();
    gn_status status = check_enum("tensor", (int)which, GN_TENSOR_SUM);
    if (status == GN_OK && strides)
        status = check_strides(desc, which, strides);
    if (status != GN_OK)
        return status;
    desc->strided[which] = strides;
    for (int i = 0; strides && i < desc->rank; i++)
        desc->strides[which][i] = desc->dims[i] > 1 ? strides[i] : 0;
    return GN_OK;
}

gn_status gn_desc_set_affine(gn_desc *desc, gn_affine affine)
{
    if (!desc)
        return null_desc();
    gn_status status = check_enum("affine", (int)affine, GN_AFFINE_SAMPLE);
    if (status == GN_OK)
        desc->affine = affine;
    return status;
}

gn_status gn_desc_set_activation(gn_desc *desc, gn_activation activation)
{
    if (!desc)
        return null_desc();
    gn_status status = check_enum("activation", (int)activation, GN_ACTIVATION_SILU);
    if (status == GN_OK)
        desc->activation = activation;
    return status;
}

gn_status gn_desc_set_skip(gn_desc *desc, gn_skip skip)
{
    if (!desc)
        return null_desc();
    gn_status status = check_enum("skip", (int)skip, GN_SKIP_CHANNEL);
    if (status == GN_OK)
        desc->skip = skip;
    return status;
}

gn_status gn_desc_set_threads(gn_desc *desc, int threads)
{
    if (!desc)
        return null_desc();
    if (threads < 0 || threads > GN_MAX_THREADS)
        return gn_fail(GN_INVALID_ARGUMENT, "threads = %d is not between 0 and %d", threads,
                       GN_MAX_THREADS);
    desc->threads = threads;
    return GN_OK;
}

gn_status gn_desc_set_isa(gn_desc *desc, gn_isa isa)
{
    if (!desc)
        return null_desc();
    gn_status status = check_enum("isa", (int)isa, GN_ISA_NEON);
    if (status != GN_OK)
        return status;
    if (isa != GN_ISA_AUTO && !gn_kernels_for(isa))
        return gn_fail(GN_UNSUPPORTED,
                       "isa = %d (%s): this library or this machine lacks it; %s "
                       "is the best here",
                       (int)isa, gn_isa_name(isa), gn_kernels_best(GN_ISA_AUTO)->name);
    desc->isa = isa;
    return GN_OK;
}
