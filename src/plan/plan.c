/* SPDX-License-Identifier: MIT */
#include "plan/plan.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/number.h"
#include "base/types.h"
#include "plan/cache.h"
#include "plan/isa.h"

/* With more channels, the size of the scratch might overflow. No machine has memory for so many. */
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
    plan->is_f64 = desc->x == GN_F64;
    plan->stored = plan->is_f64 ? GN_F64 : GN_F32;
    plan->activates = desc->activation != GN_ACTIVATION_IDENTITY;
    /* Squares that underflow do not matter if epsilon is much larger than them. */
    plan->min_m2 = gn_number_at_least(desc->epsilon, 0x1p-60) ? 0 : GN_LEAST_SQUARES;
}

/* The highest instruction set that the environment allows; GN_ISA_AUTO if it sets no limit. */
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

/* An invalid GN_ISA is an error even if the descriptor names the instruction set. */
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

/* The bytes of the last-level cache: GN_CACHE, or else what the machine has. */
static gn_status choose_cache(int64_t *bytes)
{
    const char *text = getenv("GN_CACHE");
    *bytes = gn_cache_bytes();
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
    enum gn_axis axis = plan->parts.axis;
    int64_t dense[GN_MAX_RANK];
    gn_dense_strides(desc->rank, desc->dims, desc->layout, dense);
    for (int i = 0; i < GN_TENSORS; i++) {
        gn_type type = i == GN_TENSOR_Y || i == GN_TENSOR_DY ? desc->y : desc->x;
        const int64_t *strides = desc->strided[i] ? desc->strides[i] : dense;
        plan->views[i] = gn_view_of(type, axis, desc->rank, desc->dims, strides);
    }
    const int64_t flat[] = {plan->C, 1};
    plan->channels = gn_view_of(desc->x, GN_AXIS_COLUMNS, 2, desc->dims, flat);
}

/* Whether every tensor can be read and written in place, without conversion. */
static bool needs_no_buffers(const gn_plan *plan)
{
    bool in_place = plan->desc.x == plan->desc.y;
    for (int i = 0; i < GN_TENSORS; i++) {
        const struct gn_view *view = &plan->views[i];
        in_place &= plan->parts.small ? view->dense && view->type == GN_F32 : view->direct;
    }
    return in_place;
}

static void set_buffers(gn_plan *plan)
{
    const struct gn_partition *p = &plan->parts;
    int64_t size = plan->is_f64 ? (int64_t)sizeof(double) : (int64_t)sizeof(float);
    int64_t elements = p->tile_channels * p->tile_length;
    if (p->tiles == 1)
        elements = p->small                     ? p->small_batch * plan->C
                   : p->axis == GN_AXIS_COLUMNS ? plan->C * plan->S
                                                : p->most_items * plan->D * plan->S;
    if (p->axis == GN_AXIS_COLUMNS)
        plan->scratch_bytes =
            gn_round_up(gn_columns_scratch_bytes(p->tile_channels, plan->activates));
    if (needs_no_buffers(plan))
        return;
    plan->operand_bytes = gn_round_up(elements * size);
    plan->raw_bytes = p->small ? gn_round_up(plan->C * (int64_t)sizeof(double)) : 0;
}

/* Checks that need more than one of the descriptor's settings. */
static gn_status check_desc(const gn_desc *desc)
{
    if (desc->dims[1] % desc->groups != 0)
        return gn_fail(GN_INVALID_ARGUMENT,
                       "groups = %" PRId64 " does not divide channels = %" PRId64, desc->groups,
                       desc->dims[1]);
    return GN_OK;
}

gn_status gn_plan_make(gn_plan **out, const gn_desc *desc)
{
    *out = NULL;
    gn_status status = check_desc(desc);
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
        status = choose_cache(&cache);
    if (status == GN_OK && plan->elements && plan->C > MAX_CHANNELS)
        status =
            gn_fail(GN_OUT_OF_MEMORY, "no memory for scratch for %" PRId64 " channels", plan->C);
    if (status != GN_OK) {
        free(plan);
        return status;
    }
    gn_divide(plan);
    set_views(plan);
    set_buffers(plan);
    plan->tensor_bytes = plan->elements / 2 * (gn_size(desc->x) + gn_size(desc->y));
    plan->llc = cache;
    plan->forward_beyond_llc = plan->tensor_bytes > cache / 4;
    plan->backward_beyond_llc = plan->tensor_bytes > cache / 6;
    plan->runner.threads = desc->threads;
    plan->runner.elements = plan->elements;
    *out = plan;
    return GN_OK;
}

void gn_plan_destroy(gn_plan *plan)
{
    if (!plan)
        return;
    gn_scratch_give(&plan->runner.scratch, NULL);
    free(plan);
}
