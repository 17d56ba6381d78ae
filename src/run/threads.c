/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "run/threads.h"

#include <omp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "run/fork.h"
#include "run/trial.h"

/* Fewer elements than this are processed before another thread has woken up. */
enum { ELEMENTS_PER_THREAD = 16384 };

static int automatic_threads(int useful)
{
    int threads = omp_get_max_threads();
    if (threads > 1 && useful > 1) {
        int processors = omp_get_num_procs();
        threads = threads < processors ? threads : processors;
    }
    return threads < GN_MAX_THREADS ? threads : GN_MAX_THREADS;
}

int gn_threads_for(int wanted, int64_t elements)
{
    if (gn_forked() || omp_get_level() > 0)
        return 1;
    int64_t pays = 1 + (elements - 1) / ELEMENTS_PER_THREAD;
    int useful = pays < GN_MAX_THREADS ? (int)pays : GN_MAX_THREADS;
    int threads = wanted ? wanted : automatic_threads(useful);
    return threads < useful ? threads : useful;
}

/*
 * libgomp keeps the threads of a team for the next team of the same leader, the calling thread. If
 * the next team is smaller, the threads that it does not need exit. So the threads of the leader's
 * last team need no trial as long as none of them has exited. If one has exited, the caller has
 * used a smaller team, and the others may be about to exit too.
 */
struct gn_leader {
    atomic_int references; /* one for the leader and one per worker; the last to exit frees this */
    atomic_bool lost_workers;
    atomic_bool unwatched; /* whether a worker's exit would go unnoticed */
    int available;         /* threads that the next team may have, including the leader */
    int team;              /* threads of the last team, including the leader */
    int refusals;          /* calls left that use only the threads that exist, without a trial */
    bool holds_trial_flag; /* has set trial_flag, and must clear it */
};

/* After this many calls, a process that was short of threads tries again. */
enum { REFUSALS = 1000 };

/*
 * Set while some leader has tried out threads that OpenMP has not made yet. Another leader that
 * needs a trial in that time uses the threads that it has.
 */
static atomic_flag trial_flag = ATOMIC_FLAG_INIT;

static pthread_key_t leader_key, worker_key;
static bool have_keys;

static void release(struct gn_leader *leader)
{
    if (atomic_fetch_sub(&leader->references, 1) == 1)
        free(leader);
}

static void leader_exits(void *leader)
{
    release(leader);
}

static void worker_exits(void *value)
{
    struct gn_leader *leader = value;
    atomic_store(&leader->lost_workers, true);
    release(leader);
}

__attribute__((constructor)) static void make_keys(void)
{
    have_keys = pthread_key_create(&leader_key, leader_exits) == 0 &&
                pthread_key_create(&worker_key, worker_exits) == 0;
}

struct gn_leader *gn_threads_leader(void)
{
    return have_keys ? pthread_getspecific(leader_key) : NULL;
}

static struct gn_leader *become_leader(void)
{
    struct gn_leader *leader = have_keys ? calloc(1, sizeof *leader) : NULL;
    if (!leader)
        return NULL;
    atomic_init(&leader->references, 1);
    atomic_init(&leader->lost_workers, false);
    atomic_init(&leader->unwatched, false);
    leader->team = 1;
    if (pthread_setspecific(leader_key, leader) == 0)
        return leader;
    free(leader);
    return NULL;
}

void gn_threads_join(struct gn_leader *leader)
{
    struct gn_leader *before = pthread_getspecific(worker_key);
    if (before == leader)
        return;
    if (pthread_setspecific(worker_key, leader) != 0) {
        atomic_store(&leader->unwatched, true);
        return;
    }
    atomic_fetch_add(&leader->references, 1);
    if (before)
        worker_exits(before);
}

/* The number of threads, at most `threads`, that a leader can have for its next team. */
static int find_threads(struct gn_leader *leader, int threads)
{
    bool sure = !atomic_load(&leader->lost_workers) && !atomic_load(&leader->unwatched);
    int have = sure ? leader->team : 1;
    if (threads <= have)
        return threads;
    if (leader->refusals > 0) {
        leader->refusals--;
        return have;
    }
    if (atomic_flag_test_and_set(&trial_flag))
        return have;
    int more = gn_try_threads(threads - have);
    leader->holds_trial_flag = more > 0;
    if (!leader->holds_trial_flag)
        atomic_flag_clear(&trial_flag);
    if (have + more < threads)
        leader->refusals = REFUSALS;
    return have + more;
}

int gn_threads_available(int threads)
{
    if (threads == 1)
        return 1;
    struct gn_leader *leader = gn_threads_leader();
    if (!leader)
        leader = become_leader();
    if (!leader)
        return 1;
    leader->available = find_threads(leader, threads);
    return leader->available;
}

void gn_threads_made(struct gn_leader *leader, int threads)
{
    if (leader->holds_trial_flag)
        atomic_flag_clear(&trial_flag);
    leader->holds_trial_flag = false;
    /* OpenMP has a limit of its own, such as OMP_THREAD_LIMIT: another trial would not help. */
    if (threads < leader->available)
        leader->refusals = REFUSALS;
    leader->team = threads;
    atomic_store(&leader->lost_workers, false);
}
