/* SPDX-License-Identifier: MIT */
#include "schedule.h"

#include <omp.h>
#include <stdatomic.h>
#include <stddef.h>

#include "fp_env.h"
#include "threads.h"

/* With so many items a thread, one more or less is no loss. */
enum { ENOUGH_ITEMS = 16 };

/*
 * The items that threads do alone; what is left over, all do together. Items of a single tile
 * cannot be shared. The number follows from the threads that scratch was taken for, also where
 * OpenMP then gives fewer.
 */
static int64_t items_alone(const struct gn_job *job, int64_t threads)
{
    if (job->tiles == 1 || job->items / threads >= ENOUGH_ITEMS)
        return job->items;
    return job->items - job->items % threads;
}

/* A thread takes its part in so many portions at least: what it has not got to, others can take. */
enum { PORTIONS = 4 };

/* The items that a thread takes at a time. */
static int64_t portion(const struct gn_job *job, int64_t items, int64_t threads)
{
    int64_t share = threads == 1 ? items : items / (threads * PORTIONS);
    return share < 1 ? 1 : share < job->most ? share : job->most;
}

/* How many of the items in a thread's part have been taken, by itself or by others. */
union queue {
    _Atomic int64_t taken;
    char line[64]; /* no two in one line of the cache */
};

static int64_t take(union queue *queue, int64_t items)
{
    return atomic_fetch_add(&queue->taken, items);
}

/* One slot is shared; threads that do items alone have one each. */
int64_t gn_schedule_scratch(const struct gn_job *job, int threads)
{
    int64_t slots = 1 + (items_alone(job, threads) ? threads : 0);
    return slots * job->slot_bytes + threads * (job->work_bytes + (int64_t)sizeof(union queue)) +
           job->left_bytes;
}

/* The place of one thread in its team. */
struct seat {
    int64_t thread, threads;
    union queue *queues;
    char *slot, *work, *shared;
};

/* The start of the thread's part of n things; that of the next thread is its end. */
static int64_t part(int64_t thread, int64_t threads, int64_t n)
{
    return n / threads * thread + n % threads * thread / threads;
}

static void work_alone(const struct gn_job *job, const struct seat *seat, struct gn_batch batch)
{
    int64_t steps = job->steps ? job->steps(job, batch.item) : 1;
    for (; batch.step < steps; batch.step++) {
        for (int64_t tile = 0; job->prepare && tile < job->tiles; tile++)
            job->prepare(job, &batch, tile, seat->slot, seat->work);
        if (job->prepared)
            job->prepared(job, &batch, seat->slot, 0, job->units);
        for (int64_t tile = 0; job->reduce && tile < job->tiles; tile++)
            job->reduce(job, &batch, tile, seat->slot, seat->work);
        if (job->finish)
            job->finish(job, &batch, seat->slot, 0, job->units, seat->work);
        /* Backwards: what was read last is still in the cache. */
        for (int64_t tile = job->apply ? job->tiles : 0; tile-- > 0;)
            job->apply(job, &batch, tile, seat->slot, seat->work);
    }
}

/*
 * One shared slot is enough: nobody passes the first barrier of a step, to write what apply reads,
 * before all have applied the step before; and nobody reduces before all have finished with the
 * sums.
 */
static void work_together(const struct gn_job *job, const struct seat *seat, struct gn_batch batch)
{
    int64_t first = part(seat->thread, seat->threads, job->tiles);
    int64_t last = part(seat->thread + 1, seat->threads, job->tiles);
    int64_t steps = job->steps ? job->steps(job, batch.item) : 1;
    int64_t unit = part(seat->thread, seat->threads, job->units);
    int64_t end = part(seat->thread + 1, seat->threads, job->units);
    for (; batch.step < steps; batch.step++) {
        if (job->prepare) {
            for (int64_t tile = first; tile < last; tile++)
                job->prepare(job, &batch, tile, seat->shared, seat->work);
#pragma omp barrier
            job->prepared(job, &batch, seat->shared, unit, end);
#pragma omp barrier
        }
        for (int64_t tile = first; job->reduce && tile < last; tile++)
            job->reduce(job, &batch, tile, seat->shared, seat->work);
#pragma omp barrier
        if (job->finish)
            job->finish(job, &batch, seat->shared, unit, end, seat->work);
#pragma omp barrier
        for (int64_t tile = job->apply ? last : first; tile-- > first;)
            job->apply(job, &batch, tile, seat->shared, seat->work);
    }
}

static void work_items(const struct gn_job *job, const struct seat *seat, int64_t first,
                       int64_t end)
{
    for (int64_t i = first, n; i < end; i += n) {
        n = job->batch(job, i, end - i);
        work_alone(job, seat, (struct gn_batch){i, n, 0});
    }
}

/*
 * The thread's own part of the items first, which its caches know from the call before; then what
 * slower threads have not got to.
 */
static void work_parts(const struct gn_job *job, const struct seat *seat, int64_t items)
{
    int64_t most = portion(job, items, seat->threads);
    for (int64_t i = 0; i < seat->threads; i++) {
        int64_t owner = (seat->thread + i) % seat->threads;
        int64_t first = part(owner, seat->threads, items);
        int64_t end = part(owner + 1, seat->threads, items);
        int64_t at;
        while ((at = first + take(&seat->queues[owner], most)) < end)
            work_items(job, seat, at, at + most < end ? at + most : end);
    }
}

/* scratch holds `threads` work areas, and the slots after a shared one. */
static void work(const struct gn_job *job, int64_t alone, union queue *queues, char *scratch,
                 int thread, int threads)
{
    struct seat seat = {.thread = thread, .threads = threads, .queues = queues, .shared = scratch};
    seat.work = seat.shared + job->slot_bytes + thread * job->work_bytes;
    seat.slot =
        seat.shared + job->slot_bytes + threads * job->work_bytes + thread * job->slot_bytes;

    if (alone)
        job->open(job, seat.slot);
    work_parts(job, &seat, alone);
    for (int64_t i = alone; i < job->items; i++)
        work_together(job, &seat, (struct gn_batch){i, 1, 0});
    if (job->collects) {
        if (threads > 1) {
#pragma omp barrier
        }
        job->collect(job, part(thread, threads, job->collects),
                     part(thread + 1, threads, job->collects));
    }
}

void gn_schedule_run(struct gn_job *job, int threads, char *scratch)
{
    job->left = job->left_bytes ? scratch : NULL;
    union queue *queues = (void *)(scratch + job->left_bytes);
    char *shared = (char *)(queues + threads);
    for (int i = 0; i < threads; i++)
        atomic_init(&queues[i].taken, 0);
    /* Not through a team of one: in a forked child, or in the caller's team, OpenMP stays out. */
    if (threads == 1) {
        struct gn_fp_env before = gn_fp_enter();
        work(job, job->items, queues, shared, 0, 1);
        gn_fp_leave(before);
        return;
    }
    int64_t alone = items_alone(job, threads);
    if (alone < job->items)
        job->open(job, shared);
    /* Threads that OpenMP makes here inherit the caller's floating-point environment. */
    struct gn_leader *leader = gn_threads_leader();
#pragma omp parallel num_threads(threads)
    {
        struct gn_fp_env before = gn_fp_enter();
        int thread = omp_get_thread_num();
        if (thread > 0)
            gn_threads_join(leader);
        else
            gn_threads_made(leader, omp_get_num_threads());
        work(job, alone, queues, shared, thread, omp_get_num_threads());
        gn_fp_leave(before);
    }
}
