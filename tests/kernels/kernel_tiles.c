/* SPDX-License-Identifier: MIT */
/* Tiles of random shapes, and their tensors. */
#include "kernel_cases.h"

#include "support.h"

/*
 * Rounds the number of groups down so that the channels of a pixel fill whole cache lines of
 * floats. Only then may kernels use nontemporal stores for pixels.
 */
static int64_t groups_in_lines(const struct gn_tile *t, int64_t groups)
{
    int64_t together = 1;

    while (together < 16 && together * t->depth % 16 != 0)
        together *= 2;
    return groups < together ? groups : groups / together * together;
}

/*
 * Makes more groups than kernels find shifts for at once (32), or more channels than they process
 * together (GN_STRIP) for a whole chunk of pixels.
 */
static void make_large_tile(struct kernel_case *c)
{
    struct gn_tile *t = &c->tile;

    c->groups = pick(c, 33, MAX_GROUPS);
    t->depth = t->axis == GN_AXIS_ROWS ? 1 : 16;
    t->length = t->axis == GN_AXIS_ROWS ? pick(c, 512, 520) : pick(c, GN_CHUNK_PIXELS, 70);
}

void make_tile(struct kernel_case *c)
{
    static const int64_t budgets[] = {500, 2000, 2000, 6000, 6000, 20000};
    const int64_t budget = budgets[pick(c, 0, quick() ? 3 : 5)];
    struct gn_tile *t = &c->tile;
    int64_t most;

    t->axis = one_in(c, 2) ? GN_AXIS_ROWS : GN_AXIS_COLUMNS;
    t->beyond_llc = one_in(c, 3);
    if (one_in(c, quick() ? 200 : 20)) {
        make_large_tile(c);
        t->channels = c->groups * t->depth;
        return;
    }
    do {
        t->depth = pick_depth(c);
        t->length = pick_length(c);
        most = budget / (t->depth * t->length);
    } while (most == 0);
    most = most < MAX_GROUPS ? most : MAX_GROUPS;
    c->groups = one_in(c, 2) && most > 9 ? pick(c, 1, 9) : pick(c, 1, most);
    if (one_in(c, 3))
        c->groups = groups_in_lines(t, most);
    t->channels = c->groups * t->depth;
}

void pick_types(struct kernel_case *c, gn_type *x, gn_type *y)
{
    *x = *y = pick_type(c);
    if (*x != GN_F64 && one_in(c, 3))
        *(one_in(c, 2) ? x : y) = GN_F32;
}

void pick_pieces(struct kernel_case *c)
{
    struct gn_tile *t = &c->tile;

    if (t->axis != GN_AXIS_ROWS || one_in(c, 2))
        return;
    t->contiguous_len = one_in(c, 4) ? t->length : pick(c, 1, 40);
    t->first_len = pick(c, 1, t->contiguous_len);
}

/*
 * Returns the index of the piece that contains element i of a row. *inside is the index within it.
 */
static int64_t piece_of(const struct gn_tile *t, int64_t i, int64_t *inside)
{
    *inside = i;
    if (i < t->first_len)
        return 0;
    *inside = (i - t->first_len) % t->contiguous_len;
    return 1 + (i - t->first_len) / t->contiguous_len;
}

int64_t element_at(const struct kernel_case *c, const struct gn_operand *operand,
                   const struct array *offsets, int64_t k, int64_t i)
{
    const int64_t *at = offsets ? (const int64_t *)(const void *)offsets->initial : NULL;
    int64_t inside;

    if (c->tile.axis == GN_AXIS_COLUMNS)
        return gn_offset_at(at, operand->stride, i) + k;
    if (!at)
        return k * operand->stride + i;
    const int64_t piece = piece_of(&c->tile, i, &inside);
    return k * operand->stride + at[piece] + inside;
}

/*
 * Makes offsets of pieces that may have gaps between them, in ascending or descending order. *end
 * is the end of the last piece in memory.
 */
static struct array *list_pieces(struct kernel_case *c, int64_t count, int64_t len, int64_t *end)
{
    struct array *list = array_of_bytes(&c->arrays, "offsets", sizeof(int64_t), count);
    const bool backward = one_in(c, 4);
    const int64_t gaps = pick(c, 0, 3) * (one_in(c, 2) ? 16 : 1);

