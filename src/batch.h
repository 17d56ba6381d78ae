/* SPDX-License-Identifier: MIT */
/*
 * The tiles of a batch: which groups each has, where it lies in the tensors, and where what belongs
 * to it lies in the workspace.
 */
#ifndef GN_BATCH_H
#define GN_BATCH_H

#include "buffers.h"
#include "plan.h"
#include "schedule.h"

/*
 * Consecutive groups of a batch. In channels last they are of one sample; in channels first they
 * are the batch, and may go on into the next samples.
 */
struct gn_group_range {
    int64_t first, groups; /* in the batch, and so in its workspace */
    int64_t n, g;          /* the first of them */
    int64_t block;         /* of samples, to which n belongs */
};

/* How many samples a batch's items stand for: its tiles are worked on once for each. */
static inline int64_t gn_batch_samples(const gn_plan *plan, const struct gn_batch *batch)
{
    return plan->parts.columns ? batch->items : 1;
}

static inline int64_t gn_batch_groups(const gn_plan *plan, const struct gn_batch *batch)
{
    return batch->items * (plan->parts.columns ? plan->G : 1);
}

/* The range from a group of the batch on, up to `end` at most; items are of `samples` samples. */
static inline struct gn_group_range gn_range_at(const gn_plan *plan, const struct gn_batch *batch,
                                                int64_t samples, int64_t group, int64_t end)
{
    int64_t G = plan->G;
    bool columns = plan->parts.columns;
    int64_t item = batch->item + (columns ? group / G : group);
    struct gn_group_range range = {.first = group,
                                   .groups = end - group,
                                   .g = columns ? group % G : item % G,
                                   .block = columns ? item : item / G};
    range.n = range.block * samples + batch->step;
    if (columns && range.groups > G - range.g)
        range.groups = G - range.g;
    return range;
}

/* A tile of one of a batch's samples. */
struct gn_batch_tile {
    struct gn_tile_shape shape;
    struct gn_group_range range; /* of the sample, of which the tile has some groups or a part */
    int64_t group, groups;       /* the tile's own, in the workspace */
    int64_t channel;             /* its first, in the workspace */
    struct gn_region region;
    struct gn_buffers buffers;
};

static inline void gn_open_tile(const gn_plan *plan, const struct gn_batch *batch, int64_t samples,
                                int64_t sample, int64_t tile, void *work, struct gn_batch_tile *t)
{
    bool columns = plan->parts.columns;
    struct gn_tile_shape room;
    t->shape = *gn_tile_shape_at(plan, tile, &room);
    int64_t first = columns ? sample * plan->G : 0;
    t->range = gn_range_at(plan, batch, samples, first, gn_batch_groups(plan, batch));
    t->group = first + (columns ? t->shape.channel / plan->D : 0);
    t->groups = columns ? t->shape.channels / t->shape.depth : t->range.groups;
    t->channel = first * plan->D + t->shape.channel;
    t->region =
        (struct gn_region){.n = t->range.n,
                           .c = t->range.g * plan->D + t->shape.channel,
                           .channels = columns ? t->shape.channels : t->groups * t->shape.channels,
                           .s = t->shape.position,
                           .length = t->shape.length};
    gn_buffers_of(plan, work, &t->buffers);
}

/* The number of the tile's first group among those of all samples. */
static inline int64_t gn_group_index(const gn_plan *plan, const struct gn_batch_tile *t)
{
    return t->range.n * plan->G + t->range.g + (t->group - t->range.first);
}

#endif
