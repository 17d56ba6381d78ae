/* SPDX-License-Identifier: MIT */
#include "run/schedule.h"

#include <omp.h>
#include <stdatomic.h>
#include <stddef.h>

#include "run/fp_env.h"
#include "run/threads.h"

/* With this many items per thread, an imbalance of one item does not matter. */
enum { ENOUGH_ITEMS = 16 };

/* A thread takes its share in at least this many portions, so that others can take what is left. */
enum { PORTIONS = 4 };

/*
 * The number of items that threads process per thread; the remaining ones are processed
 * cooperatively. Items of a single tile cannot be shared. The number follows from the threads that
 * scratch was taken for, even if OpenMP then gives fewer.
 */
static int64_t items_per_thread(const struct gn_job *job, int64_t threads)
{
    if (job->tiles == 1 || job->items / threads >= ENOUGH_ITEMS)
        return job->items;
    return job->items - job->items % threads;
}

/* The number of items that a thread takes at a time. */
static int64_t portion(const struct gn_job *job, int64_t items, int64_t threads)
{
    int64_t share = threads == 1 ? items : items / (threads * PORTIONS);
    return share < 1 ? 1 : share < job->most_items ? share : job->most_items;
}

/* How many items of a thread's share have been taken, by that thread or by others. */
union queue {
    _Atomic int64_t taken;
    char line[64]; /* each queue has a cache line to itself */
};

/*
 * Each item that is processed cooperatively has a workspace. If items are processed per thread,
 * each thread has one too.
 */
int64_t gn_schedule_scratch(const struct gn_job *job, int threads)
{
    int64_t per_thread = items_per_thread(job, threads);
    int64_t workspaces = job->items - per_thread + (per_thread ? threads : 0);
    return workspaces * job->workspace_bytes +
           threads * (job->buffer_bytes + (int64_t)sizeof(union queue)) + job->partial_bytes;
}

/* A thread of the team, and its memory. */
struct member {
    const struct gn_job *job;
    int64_t thread, threads;
    union queue *queues;
    char *workspace, *buffer, *shared_workspaces;
};

/* The start of a thread's share of n things, which is the end of the previous thread's share. */
static int64_t share(int64_t thread, int64_t threads, int64_t n)
{
    return n / threads * thread + n % threads * thread / threads;
}

/* The number of samples in an item's block. The last block may have fewer than the others. */
static int64_t steps(const struct gn_job *job, int64_t item)
{
    if (job->block_samples == 1)
        return 1;
    int64_t left = job->samples - item / job->items_per_block * job->block_samples;
    return left < job->block_samples ? left : job->block_samples;
}

/*
 * The number of consecutive items, at most `limit`, that form a batch from `item` on. All of them
 * have the same number of steps.
 */
static int64_t batch_items(const struct gn_job *job, int64_t item, int64_t limit)
{
    int64_t items = limit < job->most_items ? limit : job->most_items;
    if (job->within && items > job->within - item % job->within)
        items = job->within - item % job->within;
    while (items > 1 && steps(job, item + items - 1) != steps(job, item))
        items--;
    return items;
}

static void work_per_thread(const struct member *m, struct gn_batch batch)
{
    const struct gn_job *job = m->job;
    const struct gn_place place = {job, &batch, m->workspace, m->buffer};
    for (int64_t count = steps(job, batch.item); batch.step < count; batch.step++) {
        for (int p = 0; p < job->phase_count; p++) {
            if (job->phases[p].tiles)
                job->phases[p].tiles(&place, 0, job->tiles);
            if (job->phases[p].groups)
                job->phases[p].groups(&place, 0, job->units);
        }
    }
}

/* A function of a phase: on tiles, or on units of groups. */
typedef void phase_function(const struct gn_place *place, int64_t first, int64_t end);

/*
 * Calls a function of a phase on the thread's share of the parts of all items from `item` on. Each
 * item has `parts` parts: tiles, or units. Items of fewer steps are finished.
 */
