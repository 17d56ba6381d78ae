/* SPDX-License-Identifier: MIT */
/*
 * Checks the sizes that src/plan/partition.c chooses for random shapes, up to the largest legal
 * ones. Tiles, batches and blocks are within their limits, and no smaller than the limits require.
 * The sizes depend on the shape only, so that the other settings of a descriptor do not change the
 * bits of results.
 */
#define _POSIX_C_SOURCE 200809L

#include "random_plan.h"
#include "seeds.h"
#include "support.h"

#include <stdlib.h>
#include <string.h>

/* The limits that the sizes have in src/plan/partition.c. */
enum {
    ROW_TILE = 16384,
    ROW_TILE_UNIT = 2048,
    ROW_TILES = 4096,
    COLUMN_TILE = 65536,
    COLUMN_TILE_UNIT = 64,
    COLUMN_TILE_WIDTH = 8192,
    COLUMN_TILES = 64,
    BATCH = 32768,
    BATCH_GROUPS = 512,
    BLOCKS = 64,
    BLOCK = 8192,
    ROW_ITEMS = 512,
    SMALL_SAMPLES = 8
};

static const char *check_axis(const gn_plan *plan)
{
    const bool last = plan->desc.layout == GN_CHANNELS_LAST && plan->C > 1;

    return (plan->parts.axis == GN_AXIS_COLUMNS) == (last || plan->S == 1) ? NULL
                                                                           : "the axis is wrong";
}

/*
 * A tile has whole rows, as few as so few tiles permit, or some elements of one row. It exceeds
 * ROW_TILE only in a group that would have more than about ROW_TILES tiles.
 */
static const char *check_rows(const gn_plan *plan)
{
    const struct gn_partition *p = &plan->parts;
    const int64_t length = p->tile_length, elements = p->tile_channels * length;

    if (p->tiles > 2 * ROW_TILES)
        return "too many tiles of rows";
    if (elements > ROW_TILE && (elements - ROW_TILE_UNIT) * ROW_TILES >= plan->D * plan->S)
        return "tiles of rows are too large";
    if (length != plan->S && (p->tile_channels != 1 || length > plan->S || length < ROW_TILE ||
                              length % ROW_TILE_UNIT != 0))
        return "tiles of one row have a wrong length";
    if (length != plan->S)
        return NULL;
    if ((p->tiles - 1) * ((elements > ROW_TILE ? elements : ROW_TILE) / length) >= plan->D)
        return "fewer tiles would do";
    return (p->tile_channels - 1) * p->tiles < plan->D ? NULL : "tiles of fewer rows would do";
}

/* A tile has all channels, or as many whole groups as fit, or one piece of a group. */
static const char *check_width(const gn_plan *plan)
{
    const struct gn_partition *p = &plan->parts;
    const int64_t width = p->tile_channels;

    if (width > COLUMN_TILE_WIDTH || width > plan->C)
        return "tiles of columns are too wide";
    if (plan->C <= COLUMN_TILE_WIDTH && width != plan->C)
        return "a tile of columns lacks some channels";
    if (plan->D > COLUMN_TILE_WIDTH)
        return width == COLUMN_TILE_WIDTH && p->pieces == (plan->D - 1) / width + 1
                   ? NULL
                   : "the pieces of a group are wrong";
    if (p->pieces != 1 || width % plan->D != 0)
        return "a group that fits in a tile is in pieces";
    return width == plan->C || width + plan->D > COLUMN_TILE_WIDTH ? NULL : "more groups would fit";
}

static const char *check_columns(const gn_plan *plan)
{
    const struct gn_partition *p = &plan->parts;
    const int64_t length = p->tile_length;

    if (p->pixel_tiles > COLUMN_TILES || p->pixel_tiles != (plan->S - 1) / length + 1)
        return "the number of tiles over the spatial extent is wrong";
    if (length % COLUMN_TILE_UNIT != 0)
        return "tiles of columns are not whole chunks";
    if (length * p->tile_channels < COLUMN_TILE)
        return "tiles of columns are too small";
    if ((length - COLUMN_TILE_UNIT) * p->tile_channels >= COLUMN_TILE &&
        (length - COLUMN_TILE_UNIT) * COLUMN_TILES >= plan->S)
        return "tiles of columns are too large";
    return check_width(plan);
}

/* A batch has as many items of a single tile as fit, or one item of several tiles. */
static const char *check_batch(const gn_plan *plan)
{
    const struct gn_partition *p = &plan->parts;
    const int64_t groups = p->axis == GN_AXIS_COLUMNS ? plan->G : 1, items = p->most_items;

    if (items < 1 || p->batch_groups != items * groups)
        return "the number of groups in a batch is wrong";
    if (p->tiles > 1)
        return items == 1 ? NULL : "a batch has several items of several tiles";
    const int64_t elements = groups * plan->D * plan->S;
    if (items > 1 && (items * elements > BATCH || items * groups > BATCH_GROUPS))
        return "a batch is too large";
    return (items + 1) * elements > BATCH || (items + 1) * groups > BATCH_GROUPS
               ? NULL
               : "a batch is too small";
}

/*
 * Groups are small if a sample is one tile of one pixel, and kernels exist for its types and
 * activation.
 */
static const char *check_small(const gn_plan *plan, const struct problem *problem)
{
    const struct gn_partition *p = &plan->parts;
    const bool simple = problem->x != GN_F64 && problem->param == GN_F32 &&
                        problem->activation == GN_ACTIVATION_IDENTITY;

    if (p->small != (plan->S == 1 && plan->C <= COLUMN_TILE_WIDTH && simple))
        return p->small ? "groups must not be small" : "groups must be small";
    if (!p->small)
        return NULL;
    if (p->small_batch != BATCH / plan->C)
        return "small_batch is wrong";
    return p->small_sums >= 1 && p->small_sums <= p->small_batch &&
                   (p->small_sums == SMALL_SAMPLES || p->small_sums == p->small_batch)
               ? NULL
               : "small_sums is wrong";
}

