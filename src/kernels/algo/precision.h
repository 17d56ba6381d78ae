/* SPDX-License-Identifier: MIT */
/*
 * Chooses the precision for each part of a tile: f32 for groups for which it is accurate enough,
 * else f64, a few channels at a time.
 */
#ifndef GN_PRECISION_H
#define GN_PRECISION_H

#include "kernels/algo/coefficients.h"
#include "kernels/algo/column_gradients.h"
#include "kernels/algo/last_pass_rows.h"
#include "kernels/algo/last_pass_tile.h"
#include "kernels/algo/row_gradients.h"

enum {
    F64_CHANNELS = 64, /* channels that are computed in f64 at a time */
    F64_LENGTH = F64_CHANNELS + GN_PADDING,
};

/* Some channels of a tile that are computed in f64, and their coefficients. */
struct f64_part {
    struct gn_tile tile;
    double mean[F64_LENGTH], scale[F64_LENGTH], shift[F64_LENGTH], slope[F64_LENGTH],
        offset[F64_LENGTH];
};

/* Moves an operand to channel c of its tile. */
INLINE void cut_operand(struct gn_operand *operand, enum gn_axis axis, int64_t c)
{
    if (operand->data)
        operand->data = (char *)operand->data +
                        (axis == GN_AXIS_ROWS ? c * operand->stride : c) * gn_size(operand->type);
}

/*
 * `channels` channels of a tile from channel c on. Returns the tile itself if that is all of them,
 * else *cut.
 */
INLINE const struct gn_tile *cut_tile(const struct gn_tile *tile, int64_t c, int64_t channels,
                                      struct gn_tile *cut)
{
    if (channels == tile->channels)
        return tile;
    *cut = *tile;
    cut->channels = channels;
    cut_operand(&cut->x, tile->axis, c);
    cut_operand(&cut->dy, tile->axis, c);
    cut_operand(&cut->out, tile->axis, c);
    cut_operand(&cut->saved_g, tile->axis, c);
    return cut;
}

/*
 * The end of the channels from c on whose groups have the same precision as that of c. In columns
 * there are at most GN_STRIP in f32, so that coefficients stay in the L1 cache from pixel to pixel.
 */
static int64_t same_precision(const struct gn_tile *tile, const bool *use_f32, int64_t c)
{
    int64_t g = c / tile->depth, next = g + 1, groups = tile->channels / tile->depth;
    while (next < groups && use_f32[next] == use_f32[g])
        next++;
    int64_t end = next * tile->depth;
    bool too_long = tile->axis == GN_AXIS_COLUMNS && use_f32[g] && end - c > GN_STRIP;
    return too_long ? c + GN_STRIP : end;
}

/*
 * The parameters of the next channels to compute in f64, from channel c of the tile on and before
 * channel `end`: of several whole groups, or of a part of a group with more than F64_CHANNELS
 * channels.
 */
static struct group_parameters next_in_f64(const struct gn_tile *tile,
                                           const struct gn_coefficients *coefficients, int64_t c,
                                           int64_t end)
{
    int64_t depth = tile->depth, g = c / depth, inside = c % depth;
    if (depth > F64_CHANNELS) {
        int64_t left = depth - inside, channels = left < F64_CHANNELS ? left : F64_CHANNELS;
        return parameters_at(coefficients, g, 1, coefficients->channel + inside, channels);
    }
    int64_t most = F64_CHANNELS / depth, last = end / depth < g + most ? end / depth : g + most;
    return parameters_at(coefficients, g, groups_in_sequence(coefficients, g, last),
                         coefficients->channel, depth);
}

/* Sets the next part from channel c on and before `end`; for a last pass, `dx` adds slope, offset.
 */
static struct arrays_f64 open_part(const struct gn_tile *tile,
                                   const struct gn_coefficients *coefficients, int64_t c,
                                   int64_t end, bool dx, struct f64_part *part)
{
    struct group_parameters groups = next_in_f64(tile, coefficients, c, end);
    struct coefficients_out_f64 out = {part->mean, part->scale, part->shift, part->slope,
                                       part->offset};
    part->tile = *cut_tile(tile, c, groups.groups * groups.depth, &part->tile);
    z_coefficients_f64(&groups, out);
    if (dx)
        dx_coefficients_f64(&groups, out);
    return (struct arrays_f64){part->mean, part->scale, part->shift, part->slope, part->offset};
}

