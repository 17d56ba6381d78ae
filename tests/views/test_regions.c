/* SPDX-License-Identifier: MIT */
/*
 * Checks regions of tensors as kernels get them, in place or as a packed copy. Every element is
 * where the strides place it, and unpacking writes to the region only.
 */
#include "layout.h"
#include "seeds.h"
#include "support.h"

#include <stdlib.h>
#include <string.h>

/*
 * A tensor with margins that must not change, or in an allocation of exactly its size, so that
 * memory checkers report accesses outside.
 */
struct world {
    struct layout layout;
    size_t bytes, lead; /* of the memory, and of each margin */
    char *memory, *expected, *tensor;
    size_t buffer_bytes;
    char *buffer, *spare;
};

/* A failure message that describes the tensor and the region, and says what is wrong. */
static const char *wrong_region(const struct world *world, const struct gn_region *r,
                                const char *what)
{
    return wrong("%s: n %lld, c %lld, channels %lld, s %lld, length %lld, pieces of %lld; %s",
                 layout_text(&world->layout), (long long)r->n, (long long)r->c,
                 (long long)r->channels, (long long)r->s, (long long)r->length,
                 (long long)r->contiguous_len, what);
}

/*
 * Writes an element that depends on `number`. Even 16-bit elements differ for 65536 consecutive
 * numbers.
 */
static void put(char *to, int64_t size, uint64_t number)
{
    const uint64_t value = number * UINT64_C(0x9e3779b97f4a7c15);
    const uint32_t low = (uint32_t)value;
    const uint16_t lowest = (uint16_t)value;

    if (size == 8)
        memcpy(to, &value, 8);
    else if (size == 4)
        memcpy(to, &low, 4);
    else
        memcpy(to, &lowest, 2);
}

static char *allocate(size_t bytes)
{
    char *memory = malloc(bytes);

    assert_non_null(memory);
    return memory;
}

static void world_create(struct world *world, uint64_t *random)
{
    const struct layout *layout = &world->layout;

    layout_random(&world->layout, random, random_range(random, 0, 9) == 0);
    const size_t size = (size_t)gn_size(layout->type);
    const size_t length = (size_t)layout_length(layout);
    world->lead = random_range(random, 0, 1) ? 0 : 40 * size;
    world->bytes = length * size + 2 * world->lead;
    world->memory = allocate(world->bytes);
    world->expected = allocate(world->bytes);
    world->tensor = world->memory + world->lead;
    for (size_t i = 0; i < world->bytes / size; i++)
        put(world->memory + i * size, (int64_t)size, i + 1);
    memcpy(world->expected, world->memory, world->bytes);
    /* The buffers have room for the offsets, or a copy, of the whole tensor. */
    world->buffer_bytes = (size_t)(layout->N * layout->C * layout->S + 2) * sizeof(int64_t);
    world->buffer = allocate(world->buffer_bytes);
    world->spare = allocate(world->buffer_bytes);
}

static void world_destroy(struct world *world)
{
    free(world->memory);
    free(world->expected);
    free(world->buffer);
    free(world->spare);
}

/*
 * Rows: some whole channels, or some elements of one channel. Whole channels may extend into the
 * next samples if the view is dense. Columns: any channels and pixels of one sample.
 */
static struct gn_region random_region(const struct layout *l, uint64_t *random)
{
    struct gn_region r = {.channels = 1, .length = l->S};
    const bool part = random_range(random, 0, 1);

    r.n = random_range(random, 0, l->N - 1);
    r.c = random_range(random, 0, l->C - 1);
    if (l->axis == GN_AXIS_COLUMNS || !part) {
        const int64_t samples = l->axis == GN_AXIS_ROWS && l->view.dense ? l->N - r.n : 1;
        r.c = random_range(random, 0, 1) ? r.c : 0;
        r.channels = random_range(random, 1, samples * l->C - r.c);
    }
    if (part) {
        r.s = random_range(random, 0, l->S - 1);
        r.length = random_range(random, 1, l->S - r.s);
    }
    if (l->axis == GN_AXIS_ROWS && random_range(random, 0, 1)) {
        const struct gn_view *views[2] = {&l->view, &l->view};
        struct layout other = *l;
        layout_random_strides(&other, random, false);
        views[1] = random_range(random, 0, 1) ? &other.view : views[1];
        r.contiguous_len = gn_shared_contiguous_len(l->S, views, 2);
    }
    return r;
}

/* The address of element i of the region's channel c in the tensor, computed from the strides. */
static char *place(const struct world *world, const struct gn_region *r, int64_t c, int64_t i)
{
    const struct layout *l = &world->layout;
    const int64_t channel = r->c + c;
    const int64_t at = layout_at(l, r->n + channel / l->C, channel % l->C, r->s + i);

    return world->tensor + at * gn_size(l->type);
}

/* The address of the same element in the operand, computed as kernels do it. */
static const char *find(const struct layout *l, const struct gn_operand *operand,
                        const struct gn_region *r, int64_t c, int64_t i)
{
    int64_t at = operand->stride * c + i;

    if (l->axis == GN_AXIS_COLUMNS)
        at = gn_offset_at(operand->offsets, operand->stride, i) + c;
    else if (operand->offsets) {
        const int64_t piece = (r->s + i) / r->contiguous_len - r->s / r->contiguous_len;
        const int64_t begin = piece ? gn_first_len(r) + (piece - 1) * r->contiguous_len : 0;
        at = operand->stride * c + operand->offsets[piece] + i - begin;
    }
    return (const char *)operand->data + at * gn_size(l->type);
}

