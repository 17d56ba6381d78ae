/* SPDX-License-Identifier: MIT */
/*
 * Checks the tiles into which src/plan/partition.c divides random shapes, up to the largest legal
 * ones. Together, the tiles contain each element once. Each has its own sets of moments and sums. A
 * sequence contains the elements of its tiles, and no others.
 * This is one of the tests of bits because sums are added up in the order of the tiles.
 */
#include "random_plan.h"
#include "seeds.h"
#include "support.h"

#include <string.h>

/*
 * check_tiles checks all of up to MOST_TILES tiles, and 500 of a larger number. check_sets checks
 * only partitions within both limits.
 */
enum { MOST_TILES = 10000, MOST_SETS = 1 << 18 };

/* The number of channels of an item: a sample in columns, a group in rows. */
static int64_t channels_of(const gn_plan *plan)
{
    return plan->parts.axis == GN_AXIS_COLUMNS ? plan->C : plan->D;
}

/* The number of elements that a tile has in each of its groups. */
static int64_t group_elements(const struct gn_tile_shape *t)
{
    return t->depth * t->length;
}

/* Checks that a tile is within its item, and that kernels accept it. */
static const char *check_form(const gn_plan *plan, const struct gn_tile_shape *t)
{
    const struct gn_partition *p = &plan->parts;

    if (t->channel < 0 || t->channels < 1 || t->channel + t->channels > channels_of(plan) ||
        t->position < 0 || t->length < 1 || t->position + t->length > plan->S)
        return "a tile is not within its item";
    if (t->channels > p->tile_channels || t->length > p->tile_length)
        return "a tile is larger than the partition says";
    if (t->moments < 0 || t->moments >= p->moments || t->sums < 0 || t->sums >= p->sums)
        return "the index of a tile's set is out of range";
    if (gn_moments_count(plan, t->moments) != (double)group_elements(t))
        return "the count of a set of moments is not that of its tile";
    if (p->axis == GN_AXIS_ROWS) {
        if (t->depth != t->channels)
            return "the depth of a tile of rows is not its number of rows";
        return t->channels == 1 || t->length == plan->S
                   ? NULL
                   : "a tile of several rows has incomplete rows";
    }
    if (p->pieces == 1)
        return t->depth == plan->D && t->channel % plan->D == 0 && t->channels % plan->D == 0
                   ? NULL
                   : "a tile of columns divides a group";
    return t->depth == t->channels && t->channel % plan->D + t->channels <= plan->D
               ? NULL
               : "a tile of columns crosses a group";
}

/*
 * Whether a tile is the next one after `before`. Rows: the rest of the row, then the next rows.
 * Columns: the other channels of the same pixels, then the next pixels. If each tile is the next
 * one, from the item's first element to its last, the tiles contain each element once.
 */
static bool follows(const gn_plan *plan, const struct gn_tile_shape *t,
                    const struct gn_tile_shape *before)
{
    const bool last_channel = before->channel + before->channels == channels_of(plan);
    const bool last_position = before->position + before->length == plan->S;

    if (plan->parts.axis == GN_AXIS_COLUMNS) {
        if (last_channel)
            return t->channel == 0 && t->position == before->position + before->length;
        return t->channel == before->channel + before->channels &&
               t->position == before->position && t->length == before->length;
    }
    if (last_position)
        return t->position == 0 && t->channel == before->channel + before->channels;
    return t->position == before->position + before->length && t->channel == before->channel &&
           t->channels == before->channels;
}

static const char *check_tile(const gn_plan *plan, int64_t i, struct gn_tile_shape *t)
{
    const struct gn_partition *p = &plan->parts;
    struct gn_tile_shape room, before;
    const char *failure;

    *t = *gn_tile_shape_at(plan, i, 1, &room);
    failure = check_form(plan, t);
    if (failure)
        return failure;
    if (i == 0 && (t->channel != 0 || t->position != 0))
        return "the first tile is not at the beginning";
    if (i == p->tiles - 1 &&
        (t->channel + t->channels != channels_of(plan) || t->position + t->length != plan->S))
        return "the last tile is not at the end";
    if (i == 0)
        return NULL;
    before = *gn_tile_shape_at(plan, i - 1, 1, &room);
    if (!follows(plan, t, &before))
        return "a tile does not follow the one before";
    const bool same_group =
        p->axis == GN_AXIS_ROWS || before.channel / plan->D == t->channel / plan->D;
    if (same_group && before.moments == t->moments)
        return "two tiles of a group share a set of moments";
    return NULL;
}

/* Marks the sets of a tile. Returns false if another tile has one of them. */
static bool mark_sets(const gn_plan *plan, const struct gn_tile_shape *t, char *moments, char *sums)
{
    const struct gn_partition *p = &plan->parts;
    const bool columns = p->axis == GN_AXIS_COLUMNS;
    const int64_t last = t->channel + t->channels - 1;
    bool own = true;

    for (int64_t g = columns ? t->channel / plan->D : 0; g <= (columns ? last / plan->D : 0); g++)
        own &= ++moments[g * p->moments + t->moments] == 1;
    for (int64_t c = t->channel; c <= last; c++)
        own &= ++sums[c * p->sums + t->sums] == 1;
    return own;
}

