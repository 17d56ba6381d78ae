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

/* How many bytes each buffer of the plan has, 0 where no tensor needs any. */
void gn_set_stage(gn_plan *plan);

/* Those of all but the kernels' part. */
static inline int64_t gn_stage_bytes(const gn_plan *plan)
{
    return 3 * plan->buffer_bytes + plan->raw_bytes;
}

static inline void gn_stage_of(const gn_plan *plan, void *work, struct gn_stage *stage)
{
    char *at = work;
    int64_t one = plan->buffer_bytes;
    *stage = (struct gn_stage){at, at + one, at + 2 * one, at + 3 * one, at + gn_stage_bytes(plan)};
}

/* The part where kernels can read it. */
static inline void gn_stage_in(const gn_plan *plan, const struct gn_view *view, const void *tensor,
                               const struct gn_part *part, void *buffer, struct gn_block *block)
{
    gn_block_at(view, tensor, part, plan->parts.columns, buffer, block);
    gn_gather(view, tensor, part, plan->parts.columns, block);
}

/* All of a part's rows one after the other: where they lie, or copied into the buffer. */
const void *gn_stage_flat(const struct gn_part *part, gn_type type, const struct gn_block *rows,
                          void *buffer);

/* The samples of points as floats, one after the other: where they lie, or in the buffer. */
const float *gn_stage_points(const gn_plan *plan, const struct gn_view *view, const void *tensor,
                             int64_t n, int64_t samples, void *buffer,
                             const struct gn_stage *stage);
/* Where floats of them are to go, and what brings those in a buffer to their place. */
float *gn_stage_points_out(const struct gn_view *view, void *tensor, int64_t n, void *buffer);
void gn_store_points(const gn_plan *plan, const struct gn_view *view, void *tensor, int64_t n,
                     int64_t samples, const void *buffer, const struct gn_stage *stage);

/* What kernels get of a tile: in rows of `groups` groups of sample n from group g on. */
static inline void gn_row_part(const gn_plan *plan, const struct gn_tile *t, int64_t n, int64_t g,
                               int64_t groups, struct gn_part *part)
{
    *part = (struct gn_part){.n = n,
                             .c = g * plan->D + t->channel,
                             .channels = groups * t->channels,
                             .s = t->position,
                             .length = t->length};
}

static inline void gn_pixel_part(const struct gn_tile *t, int64_t n, struct gn_part *part)
{
    *part = (struct gn_part){
        .n = n, .c = t->channel, .channels = t->channels, .s = t->position, .length = t->length};
}

#endif