/* The number of bytes that an operand uses in the buffer. */
static size_t used_bytes(const struct layout *l, const struct gn_operand *operand,
                         const struct gn_region *r)
{
    const int64_t end = r->s + r->length - 1;

    if (operand->packed)
        return (size_t)(r->channels * r->length * gn_size(l->type));
    if (!operand->offsets)
        return 0;
    if (l->axis == GN_AXIS_COLUMNS)
        return (size_t)r->length * sizeof(int64_t);
    return (size_t)(end / r->contiguous_len - r->s / r->contiguous_len + 1) * sizeof(int64_t);
}

static bool all_are(const char *from, const char *end, char value)
{
    while (from < end)
        if (*from++ != value)
            return false;
    return true;
}

/* Checks that a region is packed only if necessary, and that a copy is in the region's order. */
static const char *check_operand(const struct world *world, const struct gn_region *r,
                                 const struct gn_operand *operand)
{
    const struct layout *l = &world->layout;
    const struct gn_view *view = &l->view;
    const bool pieces = l->axis == GN_AXIS_ROWS && r->contiguous_len && view->contiguous_len;
    const size_t used = used_bytes(l, operand, r);

    if (operand->packed != (!view->in_place && !pieces))
        return wrong_region(world, r, operand->packed ? "must not be packed" : "must be packed");
    if (operand->type != l->type)
        return wrong_region(world, r, "the type is wrong");
    if (operand->offsets && (const char *)operand->offsets != world->buffer)
        return wrong_region(world, r, "the offsets are outside the buffer");
    if (operand->packed && operand->data != world->buffer)
        return wrong_region(world, r, "the copy is outside the buffer");
    if (!all_are(world->buffer + used, world->buffer + world->buffer_bytes, 'b'))
        return wrong_region(world, r, "the buffer was written beyond the used bytes");
    for (int64_t c = 0; c < r->channels; c++)
        for (int64_t i = 0; i < r->length; i++) {
            const char *found = find(l, operand, r, c, i), *there = place(world, r, c, i);
            if (!operand->packed && found != there)
                return wrong_region(world, r, "an element is at a wrong address");
            if (operand->packed && found >= world->buffer + used)
                return wrong_region(world, r, "an element is beyond the copy");
            if (memcmp(found, there, (size_t)gn_size(l->type)) != 0)
                return wrong_region(world, r, "an element has another value");
        }
    return NULL;
}

/* Checks that unpacking writes changed elements to their places, and nowhere else. */
static const char *check_unpack(struct world *world, const struct gn_region *r,
                                const struct gn_operand *operand)
{
    const struct layout *l = &world->layout;
    const int64_t size = gn_size(l->type);

    for (size_t i = 0; i < world->buffer_bytes / (size_t)size; i++)
        put(world->buffer + i * (size_t)size, size, i + 30000);
    for (int64_t c = 0; operand->packed && c < r->channels; c++)
        for (int64_t i = 0; i < r->length; i++)
            memcpy(world->expected + (place(world, r, c, i) - world->memory),
                   find(l, operand, r, c, i), (size_t)size);
    memcpy(world->spare, world->buffer, world->buffer_bytes);
    gn_unpack(&l->view, world->tensor, r, operand);
    if (memcmp(world->memory, world->expected, world->bytes) != 0)
        return wrong_region(world, r, "unpacking wrote to wrong places");
    if (memcmp(world->buffer, world->spare, world->buffer_bytes) != 0)
        return wrong_region(world, r, "unpacking changed the copy");
    return NULL;
}

/* Checks that gn_flatten_rows removes gaps between rows, and copies rows only if they have gaps. */
static const char *check_flat(struct world *world, const struct gn_region *r)
{
    const struct layout *l = &world->layout;
    struct gn_operand rows;

    gn_read_region(&l->view, world->tensor, r, world->buffer, &rows);
    const void *before = rows.data;
    const bool flat = rows.stride == r->length || r->channels == 1;
    gn_flatten_rows(r, world->spare, &rows);
    if (rows.data != (flat ? before : world->spare))
        return wrong_region(world, r, flat ? "flat rows were copied" : "rows were not copied");
    for (int64_t c = 0; c < r->channels; c++)
        for (int64_t i = 0; i < r->length; i++)
            if (memcmp(find(l, &rows, r, c, i), place(world, r, c, i), (size_t)gn_size(l->type)) !=
                0)
                return wrong_region(world, r, "a flat row has another value");
    return NULL;
}

static const char *check_region(struct world *world, const struct gn_region *r)
{
    const struct layout *l = &world->layout;
    struct gn_operand operand;
    const char *failure;

    memset(world->buffer, 'b', world->buffer_bytes);
    gn_operand_at(&l->view, world->tensor, r, world->buffer, &operand);
    gn_pack(&l->view, world->tensor, r, &operand);
    failure = check_operand(world, r, &operand);
    if (!failure && memcmp(world->memory, world->expected, world->bytes) != 0)
        failure = wrong_region(world, r, "packing changed the tensor");
    if (!failure && !l->shared)
        failure = check_unpack(world, r, &operand);
    if (!failure && l->axis == GN_AXIS_ROWS && !r->contiguous_len)
        failure = check_flat(world, r);
    return failure;
}

static const char *check_regions(uint64_t *random)
{
    struct world world;
    const char *failure = NULL;

    world_create(&world, random);
    for (int i = 0; i < 4 && !failure; i++) {
        const struct gn_region region = random_region(&world.layout, random);
        failure = check_region(&world, &region);
    }
    world_destroy(&world);
    return failure;
}

static void test_regions(void **state)
{
    (void)state;

    check_seeds(check_regions, 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_regions)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