/* The blocks contain all samples. Only the last block may have fewer samples than the others. */
static const char *check_blocks(const gn_plan *plan)
{
    const struct gn_partition *p = &plan->parts;
    const int64_t samples = p->block_samples, sample = plan->C * plan->S;
    const bool columns = p->axis == GN_AXIS_COLUMNS;
    int64_t most = columns || plan->G <= ROW_ITEMS / BLOCKS ? BLOCKS : ROW_ITEMS / plan->G;

    if (samples < 1 || p->blocks != (plan->N - 1) / samples + 1)
        return "the blocks do not contain all samples";
    most = most ? most : 1;
    if (p->blocks > most)
        return "too many blocks";
    if (p->blocks > 1 && samples <= BLOCK / 4 && samples * sample <= BLOCK / 4)
        return "blocks are too small";
    /* With one sample fewer in each, there would be too many blocks, or each would be too small. */
    if (samples > 1 && (plan->N - 1) / (samples - 1) + 1 <= most &&
        (samples > BLOCK || (samples - 1) * sample > BLOCK))
        return "blocks are too large";
    return NULL;
}

static const char *check_sizes(uint64_t *random)
{
    const struct problem problem = random_problem(random);
    gn_plan *plan = plan_for(&problem);
    const char *failure = check_axis(plan);

    if (!failure)
        failure = plan->parts.axis == GN_AXIS_COLUMNS ? check_columns(plan) : check_rows(plan);
    failure = failure ? failure : check_batch(plan);
    failure = failure ? failure : check_small(plan, &problem);
    failure = failure ? failure : check_blocks(plan);
    gn_plan_destroy(plan);
    return failure ? wrong("%s: %s", problem_text(&problem), failure) : NULL;
}

static void test_sizes(void **state)
{
    (void)state;

    check_seeds(check_sizes, 20000);
}

/* Checks that the partition is the same for other settings of the descriptor and environment. */
static const char *check_others(uint64_t *random)
{
    struct problem problem = random_problem(random);
    gn_plan *plan = plan_for(&problem);
    struct gn_partition parts = plan->parts;

    gn_plan_destroy(plan);
    problem.threads = (int)random_range(random, 1, 1024);
    problem.affine = (gn_affine)random_range(random, 0, 1);
    setenv("GN_CACHE", random_range(random, 0, 1) ? "1" : "1000G", 1);
    setenv("GN_ISA", "generic", 1);
    plan = plan_for(&problem);
    if (memcmp(&plan->parts, &parts, sizeof(parts)) != 0)
        return wrong("%s: the partition depends on threads, affine, ISA or cache",
                     problem_text(&problem));
    gn_plan_destroy(plan);
    unsetenv("GN_CACHE");
    unsetenv("GN_ISA");
    /* Types and activation decide only whether the kernels of small groups can be used. */
    if (problem.x != GN_F64)
        problem.x = problem.y = problem.param = GN_BF16;
    problem.activation = GN_ACTIVATION_SILU;
    plan = plan_for(&problem);
    parts.small = false;
    if (memcmp(&plan->parts, &parts, sizeof(parts)) != 0)
        return wrong("%s: the partition depends on types or activation", problem_text(&problem));
    gn_plan_destroy(plan);
    return NULL;
}

static void test_others(void **state)
{
    (void)state;

    check_seeds(check_others, 4000);
}

/*
 * Without elements no kernel runs, but the sizes must be valid, since scratch is computed from
 * them.
 */
static const char *check_empty(uint64_t *random)
{
    struct problem problem = random_problem(random);
    const int64_t kind = random_range(random, 0, 2);

    problem.N = kind == 1 ? problem.N : 0;
    problem.S = kind == 0 ? problem.S : 0;
    gn_plan *plan = plan_for(&problem);
    const struct gn_partition *p = &plan->parts;
    const bool rows = p->axis == GN_AXIS_ROWS;
    const bool sets = p->moments > 0 && p->sums > 0 && p->tile_channels > 0 && p->tile_length > 0;
    const char *failure = NULL;
    if (p->tiles < 1 || !sets || (!rows && (p->pixel_tiles < 1 || p->pieces < 1)))
        failure = "no tiles";
    else if (p->most_items < 1 || p->batch_groups < 1)
        failure = "no batch";
    else if (p->block_samples < 1 || (plan->N == 0) != (p->blocks == 0))
        failure = "the blocks are wrong";
    gn_plan_destroy(plan);
    return failure ? wrong("%s: %s", problem_text(&problem), failure) : NULL;
}

static void test_empty(void **state)
{
    (void)state;

    check_seeds(check_empty, 2000);
    /* Without elements, there may be more channels than memory for their scratch. */
    for (int layout = 0; layout < 2; layout++)
        for (int64_t groups = 1; groups > 0; groups = groups == 1 ? INT64_MAX / 4 : 0) {
            struct problem problem = {.D = INT64_MAX / 4 / groups, .G = groups, .S = layout};
            problem.layout = (gn_layout)layout;
            gn_plan *plan = plan_for(&problem);
            assert_int_equal(plan->parts.blocks, 0);
            assert_true(plan->parts.tiles > 0 && plan->parts.batch_groups > 0);
            gn_plan_destroy(plan);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_others),
        cmocka_unit_test(test_empty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
