/* SPDX-License-Identifier: MIT */
#include "view.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct block {
    struct block *next;
    size_t size;
    unsigned char *data, *saved;
};

static void *allocate(size_t size)
{
    void *memory = malloc(size);

    if (!memory) {
        perror("test memory");
        abort();
    }
    return memory;
}

bool memory_intact(const struct memory *memory)
{
    for (const struct block *block = memory->blocks; block; block = block->next) {
        if (memcmp(block->data, block->saved, block->size) != 0)
            return false;
    }
    return true;
}

void memory_free(struct memory *memory)
{
    while (memory->blocks) {
        struct block *block = memory->blocks;

        memory->blocks = block->next;
        free(block->data);
        free(block->saved);
        free(block);
    }
}

int64_t view_count(const struct view *view)
{
    int64_t count = 1;

    for (int i = 0; i < view->rank; i++)
        count *= view->dims[i];
    return count;
}

void dense_strides(int rank, const int64_t *dims, gn_layout layout, int64_t *strides)
{
    int64_t stride = layout == GN_CHANNELS_LAST ? dims[1] : 1;

    for (int i = rank - 1; i >= 0; i--) {
        const bool nearest = layout == GN_CHANNELS_LAST && i == 1;
        strides[i] = nearest ? 1 : stride;
        stride *= nearest ? 1 : dims[i];
    }
}

void view_create(struct view *view, struct memory *memory, int64_t lead)
{
    static const uint16_t nan16 = 0xffa5; /* a NaN in each of the types */
    enum { AFTER = 40 };
    struct block *block = allocate(sizeof(*block));
    int64_t last = 0;

    for (int i = 0; i < view->rank; i++)
        last += view->dims[i] > 0 ? (view->dims[i] - 1) * view->strides[i] : 0;
    block->size = (size_t)(lead + last + 1 + AFTER) * type_size(view->type);
    block->data = allocate(block->size);
    block->saved = allocate(block->size);
    for (size_t i = 0; i < block->size; i += sizeof(nan16))
        memcpy(block->data + i, &nan16, sizeof(nan16));
    memcpy(block->saved, block->data, block->size);
    block->next = memory->blocks;
    memory->blocks = block;
    view->data = block->data + (size_t)lead * type_size(view->type);
    view->saved = block->saved + (size_t)lead * type_size(view->type);
}

/* A position in a tensor, and its distance from the first element in bytes. */
struct place_in {
    int64_t index[8];
    int64_t offset;
};

static void advance(const struct view *view, struct place_in *place)
{
    const int64_t size = (int64_t)type_size(view->type);

    for (int i = view->rank - 1; i >= 0; i--) {
        place->offset += view->strides[i] * size;
        if (++place->index[i] < view->dims[i])
            return;
        place->offset -= view->strides[i] * size * view->dims[i];
        place->index[i] = 0;
    }
}

static uint64_t load(gn_type type, const unsigned char *from)
{
    uint16_t two;
    uint32_t four;
    uint64_t eight;

    switch (type_size(type)) {
    case 2:
        memcpy(&two, from, sizeof(two));
        return two;
    case 4:
        memcpy(&four, from, sizeof(four));
        return four;
    default:
        memcpy(&eight, from, sizeof(eight));
        return eight;
    }
}

static void store(gn_type type, unsigned char *to, uint64_t bits)
{
    const uint16_t two = (uint16_t)bits;
    const uint32_t four = (uint32_t)bits;

    switch (type_size(type)) {
    case 2:
        memcpy(to, &two, sizeof(two));
        break;
    case 4:
        memcpy(to, &four, sizeof(four));
        break;
    default:
        memcpy(to, &bits, sizeof(bits));
    }
}

void view_set(const struct view *view, const long double *values)
{
    struct place_in at = {{0}, 0};

    for (int64_t i = 0; i < view_count(view); i++, advance(view, &at)) {
        const uint64_t bits = type_bits(view->type, values[i], 0);
        store(view->type, view->data + at.offset, bits);
        store(view->type, view->saved + at.offset, bits);
    }
}

void view_copy(const struct view *to, const struct view *from)
{
    struct place_in at = {{0}, 0}, in = {{0}, 0};

    for (int64_t i = view_count(to); i > 0; i--, advance(to, &at), advance(from, &in)) {
        memcpy(to->data + at.offset, from->data + in.offset, type_size(to->type));
        memcpy(to->saved + at.offset, from->data + in.offset, type_size(to->type));
    }
}

void view_values(const struct view *view, long double *values)
{
    struct place_in at = {{0}, 0};

    for (int64_t i = 0; i < view_count(view); i++, advance(view, &at))
        values[i] = type_value(view->type, load(view->type, view->data + at.offset));
}

long double view_value(const struct view *view, int64_t i)
{
    int64_t offset = 0;

    for (int k = view->rank - 1; k >= 0; i /= view->dims[k], k--)
        offset += i % view->dims[k] * view->strides[k];
    return type_value(view->type,
                      load(view->type, view->data + offset * (int64_t)type_size(view->type)));
}

void view_accept(const struct view *view)
{
    struct place_in at = {{0}, 0};

    for (int64_t i = view_count(view); i > 0; i--, advance(view, &at))
        memcpy(view->saved + at.offset, view->data + at.offset, type_size(view->type));
}

bool view_same(const struct view *a, const struct view *b, int64_t *where)
{
    struct place_in in_a = {{0}, 0}, in_b = {{0}, 0};
    const gn_type type = a->type;

    for (int64_t i = 0; i < view_count(a); i++, advance(a, &in_a), advance(b, &in_b)) {
        const uint64_t one = load(type, a->data + in_a.offset);
        const uint64_t other = load(type, b->data + in_b.offset);
        if (one != other && !(isnan(type_value(type, one)) && isnan(type_value(type, other)))) {
            *where = i;
            return false;
        }
    }
    return true;
}
