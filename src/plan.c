/* SPDX-License-Identifier: MIT */
#include "plan.h"

#include <inttypes.h>
#include <stdlib.h>

#include "cpu.h"
#include "error.h"
#include "isa.h"
#include "number.h"
#include "buffers.h"
#include "types.h"

/* Scratch for so many channels cannot be had; with more, its size might overflow. */
#define MAX_CHANNELS (INT64_C(1) << 40)

static void set_shape(gn_plan *plan)
{
    const struct gn_desc *desc = &plan->desc;
    plan->N = desc->dims[0];
    plan->C = desc->dims[1];
    plan->S = 1;
    for (int i = 2; i < desc->rank; i++)
        plan->S *= desc->dims[i];
    plan->G = desc->groups;
    plan->D = plan->C / plan->G;
    plan->elements = plan->N * plan->C * plan->S;
    plan->by_sample = desc->affine == GN_AFFINE_SAMPLE;
    plan->parameters = plan->by_sample ? plan->N * plan->C : plan->C;
    plan->wide = desc->x == GN_F64;
    plan->stored = plan->wide ? GN_F64 : GN_F32;
    plan->activates = desc->activation != GN_ACTIVATION_IDENTITY;
    /* Squares that underflow do not matter beside an epsilon that is much larger. */
    plan->floor = gn_number_at_least(desc->epsilon, 0x1p-60) ? 0 : GN_LEAST_SQUARES;
}

/* The highest instruction set that the environment allows; GN_ISA_AUTO where it sets no limit. */
static gn_status find_highest_isa(gn_isa *highest)
{
    const char *name = getenv("GN_ISA");
    *highest = GN_ISA_AUTO;
    if (!name || !*name)
        return GN_OK;
    int isa = gn_isa_from_name(name);
    if (isa < 0)
        return gn_fail(GN_INVALID_ARGUMENT,
                       "GN_ISA = \"%.32s\" in the environment is not auto, generic, avx2, avx512 "
                       "or neon",
                       name);
    *highest = (gn_isa)isa;
    if (!gn_isa_is_built(*highest))
        return gn_fail(GN_UNSUPPORTED,
                       "GN_ISA = \"%.32s\" in the environment: this library, for another kind of "
                       "processor, has no such kernels",
                       name);
    return GN_OK;
}

/* A wrong GN_ISA is an error too where the descriptor names the instruction set. */
static gn_status choose_kernels(gn_plan *plan)
{
    gn_isa highest;
    gn_status status = find_highest_isa(&highest);
    if (status != GN_OK)
        return status;
    plan->kernels =
        plan->desc.isa == GN_ISA_AUTO ? gn_kernels_best(highest) : gn_kernels_for(plan->desc.isa);
    return GN_OK;
}

/* The bytes of the last-level cache. */
static gn_status find_cache(int64_t *bytes)
{
    const char *text = getenv("GN_CACHE");
    *bytes = gn_cpu_cache();
    if (text && *text && !gn_number_of_bytes(text, 1, bytes))
        return gn_fail(GN_INVALID_ARGUMENT,
                       "GN_CACHE = \"%.32s\" in the environment is not a number of bytes above 0, "
                       "with or without K, M or G after it",
                       text);
    return GN_OK;
}

static void set_views(gn_plan *plan)
{
    const struct gn_desc *desc = &plan->desc;
    bool columns = plan->parts.columns;
    for (int i = 0; i < GN_TENSORS; i++) {
        gn_type type = i == GN_TENSOR_Y || i == GN_TENSOR_DY ? desc->y : desc->x;
        plan->views[i] = gn_view_of(desc, (gn_tensor)i, type, columns);
    }
    struct gn_desc flat = {.rank = 2, .dims = {plan->N, plan->C}};
    plan->channels = gn_view_of(&flat, GN_TENSOR_SKIP, desc->x, true);
}

gn_status gn_plan_make(gn_plan **out, const gn_desc *desc)
{
    *out = NULL;
    gn_status status = gn_desc_check(desc);
    if (status != GN_OK)
        return status;
    gn_plan *plan = calloc(1, sizeof *plan);
    if (!plan)
        return gn_fail(GN_OUT_OF_MEMORY, "no memory for a plan of %zu bytes", sizeof *plan);
    plan->desc = *desc;
    set_shape(plan);
    int64_t cache = 0;
    status = choose_kernels(plan);
    if (status == GN_OK)
        status = find_cache(&cache);
    if (status == GN_OK && plan->elements && plan->C > MAX_CHANNELS)
        status =
            gn_fail(GN_OUT_OF_MEMORY, "no memory for scratch for %" PRId64 " channels", plan->C);
    if (status != GN_OK) {
        free(plan);
        return status;
    }
    gn_divide(plan);
    set_views(plan);
    gn_set_buffers(plan);
    int64_t tensor = plan->elements / 2 * (gn_size(desc->x) + gn_size(desc->y));
    plan->far_forward = tensor > cache / 4;
    plan->far_backward = tensor > cache / 6;
    plan->stream_forward = tensor > cache / 3;
    plan->stream_backward = tensor > cache / 5;
    *out = plan;
    return GN_OK;
}

void gn_plan_destroy(gn_plan *plan)
{
    if (!plan)
        return;
    gn_scratch_give(&plan->scratch, NULL);
    free(plan);
}
