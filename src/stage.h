/* SPDX-License-Identifier: MIT */
/*
 * A thread's work area: buffers for parts of tensors that kernels cannot use where they lie, and
 * what is the kernels' own.
 */
#ifndef GN_STAGE_H
#define GN_STAGE_H

#include "plan.h"

struct gn_stage {
    void *x, *dy, *out; /* each for a tile, or a batch of small groups */
    void *raw;          /* for the channels of a point, before they are converted */
    void *kernel;
};

/* The bytes of all but the kernels' part: 0 where no tensor of the plan needs any. */
int64_t gn_stage_bytes(const gn_plan *plan);

struct gn_stage gn_stage_of(const gn_plan *plan, void *work);

/* The part where kernels can read it. */
static inline struct gn_block gn_stage_in(const gn_plan *plan, const struct gn_view *view,
                                          const void *tensor, const struct gn_part *part,
                                          void *buffer)
{
    struct gn_block block = gn_block_at(view, tensor, part, plan->parts.columns, buffer);
    gn_gather(view, tensor, part, plan->parts.columns, block);
    return block;
}

/* All of a part's rows one after the other: where they lie, or copied into the buffer. */
const void *gn_stage_flat(const struct gn_part *part, gn_type type, struct gn_block rows,
                          void *buffer);

/* The samples of points as floats, one after the other: where they lie, or in the buffer. */
const float *gn_stage_points(const gn_plan *plan, const struct gn_view *view, const void *tensor,
                             int64_t n, int64_t samples, void *buffer,
                             const struct gn_stage *stage);
/* Where floats of them are to go, and what brings those in a buffer to their place. */
float *gn_stage_points_out(const struct gn_view *view, void *tensor, int64_t n, void *buffer);
void gn_store_points(const gn_plan *plan, const struct gn_view *view, void *tensor, int64_t n,
                     int64_t samples, const void *buffer, const struct gn_stage *stage);

/* What kernels get of a tile: in rows of `channels` channels of groups from this one on. */
static inline struct gn_part gn_row_part(const gn_plan *plan, const struct gn_tile *t,
                                         int64_t group, int64_t channels)
{
    return (struct gn_part){.n = group / plan->G,
                            .c = group % plan->G * plan->D + t->channel,
                            .channels = channels,
                            .s = t->position,
                            .length = t->length};
}

static inline struct gn_part gn_pixel_part(const struct gn_tile *t, int64_t n)
{
    return (struct gn_part){
        .n = n, .c = t->channel, .channels = t->channels, .s = t->position, .length = t->length};
}

#endif
