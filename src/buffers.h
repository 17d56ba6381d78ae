/* SPDX-License-Identifier: MIT */
/*
 * A thread's work area: buffers for parts of tensors that kernels cannot use where they lie, and
 * what is the kernels' own.
 */
#ifndef GN_BUFFERS_H
#define GN_BUFFERS_H

#include "plan.h"

struct gn_buffers {
    void *x, *dy, *out; /* each for a tile, or a batch of small groups */
    void *raw;          /* for the channels of a point, before they are converted */
    void *kernel;
};

/* How many bytes each buffer of the plan has, 0 where no tensor needs any. */
void gn_set_buffers(gn_plan *plan);

/* Those of all but the kernels' part. */
static inline int64_t gn_buffers_bytes(const gn_plan *plan)
{
    return 3 * plan->buffer_bytes + plan->raw_bytes;
}

static inline void gn_buffers_of(const gn_plan *plan, void *work, struct gn_buffers *buffers)
{
    char *at = work;
    int64_t one = plan->buffer_bytes;
    *buffers =
        (struct gn_buffers){at, at + one, at + 2 * one, at + 3 * one, at + gn_buffers_bytes(plan)};
}

/* The part where kernels can read it. */
static inline void gn_read_region(const gn_plan *plan, const struct gn_view *view,
                                  const void *tensor, const struct gn_region *region, void *buffer,
                                  struct gn_operand *operand)
{
    gn_operand_at(view, tensor, region, plan->parts.columns, buffer, operand);
    gn_pack(view, tensor, region, plan->parts.columns, operand);
}

/* Lays rows one after the other: where they lie so already, or as a copy in the buffer. */
void gn_flatten_rows(const struct gn_region *region, void *buffer, struct gn_operand *rows);

/* The samples of points as floats, one after the other: where they lie, or in the buffer. */
const float *gn_read_points(const gn_plan *plan, const struct gn_view *view, const void *tensor,
                            int64_t n, int64_t samples, void *buffer,
                            const struct gn_buffers *buffers);
/* Where floats of them are to go, and what brings those in a buffer to their place. */
float *gn_points_out(const struct gn_view *view, void *tensor, int64_t n, void *buffer);
void gn_store_points(const gn_plan *plan, const struct gn_view *view, void *tensor, int64_t n,
                     int64_t samples, const void *buffer, const struct gn_buffers *buffers);

#endif
