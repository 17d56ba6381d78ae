/* SPDX-License-Identifier: MIT */
/*
 * Two elements share memory if the distance between them, a sum of strides times differences of
 * indices, is less than an element. The search for such differences goes from the largest stride to
 * the smallest, and skips differences that the smaller strides cannot make up for. For tensors
 * whose dims are nested as usual, it follows a single path.
 */
#include "tensor/overlap.h"

enum { MAX_TERMS = 2 * GN_MAX_RANK, MAX_STEPS = 10000 };

/* No memory has so many bytes, and a sum of a few such sizes does not overflow. */
#define MAX_BYTES (INT64_C(1) << 60)

/* A stride, and the range of its multiples: low to high. */
struct term {
    int64_t stride, low, high;
};

struct search {
    struct term terms[MAX_TERMS]; /* in descending order of strides */
    int count;
    int64_t least[MAX_TERMS + 1],
        most[MAX_TERMS + 1]; /* the least and the most that terms i and after can add */
    int64_t above, below;    /* sought: above < distance < below */
    bool any;                /* whether all differences may be 0 */
    int steps;
};

/* Adds a term. Terms of equal strides are merged, which keeps the number of combinations low. */
static void add_term(struct search *s, int64_t stride, int64_t low, int64_t high)
{
    int i = 0;
    if (low == 0 && high == 0)
        return;
    while (i < s->count && s->terms[i].stride > stride)
        i++;
    if (i < s->count && s->terms[i].stride == stride) {
        s->terms[i].low += low;
        s->terms[i].high += high;
        return;
    }
    for (int j = s->count++; j > i; j--)
        s->terms[j] = s->terms[j - 1];
    s->terms[i] = (struct term){stride, low, high};
}

static void sum_terms(struct search *s)
{
    s->least[s->count] = s->most[s->count] = 0;
    for (int i = s->count - 1; i >= 0; i--) {
        s->least[i] = s->least[i + 1] + s->terms[i].low * s->terms[i].stride;
        s->most[i] = s->most[i + 1] + s->terms[i].high * s->terms[i].stride;
    }
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/*
 * Whether terms `at` and after can take `distance` into the range that is sought. `differ` is
 * whether a term before has a multiple other than 0. Also true if the search takes too long.
 */
static bool found(struct search *s, int at, int64_t distance, bool differ)
{
    if (++s->steps > MAX_STEPS)
        return true;
    if (at == s->count)
        return (s->any || differ) && distance > s->above && distance < s->below;
    const struct term *t = &s->terms[at];
    /* above < distance + c * stride + most, and distance + c * stride + least < below */
    int64_t low = floor_div(s->above - distance - s->most[at + 1], t->stride) + 1;
    int64_t high = -floor_div(distance + s->least[at + 1] - s->below, t->stride) - 1;
    low = low > t->low ? low : t->low;
    high = high < t->high ? high : t->high;
    for (int64_t c = low; c <= high; c++)
        if (found(s, at + 1, distance + c * t->stride, differ || c != 0))
            return true;
    return false;
}

int64_t gn_extent_bytes(const struct gn_extent *extent)
{
    int64_t last = 0;
    for (int i = 0; i < extent->rank; i++)
        last += (extent->dims[i] - 1) * extent->strides[i];
    return last + extent->size;
}

bool gn_overlaps_itself(const struct gn_extent *extent)
{
    struct search s = {.above = -extent->size, .below = extent->size};
    for (int i = 0; i < extent->rank; i++) {
        if (extent->dims[i] == 1)
            continue;
        for (int j = 0; j < s.count; j++)
            if (s.terms[j].stride == extent->strides[i])
                return true;
        if (extent->strides[i] == 0)
            return true;
        add_term(&s, extent->strides[i], -(extent->dims[i] - 1), extent->dims[i] - 1);
    }
    sum_terms(&s);
    return found(&s, 0, 0, false);
}

bool gn_overlap(const struct gn_extent *a, const struct gn_extent *b)
{
    if (gn_extent_bytes(a) > MAX_BYTES || gn_extent_bytes(b) > MAX_BYTES)
        return true;
    struct search s = {.above = -a->size, .below = b->size, .any = true};
    for (int i = 0; i < a->rank; i++)
        if (a->strides[i])
            add_term(&s, a->strides[i], 0, a->dims[i] - 1);
    for (int i = 0; i < b->rank; i++)
        if (b->strides[i])
            add_term(&s, b->strides[i], -(b->dims[i] - 1), 0);
    sum_terms(&s);
    return found(&s, 0, (int64_t)a->start - (int64_t)b->start, false);
}
