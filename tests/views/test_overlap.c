/* SPDX-License-Identifier: MIT */
/*
 * Whether elements that strides place share memory, as src/tensor/overlap.c finds it, against a map
 * of every byte. Small extents have so few combinations of indices that the search must be exact;
 * where it gives up, it must say that they overlap.
 */
#include "seeds.h"
#include "support.h"
#include "tensor/overlap.h"

#include <string.h>
#include <time.h>

/* The map's bytes; extents start in its middle, so that either of two may come first. */
enum { MAP = 1 << 14, MIDDLE = MAP / 4 };

/*
 * So many combinations of indices that a search which tries each at every level takes fewer steps
 * than the 10000 after which src/tensor/overlap.c gives up.
 */
enum { MOST_COMBINATIONS = 2000 };

static int64_t element_size(uint64_t *random)
{
    return INT64_C(1) << random_range(random, 0, 3);
}

/*
 * Random dims whose sizes multiply to at most `room`, in a random order in memory. Most strides
 * are the extent of what lies inside, give or take a little: that is where the answer changes.
 */
static struct gn_extent random_extent(uint64_t *random, int64_t room, int64_t size)
{
    struct gn_extent extent = {.size = size, .rank = (int)random_range(random, 1, 6)};
    const int64_t unit = random_range(random, 0, 3) ? size : 1;
    int64_t inside = size * (random_range(random, 0, 3) ? 1 : random_range(random, 1, 4));
    int order[GN_MAX_RANK] = {0};

    for (int i = 0; i < extent.rank; i++) {
        const int j = (int)random_range(random, 0, i);
        order[i] = order[j];
        order[j] = i;
    }
    for (int k = 0; k < extent.rank; k++) {
        const int i = order[k];
        const int64_t most = room < 5 ? room : 5;
        extent.dims[i] = random_range(random, 0, 3) ? random_range(random, 1, most) : 1;
        room /= extent.dims[i];
        if (random_range(random, 0, 2) == 0)
            inside += random_range(random, -2, 2) * unit;
        if (random_range(random, 0, 30) == 0)
            inside = unit * random_range(random, 0, 12);
        extent.strides[i] = inside > 0 ? inside : 0;
        if (extent.dims[i] > 1)
            inside = extent.strides[i] * extent.dims[i];
        else if (random_range(random, 0, 1))
            extent.strides[i] = random_range(random, 0, 1000);
    }
    return extent;
}

/* Marks each byte by 1, or 2 where several elements have it; returns the largest of the marks. */
static int mark(const struct gn_extent *extent, unsigned char *map)
{
    int64_t index[GN_MAX_RANK] = {0};
    int most = 0, dim;

    do {
        int64_t at = MIDDLE + (int64_t)extent->start;
        for (int i = 0; i < extent->rank; i++)
            at += index[i] * extent->strides[i];
        for (int64_t byte = at; byte < at + extent->size; byte++) {
            map[byte] = map[byte] ? 2 : 1;
            most = map[byte] > most ? map[byte] : most;
        }
        for (dim = extent->rank - 1; dim >= 0 && ++index[dim] == extent->dims[dim]; dim--)
            index[dim] = 0;
    } while (dim >= 0);
    return most;
}

/* The same with every length multiplied: no answer changes. */
static struct gn_extent scaled(struct gn_extent extent, int64_t factor)
{
    extent.start *= (uintptr_t)factor;
    extent.size *= factor;
    for (int i = 0; i < extent.rank; i++)
        extent.strides[i] *= factor;
    return extent;
}

/* A factor with which lengths of the map stay below 2^60 bytes, mostly 1. */
static int64_t random_factor(uint64_t *random)
{
    if (sizeof(uintptr_t) < sizeof(int64_t))
        return 1;
    const int64_t factor = random_range(random, 1, 10);
    return random_range(random, 0, 3) ? 1 : factor << random_range(random, 0, 42);
}