static void do_share(const struct member *m, int64_t item, int64_t step, int64_t parts,
                     phase_function *function)
{
    const struct gn_job *job = m->job;
    int64_t all = (job->items - item) * parts;
    int64_t first = share(m->thread, m->threads, all), end = share(m->thread + 1, m->threads, all);
    for (int64_t i = first, n; function && i < end; i += n) {
        int64_t before = i / parts, part = i % parts;
        const struct gn_batch batch = {item + before, 1, step};
        const struct gn_place place = {
            job, &batch, m->shared_workspaces + before * job->workspace_bytes, m->buffer};
        n = parts - part < end - i ? parts - part : end - i;
        if (step < steps(job, batch.item))
            function(&place, part, part + n);
    }
}

/*
 * All threads process the items from `item` on, phase by phase: there are too few of them for one
 * item after the other, each of which may have fewer tiles than there are threads. The barrier
 * before the groups of a phase also separates steps: no thread passes the first barrier of a step,
 * and then writes what the last phase of the step before reads, until all threads have finished
 * that step. The barrier after the groups keeps a thread from writing sums or moments of the next
 * phase before all threads have finished those of this one.
 */
static void work_cooperatively(const struct member *m, int64_t item)
{
    const struct gn_job *job = m->job;
    /* Only the last block has fewer steps than the others. */
    for (int64_t step = 0, count = steps(job, item); step < count; step++) {
        for (int p = 0; p < job->phase_count; p++) {
            do_share(m, item, step, job->tiles, job->phases[p].tiles);
            if (!job->phases[p].groups)
                continue;
#pragma omp barrier
            do_share(m, item, step, job->units, job->phases[p].groups);
#pragma omp barrier
        }
    }
}

static void work_on_items(const struct member *m, int64_t first, int64_t end)
{
    for (int64_t i = first, n; i < end; i += n) {
        n = batch_items(m->job, i, end - i);
        work_per_thread(m, (struct gn_batch){i, n, 0});
    }
}

/*
 * First takes the thread's own share of the items, which is in its caches from the call before;
 * then what is left of the shares of slower threads.
 */
static void work_on_shares(const struct member *m, int64_t items)
{
    int64_t most = portion(m->job, items, m->threads);
    for (int64_t i = 0; i < m->threads; i++) {
        int64_t owner = (m->thread + i) % m->threads;
        int64_t first = share(owner, m->threads, items);
        int64_t end = share(owner + 1, m->threads, items);
        int64_t at;
        while ((at = first + atomic_fetch_add(&m->queues[owner].taken, most)) < end)
            work_on_items(m, at, at + most < end ? at + most : end);
    }
}

/* The memory at `scratch`: the shared workspaces, `threads` buffers, `threads` workspaces. */
static void work(const struct gn_job *job, int64_t per_thread, union queue *queues, char *scratch,
                 int thread, int threads)
{
    struct member m = {.job = job,
                       .thread = thread,
                       .threads = threads,
                       .queues = queues,
                       .shared_workspaces = scratch};
    char *buffers = scratch + (job->items - per_thread) * job->workspace_bytes;
    m.buffer = buffers + thread * job->buffer_bytes;
    m.workspace = buffers + threads * job->buffer_bytes + thread * job->workspace_bytes;

    if (per_thread) {
        job->open(job, m.workspace);
        work_on_shares(&m, per_thread);
    }
    if (per_thread < job->items)
        work_cooperatively(&m, per_thread);
    if (job->partials) {
        if (threads > 1) {
#pragma omp barrier
        }
        job->reduce(job, share(thread, threads, job->partials),
                    share(thread + 1, threads, job->partials));
    }
}

void gn_schedule_run(struct gn_job *job, int threads, char *scratch)
{
    job->partial = job->partial_bytes ? scratch : NULL;
    union queue *queues = (void *)(scratch + job->partial_bytes);
    char *shared = (char *)(queues + threads);
    for (int i = 0; i < threads; i++)
        atomic_init(&queues[i].taken, 0);
    /*
     * A single thread does not use OpenMP: its team may not work in a forked child, nor inside a
     * team of the caller.
     */
    if (threads == 1) {
        struct gn_fp_env before = gn_fp_enter();
        work(job, job->items, queues, shared, 0, 1);
        gn_fp_leave(before);
        return;
    }
    int64_t per_thread = items_per_thread(job, threads);
    for (int64_t i = per_thread; i < job->items; i++)
        job->open(job, shared + (i - per_thread) * job->workspace_bytes);
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
        work(job, per_thread, queues, shared, thread, omp_get_num_threads());
        gn_fp_leave(before);
    }
}