/* Checks that each set of moments of a group, and each set of sums of a channel, has one tile. */
static const char *check_sets(const gn_plan *plan)
{
    static char moments[MOST_SETS], sums[MOST_SETS];
    const struct gn_partition *p = &plan->parts;
    const int64_t groups = p->axis == GN_AXIS_COLUMNS ? plan->G : 1, channels = channels_of(plan);
    double count = 0;

    if (p->tiles > MOST_TILES || groups > MOST_SETS / p->moments || channels > MOST_SETS / p->sums)
        return NULL;
    memset(moments, 0, (size_t)(groups * p->moments));
    memset(sums, 0, (size_t)(channels * p->sums));
    for (int64_t i = 0; i < p->tiles; i++) {
        struct gn_tile_shape room;
        if (!mark_sets(plan, gn_tile_shape_at(plan, i, 1, &room), moments, sums))
            return "two tiles share a set";
    }
    if (memchr(moments, 0, (size_t)(groups * p->moments)) ||
        memchr(sums, 0, (size_t)(channels * p->sums)))
        return "a set has no tile";
    for (int64_t i = 0; i < p->moments; i++)
        count += gn_moments_count(plan, i);
    if (plan->D * plan->S < INT64_C(1) << 53 && count != (double)(plan->D * plan->S))
        return "the sets of moments do not cover all elements";
    return NULL;
}

static const char *check_tiles(const gn_plan *plan, uint64_t *random)
{
    const struct gn_partition *p = &plan->parts;
    const bool all = p->tiles <= MOST_TILES;
    const int64_t across = p->axis == GN_AXIS_COLUMNS ? p->tiles / p->pixel_tiles : p->sums;
    struct gn_tile_shape t;

    for (int64_t k = 0; k < (all ? p->tiles : 500); k++) {
        int64_t i = k;
        if (!all && k == 1)
            i = p->tiles - 1;
        else if (!all && k > 1)
            i = random_below(random, p->tiles);
        /* Every fourth tile is the first one of a row of tiles. */
        if (!all && k % 4 == 2)
            i -= i % across;
        const char *failure = check_tile(plan, i, &t);
        if (failure)
            return failure;
    }
    return check_sets(plan);
}

/* The number of elements in tiles first to end - 1. */
static int64_t elements(const gn_plan *plan, int64_t first, int64_t end)
{
    struct gn_tile_shape room;
    int64_t count = 0;

    for (int64_t i = first; i < end; i++) {
        const struct gn_tile_shape *t = gn_tile_shape_at(plan, i, 1, &room);
        count += t->channels * t->length;
    }
    return count;
}

/*
 * Checks the sequence of `count` tiles from `first` on. As check_form accepts only whole rows or
 * a part of one row, the number of elements and the first one determine all of them.
 */
static const char *check_sequence(const gn_plan *plan, int64_t first, int64_t count)
{
    struct gn_tile_shape room, before;
    const struct gn_tile_shape *t = gn_tile_shape_at(plan, first, count, &room);
    const struct gn_tile_shape *start = gn_tile_shape_at(plan, first, 1, &before);

    if (t->channel != start->channel || t->position != start->position ||
        t->moments != start->moments || t->sums != start->sums)
        return "a sequence does not start with its first tile";
    if (t->depth != start->depth && t->depth != t->channels)
        return "the depth of a sequence is not its number of rows";
    if (t->channels > 1 && t->length != plan->S && plan->parts.axis == GN_AXIS_ROWS)
        return "a sequence of several rows has incomplete rows";
    if (t->channels * t->length != elements(plan, first, first + count))
        return "a sequence does not have the elements of its tiles";
    return NULL;
}

static const char *check_sequences(const gn_plan *plan, uint64_t *random)
{
    for (int k = 0; k < 20; k++) {
        const int64_t first = random_below(random, plan->parts.tiles);
        const int64_t end = first + 1 + random_below(random, plan->parts.tiles - first);
        const int64_t most = 1 + random_below(random, 64);
        const int64_t from = gn_sequence_from(plan, first, end, most);
        const int64_t before = gn_sequence_before(plan, first, end, most);
        const char *failure;

        if (from < 1 || from > most || from > end - first)
            return "a sequence from a tile is too long or empty";
        if (before < 1 || before > most || before > end - first)
            return "a sequence before a tile is too long or empty";
        failure = check_sequence(plan, first, from);
        if (!failure)
            failure = check_sequence(plan, end - before, before);
        if (failure)
            return failure;
    }
    return NULL;
}

/* Checks the division among threads: sums are over the same pixels as before. */
static const char *check_among(gn_plan *plan, uint64_t *random)
{
    const struct gn_partition before = plan->parts;
    const int threads = 1 << random_below(random, 11);
    const int64_t tiles = before.blocks * before.tiles;

    gn_divide_among(plan, threads);
    const struct gn_partition *p = &plan->parts;
    if (p->tile_length != before.tile_length || p->pixel_tiles != before.pixel_tiles ||
        p->moments != before.moments || p->sums != before.sums)
        return "the division among threads changes sums";
    if (tiles >= threads && p->tiles != before.tiles)
        return "tiles are divided among threads that have tiles already";
    if (p->tiles != before.tiles && (p->tile_channels < 64 || p->small || p->most_items != 1))
        return "tiles are divided too far";
    return check_tiles(plan, random);
}

static const char *check_partition(uint64_t *random)
{
    const struct problem problem = random_problem(random);
    gn_plan *plan = plan_for(&problem);
    const char *failure = check_tiles(plan, random);

    if (!failure)
        failure = check_sequences(plan, random);
    if (!failure)
        failure = check_among(plan, random);
    gn_plan_destroy(plan);
    return failure ? wrong("%s: %s", problem_text(&problem), failure) : NULL;
}

static void test_tiles(void **state)
{
    (void)state;

    check_seeds(check_partition, 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_tiles)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