static const char *check_one(uint64_t *random)
{
    static unsigned char map[MAP];
    struct gn_extent extent;
    int64_t combinations;

    /* The differences of an index are about twice as many as its values. */
    do {
        extent = random_extent(random, 500, element_size(random));
        combinations = 1;
        for (int i = 0; i < extent.rank; i++)
            combinations *= 2 * extent.dims[i] - 1;
    } while (combinations > MOST_COMBINATIONS || gn_extent_bytes(&extent) > MAP - MIDDLE);
    memset(map, 0, sizeof(map));
    const bool expected = mark(&extent, map) > 1;
    const int64_t factor = random_factor(random);
    const struct gn_extent larger = scaled(extent, factor);
    if (gn_overlaps_itself(&larger) != expected)
        return wrong("an extent overlaps itself: expected %d; factor %lld", expected,
                     (long long)factor);
    int64_t end = MAP;
    while (!map[end - 1])
        end--;
    if (gn_extent_bytes(&larger) != (end - MIDDLE) * factor)
        return wrong("an extent has %lld bytes, expected %lld", (long long)gn_extent_bytes(&larger),
                     (long long)((end - MIDDLE) * factor));
    return NULL;
}

/* Whether as many bytes from the start of each on overlap. */
static bool share(const struct gn_extent *a, int64_t bytes_of_a, const struct gn_extent *b,
                  int64_t bytes_of_b)
{
    const int64_t distance = (int64_t)b->start - (int64_t)a->start;

    return distance < bytes_of_a && -distance < bytes_of_b;
}

static int64_t dense_bytes(const struct gn_extent *extent)
{
    int64_t bytes = extent->size;

    for (int i = 0; i < extent->rank; i++)
        bytes *= extent->dims[i];
    return bytes;
}

/*
 * How often other answers are right and wrong, [other answer][answer]: whether the ranges from the
 * first byte to the last overlap, and whether those of as many elements side by side do.
 */
static int ranges_count[2][2], dense_count[2][2];

static const char *check_two(uint64_t *random)
{
    static unsigned char map[MAP], both[MAP];
    struct gn_extent a, b;

    do {
        a = random_extent(random, 40, element_size(random));
        b = random_extent(random, MOST_COMBINATIONS / 40, element_size(random));
        /* Interleaved tensors have the same strides. */
        if (random_range(random, 0, 1)) {
            b = a;
            b.size = random_range(random, 0, 3) ? a.size : element_size(random);
            for (int i = 0; i < b.rank; i++)
                b.dims[i] -= b.dims[i] > 1 && random_range(random, 0, 3) == 0;
        }
    } while (gn_extent_bytes(&a) > MIDDLE || gn_extent_bytes(&b) > MIDDLE);
    const int64_t step = random_range(random, 0, 3) ? a.size : 1;
    const int64_t reach = gn_extent_bytes(&a) + gn_extent_bytes(&b) + 16;
    b.start = (uintptr_t)(random_range(random, 0, reach / step) * step);
    a.start = (uintptr_t)(gn_extent_bytes(&b) / step * step);

    memset(map, 0, sizeof(map));
    memset(both, 0, sizeof(both));
    mark(&a, map);
    mark(&b, both);
    bool expected = false;
    for (int i = 0; i < MAP; i++)
        expected |= map[i] && both[i];
    const int64_t factor = random_factor(random);
    struct gn_extent larger_a = scaled(a, factor), larger_b = scaled(b, factor);
    const uintptr_t base = random_range(random, 0, 1) ? UINTPTR_MAX / 2 + 1 : 0;
    larger_a.start += base;
    larger_b.start += base;
    if (gn_overlap(&larger_a, &larger_b) != expected ||
        gn_overlap(&larger_b, &larger_a) != expected)
        return wrong("two extents overlap: expected %d, found %d and %d; factor %lld", expected,
                     gn_overlap(&larger_a, &larger_b), gn_overlap(&larger_b, &larger_a),
                     (long long)factor);
    const bool ranges = share(&a, gn_extent_bytes(&a), &b, gn_extent_bytes(&b));
    ranges_count[ranges][expected]++;
    dense_count[share(&a, dense_bytes(&a), &b, dense_bytes(&b))][expected]++;
    return NULL;
}

