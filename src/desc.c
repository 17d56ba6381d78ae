/* SPDX-License-Identifier: MIT */
#include "desc.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "isa.h"

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

/* Enumerations arrive from other languages as any number: they are compared as integers. */
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
    if (!isfinite(epsilon) || epsilon < 0)
        return gn_fail(GN_INVALID_ARGUMENT, "epsilon = %g is not finite and 0 or more", epsilon);
    desc->epsilon = epsilon;
    return GN_OK;
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
    if (status == GN_OK && (x != GN_F32 || y != GN_F32 || param != GN_F32))
        status = gn_fail(GN_UNSUPPORTED,
                         "types x = %d, y = %d, param = %d: only GN_F32 for all is supported",
                         (int)x, (int)y, (int)param);
    return status;
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
    gn_status status = check_enum("activation", (int)activation, GN_SILU);
    if (status == GN_OK && activation != GN_IDENTITY)
        status = gn_fail(GN_UNSUPPORTED, "activation = %d: only GN_IDENTITY is supported",
                         (int)activation);
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

gn_status gn_desc_check(const gn_desc *desc)
{
    if (desc->dims[1] % desc->groups != 0)
        return gn_fail(GN_INVALID_ARGUMENT,
                       "groups = %" PRId64 " does not divide channels = %" PRId64, desc->groups,
                       desc->dims[1]);
    return GN_OK;
}
