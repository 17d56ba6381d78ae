/* SPDX-License-Identifier: MIT */
/*
 * Runs random jobs of src/run/schedule.c, whose functions count. Each tile and each unit of each
 * phase, step and item is processed once, and after what it depends on. No two threads share a
 * buffer, and no two items share a workspace.
 */
#include "run/schedule.h"
#include "run/threads.h"
#include "seeds.h"
#include "support.h"

#include <omp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ITEMS = 40, MOST_STEPS = 3, MOST_TILES = 9, MOST_UNITS = 4, MOST_PARTIALS = 50 };
enum { OPENED = 4711 };

struct progress_of_phase {
    atomic_int tiles[MOST_TILES], units[MOST_UNITS];
};
static struct progress_of_phase done[MOST_ITEMS][MOST_STEPS][GN_PHASES];
static atomic_int partials[MOST_PARTIALS], errors;

struct workspace {
    int opened;
    _Atomic int64_t item;
    char rest[64 - 2 * sizeof(int64_t)];
};
struct buffer {
    atomic_int users;
    char rest[64 - sizeof(int)];
};

/* The library's own find out how many threads a process can have. This one can have all. */
struct gn_leader *gn_threads_leader(void)
{
    return NULL;
}

void gn_threads_made(struct gn_leader *leader, int threads)
{
    (void)leader;
    (void)threads;
}

void gn_threads_join(struct gn_leader *leader)
{
    (void)leader;
}

static void expect(bool condition)
{
    if (!condition)
        atomic_fetch_add(&errors, 1);
}

static bool all_once(atomic_int *counts, int64_t count)
{
    bool all = true;

    for (int64_t i = 0; i < count; i++)
        all = all && atomic_load(&counts[i]) == 1;
    return all;
}

static void enter(const struct gn_place *place, int phase)
{
    struct workspace *workspace = place->workspace;
    struct buffer *buffer = place->buffer;

    expect(atomic_fetch_add(&buffer->users, 1) == 0);
    expect(workspace->opened == OPENED);
    if (phase == 0)
        atomic_store(&workspace->item, place->batch->item);
}

static void leave(const struct gn_place *place)
{
    struct workspace *workspace = place->workspace;
    struct buffer *buffer = place->buffer;

    expect(atomic_load(&workspace->item) == place->batch->item);
    expect(atomic_fetch_sub(&buffer->users, 1) == 1);
}

/* Tiles come after the groups of the phase before. */
static void process_tiles(const struct gn_place *place, int phase, int64_t first, int64_t end)
{
    const struct gn_job *job = place->job;
    const struct gn_batch *batch = place->batch;

    enter(place, phase);
    expect(first < end && batch->step < MOST_STEPS);
    for (int64_t i = batch->item; i < batch->item + batch->items; i++) {
        struct progress_of_phase *of = done[i][batch->step];
        if (phase > 0 && job->phases[phase - 1].groups)
            expect(all_once(of[phase - 1].units, job->units));
        for (int64_t tile = first; tile < end; tile++)
            atomic_fetch_add(&of[phase].tiles[tile], 1);
    }
    leave(place);
}

/* Groups come after all tiles of the phase, and after the last phase of the step before. */
static void process_groups(const struct gn_place *place, int phase, int64_t first, int64_t end)
{
    const struct gn_job *job = place->job;
    const struct gn_batch *batch = place->batch;

    enter(place, phase);
    for (int64_t i = batch->item; i < batch->item + batch->items; i++) {
        struct progress_of_phase *of = &done[i][batch->step][phase];
        const int64_t before = batch->step - 1;
        expect(before < 0 || all_once(done[i][before][job->phase_count - 1].tiles, job->tiles));
        expect(!job->phases[phase].tiles || all_once(of->tiles, job->tiles));
        for (int64_t unit = first; unit < end; unit++)
            atomic_fetch_add(&of->units[unit], 1);
    }
    leave(place);
}

static void tiles_0(const struct gn_place *place, int64_t first, int64_t end)
{
    process_tiles(place, 0, first, end);
}

static void tiles_1(const struct gn_place *place, int64_t first, int64_t end)
{
    process_tiles(place, 1, first, end);
}

static void tiles_2(const struct gn_place *place, int64_t first, int64_t end)
{
    process_tiles(place, 2, first, end);
}

static void groups_0(const struct gn_place *place, int64_t first, int64_t end)
{
    process_groups(place, 0, first, end);
}

static void groups_1(const struct gn_place *place, int64_t first, int64_t end)
{
    process_groups(place, 1, first, end);
}

static void open_workspace(const struct gn_job *job, void *memory)
{
    struct workspace *workspace = memory;

    (void)job;
    workspace->opened = OPENED;
    atomic_init(&workspace->item, -1);
}