static void test_one(void **state)
{
    (void)state;

    check_seeds(check_one, 20000);
}

static void test_two(void **state)
{
    (void)state;

    check_seeds(check_two, 20000);
    print_message("ranges: %d apart, %d rightly shared, %d wrongly; dense: %d missed, %d wrongly\n",
                  ranges_count[0][0], ranges_count[1][1], ranges_count[1][0], dense_count[0][1],
                  dense_count[1][0]);
    assert_int_equal(ranges_count[0][1], 0);
}

/* Tensors as they are in practice, far too large to try all indices. */
static void test_large(void **state)
{
    const int64_t size = 4, width = 1 << 11, channel = (int64_t)width * width * size;
    struct gn_extent a = {.size = size, .rank = 4, .dims = {256, 128, width, width}}, b;
    (void)state;

    a.strides[0] = 256 * channel;
    a.strides[1] = 2 * channel;
    a.strides[2] = width * size;
    a.strides[3] = size;
    assert_false(gn_overlaps_itself(&a));
    /* Every other channel, then the same but for one element. */
    b = a;
    b.start += (uintptr_t)channel;
    assert_false(gn_overlap(&a, &b));
    assert_false(gn_overlap(&b, &a));
    b.start -= (uintptr_t)size;
    assert_true(gn_overlap(&a, &b));
    assert_true(gn_overlap(&b, &a));
    /* The left and the right half of each row. */
    b = a;
    a.dims[3] = b.dims[3] = width / 2;
    b.start += (uintptr_t)(width / 2 * size);
    assert_false(gn_overlap(&a, &b));
    b.dims[3]++;
    assert_true(gn_overlap(&a, &b));
    /* Rows that begin inside the row before. */
    a.strides[2] = (width / 2 - 1) * size;
    assert_true(gn_overlaps_itself(&a));
}

/*
 * Extents of one-byte elements whose strides are all even and about as large as each other, so that
 * many combinations of indices have to be tried; between the two starts is an odd number of bytes.
 */
static void make_ambiguous(int rank, int64_t dim, struct gn_extent *a, struct gn_extent *b)
{
    *a = *b = (struct gn_extent){.size = 1, .rank = rank};
    for (int i = 0; i < rank; i++) {
        a->dims[i] = b->dims[i] = dim;
        a->strides[i] = 2 * (100003 + 1013 * i * i);
        b->strides[i] = 2 * (100019 + 997 * i * i);
    }
    b->start = (uintptr_t)(100001 * (dim - 1) * 2 - 1);
}

static void test_gives_up(void **state)
{
    struct gn_extent a, b;
    (void)state;

    /* Fourteen indices of two values are few enough: it takes some thousand steps. */
    make_ambiguous(7, 2, &a, &b);
    assert_false(gn_overlap(&a, &b));
    assert_false(gn_overlap(&b, &a));
    /* It would take years to find that no element is shared. */
    make_ambiguous(GN_MAX_RANK, 100, &a, &b);
    const clock_t start = clock();
    assert_true(gn_overlap(&a, &b));
    assert_true(gn_overlap(&b, &a));
    assert_true(clock() - start < CLOCKS_PER_SEC);
    /* More bytes than any memory has. */
    b = (struct gn_extent){.size = 1, .rank = 1, .dims = {2}, .strides = {INT64_C(1) << 60}};
    b.start = 1;
    a = (struct gn_extent){.size = 1, .rank = 1, .dims = {1}};
    assert_true(gn_overlap(&a, &b));
    assert_true(gn_overlap(&b, &a));
    b.strides[0] -= 4;
    assert_false(gn_overlap(&a, &b));
    assert_false(gn_overlap(&b, &a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one),
        cmocka_unit_test(test_two),
        cmocka_unit_test(test_large),
        cmocka_unit_test(test_gives_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
