/* SPDX-License-Identifier: MIT */
#include "norm/tile_moments.h"

/* Stores `count` moments in consecutive sets, the first of which is `to`. */
static void store_in_sets(struct gn_moments from, int64_t count, struct gn_moments to, int64_t set)
{
    for (int64_t i = 0; i < count; i++) {
        to.origin[i * set] = from.origin[i];
        to.offset[i * set] = from.offset[i];
        to.m2[i * set] = from.m2[i];
    }
}

/*
 * The tiles of a sequence are groups to the kernel: it reads ahead in a sequence of groups. Only
 * the last tile may be smaller than the others.
 */
static void find_moments_of_sequence(const gn_plan *plan, int64_t set, struct gn_tile k,
                                     struct gn_moments out)
{
    const struct gn_partition *p = &plan->parts;
    double found[3][GN_MOMENTS_SEQUENCE + GN_PADDING];
    const struct gn_moments moments = {found[0], found[1], found[2]};
    int64_t elements = k.channels * k.length, of_tile = p->tile_channels * p->tile_length;
    int64_t count = elements / of_tile;
    k.depth = 1;
    k.channels = count;
    k.length = of_tile;
    plan->kernels->moments(&k, plan->min_m2, moments, NULL);
    store_in_sets(moments, count, out, set);
    k.x.data = gn_out_at(k.x.data, k.x.type, count * of_tile);
    k.channels = 1;
    k.length = elements - count * of_tile;
    if (k.length)
        plan->kernels->moments(&k, plan->min_m2, gn_moments_from(out, count * set), NULL);
}

void gn_find_tile_moments(const gn_plan *plan, const struct gn_workspace *ws,
                          const struct gn_work_tile *t, struct gn_tile *k)
{
    const struct gn_partition *p = &plan->parts;
    int64_t at = t->shape->moments * ws->moments_set + t->range.first;
    struct gn_moments out = gn_moments_from(ws->moments, at);
    if (k->axis == GN_AXIS_ROWS)
        gn_flatten_rows(&t->region, t->buffers.out, &k->x);
    if (k->axis == GN_AXIS_ROWS && p->tiles > 1 &&
        k->channels * k->length > p->tile_channels * p->tile_length)
        find_moments_of_sequence(plan, ws->moments_set, *k, out);
    else
        plan->kernels->moments(k, plan->min_m2, out, t->buffers.scratch);
}

void gn_find_channel_moments(const gn_plan *plan, const struct gn_work_tile *t, struct gn_tile *k,
                             struct gn_moments out)
{
    k->depth = 1;
    if (k->axis == GN_AXIS_ROWS)
        gn_flatten_rows(&t->region, t->buffers.out, &k->x);
    plan->kernels->moments(k, 0, out, t->buffers.scratch);
}
