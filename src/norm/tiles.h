/* SPDX-License-Identifier: MIT */
/*
 * The tiles of a batch: the groups of each tile, and its place in the tensors and in the workspace.
 */
#ifndef GN_TILES_H
#define GN_TILES_H

#include "norm/buffers.h"
#include "norm/workspace.h"
#include "run/schedule.h"

/*
 * The longest sequences of tiles: of moments, whose kernel reads far ahead, and of passes that find
 * part of their data in the L2 cache if it was read last.
 */
enum { GN_MOMENTS_SEQUENCE = 64, GN_PASS_SEQUENCE = 4 };

/* The kinds of a plan's jobs (run/schedule.h). */
enum { GN_JOB_FORWARD, GN_JOB_NORMALIZE, GN_JOB_BACKWARD, GN_JOB_WITHOUT_DX };
_Static_assert((int)GN_JOB_WITHOUT_DX < (int)GN_JOB_KINDS, "each kind of job has a pace");

/* The number of samples in a batch for each of which a tile is processed. */
static inline int64_t gn_batch_samples(const gn_plan *plan, const struct gn_batch *batch)
{
    return plan->parts.axis == GN_AXIS_COLUMNS ? batch->items : 1;
}

static inline int64_t gn_batch_groups(const gn_plan *plan, const struct gn_batch *batch)
{
    return batch->items * (plan->parts.axis == GN_AXIS_COLUMNS ? plan->G : 1);
}

/* The index of a range's first group among the groups of all samples. */
static inline int64_t gn_group_index(const gn_plan *plan, const struct gn_group_range *range)
{
    return range->n * plan->G + range->g;
}

/*
 * The range of groups from `group` of the batch on, up to `end` at most. In columns it ends with
 * the sample.
 */
static inline void gn_range_at(const gn_plan *plan, const struct gn_place *place, int64_t group,
                               int64_t end, struct gn_group_range *range)
{
    int64_t G = plan->G;
    bool columns = plan->parts.axis == GN_AXIS_COLUMNS;
    int64_t item = place->batch->item + (columns ? group / G : group);
    range->first = group;
    range->groups = end - group;
    range->g = columns ? group % G : item % G;
    range->block = columns ? item : item / G;
    range->n = range->block * place->job->block_samples + place->batch->step;
    if (columns && range->groups > G - range->g)
        range->groups = G - range->g;
}

/* The batch's groups in units first_unit to last_unit - 1. There are none if *first is *end. */
static inline void gn_groups_of_units(const gn_plan *plan, const struct gn_place *place,
                                      int64_t first_unit, int64_t last_unit, int64_t *first,
                                      int64_t *end)
{
    int64_t groups = gn_batch_groups(plan, place->batch);
    *first = first_unit * GN_UNIT;
    *end = last_unit * GN_UNIT;
    /* Units count an item's groups; a batch of several items belongs to one thread as a whole. */
    if (*end > groups || last_unit == place->job->units)
        *end = groups;
    if (*first > *end)
        *first = *end;
}

/* A tile of one of a batch's samples, or a sequence of tiles. */
struct gn_work_tile {
    const struct gn_tile_shape *shape;
    struct gn_tile_shape sequence; /* storage for the shape, if the plan has more than one */
    int64_t first, groups; /* groups of the sample (columns) or batch (rows), in the workspace */
    struct gn_group_range range; /* groups that the tile contains, in whole or in part */
    int64_t channel;             /* the tile's first channel, in the workspace */
    struct gn_region region;
    struct gn_buffers buffers;
};

static inline void gn_open_tile(const gn_plan *plan, const struct gn_place *place, int64_t sample,
                                int64_t tile, int64_t count, struct gn_work_tile *t)
{
    bool columns = plan->parts.axis == GN_AXIS_COLUMNS;
    const struct gn_tile_shape *shape = t->shape =
        gn_tile_shape_at(plan, tile, count, &t->sequence);
    int64_t first = columns ? sample * plan->G : 0;
    gn_range_at(plan, place, first, gn_batch_groups(plan, place->batch), &t->range);
    t->first = first;
    t->groups = t->range.groups;
    t->region.n = t->range.n;
    t->region.c = t->range.g * plan->D + shape->channel;
    if (columns && plan->parts.tiles > 1) {
        int64_t skipped = shape->channel / plan->D;
        t->range.first += skipped;
        t->range.g += skipped;
        t->range.groups = shape->channels / shape->depth;
    }
    t->channel = first * plan->D + shape->channel;
    t->region.channels = t->range.groups * shape->depth;
    t->region.s = shape->position;
    t->region.length = shape->length;
    t->region.contiguous_len = 0;
    gn_buffers_of(plan, place->buffer, &t->buffers);
}

/*
 * Sets what every kernel needs from a tile. The caller sets x, and dy, out and saved_g as needed.
 */
static inline void gn_kernel_tile(const gn_plan *plan, const struct gn_work_tile *t,
                                  bool beyond_llc, struct gn_tile *k)
{
    k->axis = plan->parts.axis;
    k->channels = t->region.channels;
    k->length = t->region.length;
    k->depth = t->shape->depth;
    k->first_len = gn_first_len(&t->region);
    k->contiguous_len = t->region.contiguous_len;
    k->dy.data = k->out.data = k->saved_g.data = NULL;
    k->dy.offsets = k->out.offsets = k->saved_g.offsets = NULL;
    k->dy.stride = k->out.stride = k->saved_g.stride = 0;
    k->activation = plan->desc.activation;
    k->nontemporal = false;
    k->beyond_llc = beyond_llc;
}

/* The coefficients from the tile's first channel on, which may lie within a group. */
static inline void gn_tile_coefficients(const gn_plan *plan, const struct gn_workspace *ws,
                                        const struct gn_parameters *parameters,
                                        const struct gn_work_tile *t, struct gn_coefficients *with)
{
    gn_coefficients_at(plan, ws, parameters, &t->range, with);
    if (plan->parts.tiles == 1)
        return;
    int64_t inside = t->shape->channel % plan->D;
    with->channel = inside;
    with->mean += inside;
    with->scale += inside;
    with->shift += inside;
    if (with->slope) {
        with->slope += inside;
        with->offset += inside;
    }
}

#endif
