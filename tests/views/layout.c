/* SPDX-License-Identifier: MIT */
#include "layout.h"
#include "support.h"

#include <stdio.h>

/* The most elements of a tensor. With gaps, its memory may be several times as large. */
enum { MOST_ELEMENTS = 3000 };

/*
 * The size of a spatial dim. A few are larger than each step of src/tensor/pack.c: 1024 bytes of a
 * row, 32 elements of a row, 16 pixels.
 */
static int64_t random_dim(uint64_t *random, int64_t room)
{
    const int64_t kind = random_range(random, 0, 11);
    const int64_t most = kind == 0 ? 600 : kind < 4 ? 40 : kind < 8 ? 9 : 3;

    return random_range(random, 1, most < room ? most : room);
}

/* Sets the strides, from the innermost dim, order[0], to the outermost, with or without gaps. */
static void nest(struct layout *layout, uint64_t *random, const int *order)
{
    const bool gaps = random_range(random, 0, 2) > 0;
    int64_t inside = gaps && random_range(random, 0, 7) == 0 ? random_range(random, 2, 3) : 1;

    for (int k = 0; k < layout->rank; k++) {
        const int i = order[k];
        if (gaps && random_range(random, 0, 3) == 0)
            inside += random_range(random, 1, 5);
        layout->strides[i] = inside;
        inside *= layout->dims[i];
    }
}

/*
 * Chooses the order of dims in memory: that of a dense layout, a random one, or two swapped dims.
 */
static void choose_order(const struct layout *layout, uint64_t *random, int *order)
{
    const int rank = layout->rank;
    const int64_t kind = random_range(random, 0, 3);
    int first = 0;

    if (kind == 0)
        order[first++] = 1;
    for (int i = rank - 1; i >= 0; i--)
        if (kind != 0 || i != 1)
            order[first++] = i;
    for (int i = rank - 1; kind == 2 && i > 0; i--) {
        const int j = (int)random_range(random, 0, i), saved = order[i];
        order[i] = order[j];
        order[j] = saved;
    }
    /* Swap two neighbours, for example the channels and the outermost spatial dim. */
    if (kind == 3) {
        const int j = (int)random_range(random, 0, rank - 2), saved = order[j];
        order[j] = order[j + 1];
        order[j + 1] = saved;
    }
}

void layout_random_strides(struct layout *layout, uint64_t *random, bool shared)
{
    int order[GN_MAX_RANK];

    choose_order(layout, random, order);
    nest(layout, random, order);
    for (int i = 0; shared && i < layout->rank; i++)
        if (random_range(random, 0, 2) == 0)
            layout->strides[i] = random_range(random, 0, 3);
    layout->shared = shared;
    for (int i = 0; i < layout->rank; i++)
        if (layout->dims[i] == 1)
            layout->strides[i] = random_range(random, 0, 50);
    layout->view =
        gn_view_of(layout->type, layout->axis, layout->rank, layout->dims, layout->strides);
}

void layout_random(struct layout *layout, uint64_t *random, bool shared)
{
    int64_t room = MOST_ELEMENTS;

    *layout = (struct layout){.S = 1};
    layout->type = (gn_type)random_range(random, 0, 3);
    layout->rank = (int)random_range(random, 2, GN_MAX_RANK);
    layout->axis = random_range(random, 0, 1) ? GN_AXIS_ROWS : GN_AXIS_COLUMNS;
    layout->N = layout->dims[0] = random_range(random, 1, 3);
    layout->C = layout->dims[1] = random_range(random, 0, 3) ? random_range(random, 1, 12) : 1;
    room /= layout->N * layout->C;
    for (int i = 2; i < layout->rank; i++) {
        layout->dims[i] = random_range(random, 0, 3) ? random_dim(random, room) : 1;
        room /= layout->dims[i];
        layout->S *= layout->dims[i];
    }
    layout_random_strides(layout, random, shared);
}

int64_t layout_at(const struct layout *layout, int64_t n, int64_t c, int64_t s)
{
    int64_t at = 0;

    for (int i = layout->rank - 1; i >= 2; i--) {
        at += s % layout->dims[i] * layout->strides[i];
        s /= layout->dims[i];
    }
    return at + n * layout->strides[0] + c * layout->strides[1];
}

int64_t layout_length(const struct layout *layout)
{
    int64_t last = 0;

    for (int64_t n = 0; n < layout->N; n++)
        for (int64_t c = 0; c < layout->C; c++)
            for (int64_t s = 0; s < layout->S; s++) {
                const int64_t at = layout_at(layout, n, c, s);
                last = at > last ? at : last;
            }
    return last + 1;
}

const char *layout_text(const struct layout *layout)
{
    static char text[300];
    int used = snprintf(text, sizeof(text), "%s, type %d, dim:stride",
                        layout->axis == GN_AXIS_ROWS ? "rows" : "columns", (int)layout->type);

    for (int i = 0; i < layout->rank; i++)
        used += snprintf(text + used, sizeof(text) - (size_t)used, " %lld:%lld",
                         (long long)layout->dims[i], (long long)layout->strides[i]);
    return text;
}