COLD void normalize_in_f64(const struct gn_tile *tile, const struct gn_coefficients *coefficients,
                           int64_t c, int64_t end)
{
    for (struct f64_part part; c < end; c += part.tile.channels)
        normalize_f64(&part.tile, open_part(tile, coefficients, c, end, false, &part));
}

static void normalize(const struct gn_tile *tile, const struct gn_coefficients *coefficients)
{
    for (int64_t c = 0, end; c < tile->channels; c = end) {
        end = same_precision(tile, coefficients->use_f32, c);
        if (!coefficients->use_f32[c / tile->depth]) {
            normalize_in_f64(tile, coefficients, c, end);
            continue;
        }
        const struct arrays_f32 arrays = {coefficients->mean + c, coefficients->scale + c,
                                          coefficients->shift + c, NULL, NULL};
        struct gn_tile cut;
        normalize_f32(cut_tile(tile, c, end - c, &cut), arrays);
    }
}

COLD void sums_in_f64(const struct gn_tile *tile, const struct gn_coefficients *coefficients,
                      int64_t c, int64_t end, struct gn_sums sums, double *scratch)
{
    for (struct f64_part part; c < end; c += part.tile.channels) {
        struct arrays_f64 arrays = open_part(tile, coefficients, c, end, false, &part);
        if (tile->axis == GN_AXIS_ROWS)
            sums_rows_f64(&part.tile, &arrays, gn_sums_from(sums, c));
        else
            sums_columns_f64(&part.tile, &arrays, gn_sums_from(sums, c), scratch);
    }
}

INLINE void sums_in_f32(const struct gn_tile *tile, const struct arrays_f32 *arrays, bool per_group,
                        struct gn_sums sums, double *scratch)
{
    if (tile->axis == GN_AXIS_ROWS)
        sums_rows(tile, arrays, sums);
    else
        sums_columns(tile, arrays, per_group, sums, scratch);
}

static void gradient_sums(const struct gn_tile *tile, const struct gn_coefficients *coefficients,
                          struct gn_sums sums, double *scratch)
{
    if (coefficients->group_mean) {
        const struct arrays_f32 arrays = {coefficients->group_mean, NULL, NULL, NULL, NULL};
        sums_in_f32(tile, &arrays, true, sums, scratch);
        return;
    }
    for (int64_t c = 0, end; c < tile->channels; c = end) {
        end = same_precision(tile, coefficients->use_f32, c);
        if (!coefficients->use_f32[c / tile->depth]) {
            sums_in_f64(tile, coefficients, c, end, sums, scratch);
            continue;
        }
        const struct arrays_f32 arrays = {coefficients->mean + c, coefficients->scale + c,
                                          coefficients->shift + c, NULL, NULL};
        struct gn_tile cut;
        cut = *cut_tile(tile, c, end - c, &cut);
        cut.depth = 1; /* the means are per channel here */
        sums_in_f32(&cut, &arrays, false, gn_sums_from(sums, c), scratch);
    }
}

COLD void apply_in_f64(const struct gn_tile *tile, const struct gn_coefficients *coefficients,
                       int64_t c, int64_t end)
{
    for (struct f64_part part; c < end; c += part.tile.channels)
        gradient_apply_f64(&part.tile, open_part(tile, coefficients, c, end, true, &part));
}

static void gradient_apply(const struct gn_tile *tile, const struct gn_coefficients *coefficients)
{
    for (int64_t c = 0, end; c < tile->channels; c = end) {
        end = same_precision(tile, coefficients->use_f32, c);
        if (!coefficients->use_f32[c / tile->depth]) {
            apply_in_f64(tile, coefficients, c, end);
            continue;
        }
        const struct arrays_f32 arrays = {coefficients->mean + c, coefficients->scale + c,
                                          coefficients->shift + c, coefficients->slope + c,
                                          coefficients->offset + c};
        struct gn_tile cut;
        const struct gn_tile *part = cut_tile(tile, c, end - c, &cut);
        if (part->saved_g.data) {
            cut = *part;
            cut.dy = cut.saved_g;
            cut.activation = GN_ACTIVATION_IDENTITY;
            part = &cut;
        }
        gradient_apply_f32(part, arrays);
    }
}

#endif