    *end = 0;
    for (int64_t i = 0; i < count; i++) {
        int64_t *at = (int64_t *)(void *)list->initial + (backward ? count - 1 - i : i);

        *at = *end + (one_in(c, 2) ? gaps : 0);
        *end = *at + len;
    }
    return list;
}

/* Chooses the stride, and offsets or none. Returns the tensor's number of elements, with gaps. */
static int64_t lay_out(struct kernel_case *c, struct gn_operand *operand, struct array **offsets)
{
    const struct gn_tile *t = &c->tile;
    const bool columns = t->axis == GN_AXIS_COLUMNS, listed = offsets && one_in(c, 2);
    const int64_t inner = columns ? t->channels : t->length,
                  outer = columns ? t->length : t->channels;
    int64_t inside, end = inner;

    if (listed && columns) {
        *offsets = list_pieces(c, outer, inner, &end);
        operand->stride = 0; /* arbitrary: kernels do not use it */
        return end;
    }
    if (listed && t->contiguous_len)
        *offsets = list_pieces(c, piece_of(t, t->length - 1, &inside) + 1, t->contiguous_len, &end);
    operand->stride = end;
    if (offsets && one_in(c, 2))
        operand->stride += one_in(c, 2) ? 16 * pick(c, 0, 2) : pick(c, 1, 9);
    return (outer - 1) * operand->stride + end;
}

struct array *make_tensor(struct kernel_case *c, const char *name, struct gn_operand *operand,
                          gn_type type, struct array **offsets, bool is_output)
{
    const int64_t count = lay_out(c, operand, offsets);
    const struct array *list = offsets ? *offsets : NULL;
    struct array *a = array_of(&c->arrays, name, type, count, 0);

    operand->type = type;
    a->blank = is_output;
    if (is_output)
        set_fates(c, a, operand, list, WRITTEN);
    for (int64_t k = 0; !is_output && k < c->tile.channels; k++)
        for (int64_t i = 0; i < c->tile.length; i++)
            set_initial(a, element_at(c, operand, list, k, i),
                        pick_value(c, k / c->tile.depth, type));
    return a;
}

void set_fates(struct kernel_case *c, struct array *a, const struct gn_operand *operand,
               const struct array *offsets, enum fate fate)
{
    for (int64_t k = 0; k < c->tile.channels; k++)
        for (int64_t i = 0; i < c->tile.length; i++)
            a->fate[element_at(c, operand, offsets, k, i)] = (unsigned char)fate;
}

void make_saved_g(struct kernel_case *c, bool is_output)
{
    const struct gn_tile *t = &c->tile;
    const bool columns = t->axis == GN_AXIS_COLUMNS;
    const int64_t inner = columns ? t->channels : t->length;
    const int64_t outer = columns ? t->length : t->channels;
    struct gn_operand *g = &c->tile.saved_g;

    g->type = GN_F32;
    g->stride = inner + (columns && one_in(c, 2) ? pick(c, 0, 20) : 0);
    c->saved_g = array_of(&c->arrays, "saved_g", GN_F32, (outer - 1) * g->stride + inner, 0);
    c->saved_g->blank = is_output;
    for (int64_t k = 0; k < t->channels; k++)
        for (int64_t i = 0; i < t->length; i++) {
            const int64_t at = element_at(c, g, NULL, k, i);

            if (is_output)
                c->saved_g->fate[at] = uses_f32(c, k) ? WRITTEN : ANY;
            else
                set_initial(c->saved_g, at, pick_value(c, 0, GN_F32));
        }
}

struct gn_tile tile_of(const struct kernel_case *c)
{
    struct gn_tile t = c->tile;

    t.x.data = data_of(c->x);
    t.dy.data = data_of(c->dy);
    t.out.data = data_of(c->out);
    t.saved_g.data = data_of(c->saved_g);
    t.x.offsets = data_of(c->x_offsets);
    t.dy.offsets = data_of(c->dy_offsets);
    t.out.offsets = data_of(c->out_offsets);
    return t;
}

void make_scratch(struct kernel_case *c, bool activates)
{
    const int64_t bytes = gn_columns_scratch_bytes(c->tile.channels, activates);

    if (c->tile.axis == GN_AXIS_ROWS)
        return;
    c->scratch = array_of(&c->arrays, "scratch", GN_F64, bytes / (int64_t)sizeof(double), 0);
    array_is_output(c->scratch);
    array_set_fate(c->scratch, ANY);
}