static int64_t steps_of(const struct gn_job *job, int64_t item)
{
    const int64_t left = job->samples - item / job->items_per_block * job->block_samples;

    return left < job->block_samples ? left : job->block_samples;
}

/* All phases that groups take part in have been finished. */
static void reduce(const struct gn_job *job, int64_t first, int64_t end)
{
    for (int64_t i = 0; i < job->items; i++)
        for (int64_t step = 0; step < steps_of(job, i); step++)
            for (int p = 0; p < job->phase_count - 1; p++)
                expect(all_once(done[i][step][p].units, job->units));
    for (int64_t i = first; i < end; i++)
        atomic_fetch_add(&partials[i], 1);
}

/* Like the jobs of the library: the last phase has no groups, and a first one may have no tiles. */
static struct gn_job random_job(uint64_t *random)
{
    struct gn_job job = {.phases = {{tiles_0, groups_0}, {tiles_1, NULL}},
                         .phase_count = 2,
                         .items_per_block = random_range(random, 1, 8),
                         .block_samples = random_range(random, 1, MOST_STEPS),
                         .tiles =
                             random_range(random, 0, 3) ? random_range(random, 2, MOST_TILES) : 1,
                         .units = random_range(random, 1, MOST_UNITS),
                         .most_items = 1,
                         .open = open_workspace,
                         .reduce = reduce,
                         .workspace_bytes = sizeof(struct workspace),
                         .buffer_bytes = sizeof(struct buffer)};
    const int64_t blocks = random_range(random, 1, MOST_ITEMS / job.items_per_block);

    if (random_range(random, 0, 1)) {
        job.phases[1].groups = groups_1;
        job.phases[2] = (struct gn_phase){tiles_2, NULL};
        job.phase_count = 3;
    }
    if (random_range(random, 0, 3) == 0)
        job.phases[0].tiles = NULL;
    job.items = blocks * job.items_per_block;
    job.samples = blocks * job.block_samples - random_range(random, 0, job.block_samples - 1);
    if (job.tiles == 1) {
        job.most_items = random_range(random, 1, 5);
        job.within = random_range(random, 0, 1) ? job.items_per_block : 0;
    }
    if (random_range(random, 0, 1)) {
        job.partials = random_range(random, 1, MOST_PARTIALS);
        job.partial_bytes = 64;
    }
    return job;
}

/* Whether all that has to be done was done once, and nothing else. */
static bool complete(const struct gn_job *job)
{
    bool right = all_once(partials, job->partials);

    for (int64_t i = 0; i < job->items; i++) {
        for (int64_t step = 0; step < MOST_STEPS; step++) {
            const bool exists = step < steps_of(job, i);
            for (int p = 0; p < job->phase_count; p++) {
                struct progress_of_phase *of = &done[i][step][p];
                if (job->phases[p].tiles)
                    right = right && all_once(of->tiles, job->tiles) == exists;
                if (job->phases[p].groups)
                    right = right && all_once(of->units, job->units) == exists;
                right = right && (exists || atomic_load(&of->units[0]) == 0);
            }
        }
    }
    return right;
}

/* Inside a team, OpenMP gives one thread instead of `threads`. */
static void run(struct gn_job *job, int threads, char *scratch, bool in_team)
{
    if (!in_team) {
        gn_schedule_run(job, threads, scratch);
        return;
    }
#pragma omp parallel num_threads(2)
#pragma omp master
    gn_schedule_run(job, threads, scratch);
}

static const char *check_job(uint64_t *random)
{
    static const int counts[] = {1, 2, 3, 4, 7, 16};
    struct gn_job job = random_job(random);
    const int threads = counts[random_range(random, 0, 5)];
    const bool in_team = random_range(random, 0, 9) == 0;
    const size_t bytes = (size_t)gn_schedule_scratch(&job, threads);
    char *scratch = aligned_alloc(64, bytes + 64);

    assert_non_null(scratch);
    memset(scratch, 0, bytes + 64);
    memset(done, 0, sizeof(done));
    memset(partials, 0, sizeof(partials));
    atomic_store(&errors, 0);
    run(&job, threads, scratch, in_team);
    const bool beyond = memcmp(scratch + bytes, (char[64]){0}, 64) != 0;
    free(scratch);
    if (atomic_load(&errors) || beyond || !complete(&job))
        return wrong("%d threads%s, %d items of %d tiles: %d errors%s", threads,
                     in_team ? " in a team" : "", (int)job.items, (int)job.tiles,
                     atomic_load(&errors), beyond ? ", beyond the scratch" : "");
    return NULL;
}

static void test_jobs(void **state)
{
    (void)state;
    omp_set_max_active_levels(1);
    check_seeds(check_job, 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_jobs)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
