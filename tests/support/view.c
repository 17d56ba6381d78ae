/* SPDX-License-Identifier: MIT */
#include "view.h"

#include <math.h>
#include <string.h>

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

void view_create(struct view *view, struct memory *memory, enum place place)
{
    const size_t size = type_size(view->type);
    int64_t count = 1;

    for (int i = 0; i < view->rank; i++)
        count += view->dims[i] > 0 ? (view->dims[i] - 1) * view->strides[i] : 0;
    for (int i = 0; i < view->rank; i++)
        count = view->dims[i] > 0 ? count : 0;
    view->data = memory_take(memory, (size_t)count * size, size, place);
}

/* ---- One row of a view after the other: its elements along the last dim ---- */

struct row {
    int64_t index[8]; /* the row's, in all dims except the last */
    unsigned char *data;
    int64_t length, step; /* the number of elements, and their distance in bytes */
};

static struct row first_row(const struct view *view)
{
    const int last = view->rank - 1;

    return (struct row){{0},
                        view->data,
                        view_count(view) ? view->dims[last] : 0,
                        view->strides[last] * (int64_t)type_size(view->type)};
}

/* Whether there is another row, which *row becomes. */
static bool next_row(const struct view *view, struct row *row)
{
    const int64_t size = (int64_t)type_size(view->type);

    for (int i = view->rank - 2; i >= 0; i--) {
        row->data += view->strides[i] * size;
        if (++row->index[i] < view->dims[i])
            return true;
        row->data -= view->strides[i] * size * view->dims[i];
        row->index[i] = 0;
    }
    return false;
}

/* Whether the elements are consecutive in memory, in one of the two orders. */
static bool is_dense(const struct view *view)
{
    const size_t bytes = (size_t)view->rank * sizeof(view->strides[0]);
    int64_t first[8] = {0}, last[8] = {0};

    dense_strides(view->rank, view->dims, GN_CHANNELS_FIRST, first);
    if (memcmp(view->strides, first, bytes) == 0)
        return true;
    if (view->rank < 2)
        return false;
    dense_strides(view->rank, view->dims, GN_CHANNELS_LAST, last);
    return memcmp(view->strides, last, bytes) == 0;
}

/* The number of bytes of two views whose elements are consecutive in memory in the same order, or
 * 0 if they are not. */
static size_t common_bytes(const struct view *a, const struct view *b)
{
    if (memcmp(a->strides, b->strides, (size_t)a->rank * sizeof(a->strides[0])) != 0)
        return 0;
    return is_dense(a) ? (size_t)view_count(a) * type_size(a->type) : 0;
}

/* ---- Elements ---- */

static uint64_t load(size_t size, const unsigned char *from)
{
    uint16_t two;
    uint32_t four;
    uint64_t eight;

    switch (size) {
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

static void store(size_t size, unsigned char *to, uint64_t bits)
{
    const uint16_t two = (uint16_t)bits;
    const uint32_t four = (uint32_t)bits;

    switch (size) {
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

void view_erase(const struct view *view)
{
    const size_t size = type_size(view->type);
    struct row row = first_row(view);
    uint64_t nan;

    if (is_dense(view)) {
        memory_erase(view->data, (size_t)view_count(view) * size);
        return;
    }
    memory_erase(&nan, sizeof(nan));
    do {
        for (int64_t i = 0; i < row.length; i++)
            store(size, row.data + i * row.step, nan);
    } while (next_row(view, &row));
}

void view_set(const struct view *view, const long double *values)
{
    struct row row = first_row(view);

    do {
        for (int64_t i = 0; i < row.length; i++)
            store(type_size(view->type), row.data + i * row.step,
                  type_bits(view->type, *values++, 0));
    } while (next_row(view, &row));
}

void view_copy(const struct view *to, const struct view *from)
{
    const size_t size = type_size(to->type), bytes = common_bytes(to, from);
    struct row target = first_row(to), source = first_row(from);

    if (bytes) {
        memcpy(to->data, from->data, bytes);
        return;
    }
    do {
        for (int64_t i = 0; i < target.length; i++)
            store(size, target.data + i * target.step, load(size, source.data + i * source.step));
    } while (next_row(to, &target) && next_row(from, &source));
}

void view_values(const struct view *view, long double *values)
{
    struct row row = first_row(view);

    do {
        for (int64_t i = 0; i < row.length; i++)
            *values++ = type_load(view->type, row.data + i * row.step, 0);
    } while (next_row(view, &row));
}

long double view_value(const struct view *view, int64_t i)
{
    int64_t offset = 0;

    for (int k = view->rank - 1; k >= 0; i /= view->dims[k], k--)
        offset += i % view->dims[k] * view->strides[k];
    return type_load(view->type, view->data, offset);
}

/* The index of the first element of two rows that differs, or their length. */
static int64_t first_difference(gn_type type, const struct row *a, const struct row *b)
{
    const size_t size = type_size(type);

    for (int64_t i = 0; i < a->length; i++) {
        const uint64_t one = load(size, a->data + i * a->step);
        const uint64_t other = load(size, b->data + i * b->step);

        if (one != other && !(isnan(type_value(type, one)) && isnan(type_value(type, other))))
            return i;
    }
    return a->length;
}

bool view_same(const struct view *a, const struct view *b, int64_t *where)
{
    const size_t bytes = common_bytes(a, b);
    struct row one = first_row(a), other = first_row(b);
    int64_t count = 0;

    if (bytes && memcmp(a->data, b->data, bytes) == 0)
        return true;
    do {
        const int64_t equal = first_difference(a->type, &one, &other);

        if (equal < one.length) {
            *where = count + equal;
            return false;
        }
        count += one.length;
    } while (next_row(a, &one) && next_row(b, &other));
    return true;
}
