/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "threads.h"

#include <omp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "desc.h"
#include "fork.h"
#include "trial.h"

/* Fewer elements than this are done before another thread has woken up. */
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
    if (gn_forked() || omp_in_parallel())
        return 1;
    int64_t pays = 1 + (elements - 1) / ELEMENTS_PER_THREAD;
    int useful = pays < GN_MAX_THREADS ? (int)pays : GN_MAX_THREADS;
    int threads = wanted ? wanted : automatic_threads(useful);
    return threads < useful ? threads : useful;
}

/*
 * libgomp keeps the threads of a team for the next team of the same calling thread, its leader, but
 * lets those go that a smaller team of anybody's leaves over. So the leader counts the workers that
 * it has seen and that have not exited since: for these nothing has to be tried out.
 */
struct gn_leader {
    atomic_int holders; /* the leader itself and its workers: the last one to exit frees this */
    atomic_int workers;
    int refusals; /* how many more calls do without the threads that could not be had */
    int most;     /* and with how many these make do */
};

/* So many calls later a process that was short of threads may have them. */
enum { REFUSALS = 1000 };

static pthread_key_t leader_key, worker_key;
static bool have_keys;

static void let_go(struct gn_leader *leader)
{
    if (atomic_fetch_sub(&leader->holders, 1) == 1)
        free(leader);
}

static void leader_exits(void *leader)
{
    let_go(leader);
}

static void worker_exits(void *of)
{
    struct gn_leader *leader = of;
    atomic_fetch_sub(&leader->workers, 1);
    let_go(leader);
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
    atomic_init(&leader->holders, 1);
    atomic_init(&leader->workers, 0);
    if (pthread_setspecific(leader_key, leader) == 0)
        return leader;
    free(leader);
    return NULL;
}

void gn_threads_join(struct gn_leader *leader)
{
    struct gn_leader *before = pthread_getspecific(worker_key);
    if (before == leader || pthread_setspecific(worker_key, leader) != 0)
        return;
    atomic_fetch_add(&leader->holders, 1);
    atomic_fetch_add(&leader->workers, 1);
    if (before)
        worker_exits(before);
}

int gn_threads_secure(int threads)
{
    if (threads == 1)
        return 1;
    struct gn_leader *leader = gn_threads_leader();
    if (!leader)
        leader = become_leader();
    if (!leader)
        return 1;
    int have = 1 + atomic_load(&leader->workers);
    if (threads <= have)
        return threads;
    if (leader->refusals > 0) {
        leader->refusals--;
        return threads < leader->most ? threads : leader->most;
    }
    int more = gn_trial(threads - have);
    if (have + more < threads) {
        leader->refusals = REFUSALS;
        leader->most = have + more;
    }
    return have + more;
}
