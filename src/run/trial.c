/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "run/trial.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/number.h"

/* A trial. Its threads wait until all of them have been made, or one could not be made. */
struct trial {
    pthread_mutex_t lock;
    pthread_cond_t ends;
    bool ended;
};

struct trial_thread {
    struct trial *trial;
    pthread_t id;
    long kernel_id;
};

static void *take_part(void *argument)
{
    struct trial_thread *own = argument;
    pthread_mutex_lock(&own->trial->lock);
    own->kernel_id = syscall(SYS_gettid);
    while (!own->trial->ended)
        pthread_cond_wait(&own->trial->ends, &own->trial->lock);
    pthread_mutex_unlock(&own->trial->lock);
    return NULL;
}

/*
 * Reads the value as libgomp does: it ignores blanks and a sign, and a number without a letter is
 * in KiB.
 */
static bool read_stack_size(const char *name, size_t *bytes)
{
    char text[32];
    size_t length = 0;
    int64_t value;
    const char *given = getenv(name);
    for (; given && *given && length < sizeof text - 1; given++)
        if (*given != '+' && *given != ' ' && *given != '\t' && *given != '\n')
            text[length++] = *given;
    text[length] = '\0';
    if (!gn_number_of_bytes(text, 1024, &value))
        return false;
    *bytes = (size_t)value;
    return true;
}

/* Gives the threads of a trial the stack size of OpenMP's threads. */
static void set_stack_size(pthread_attr_t *attributes)
{
    size_t bytes;
    if (read_stack_size("OMP_STACKSIZE", &bytes) || read_stack_size("GOMP_STACKSIZE", &bytes))
        pthread_attr_setstacksize(attributes, bytes);
}

/* The kernel still counts a thread for a while after it has been joined. */
static void wait_until_gone(long kernel_id)
{
    enum { TURNS = 1000, NANOSECONDS = 100000 };
    const struct timespec turn = {0, NANOSECONDS};
    for (int i = 0; i < TURNS && syscall(SYS_tgkill, (long)getpid(), kernel_id, 0) == 0; i++)
        nanosleep(&turn, NULL);
}

static int run_trial(struct trial_thread *threads, int count, const pthread_attr_t *attributes)
{
    struct trial trial = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};
    int made = 0;
    for (; made < count; made++) {
        threads[made].trial = &trial;
        if (pthread_create(&threads[made].id, attributes, take_part, &threads[made]) != 0)
            break;
    }
    pthread_mutex_lock(&trial.lock);
    trial.ended = true;
    pthread_cond_broadcast(&trial.ends);
    pthread_mutex_unlock(&trial.lock);
    for (int i = 0; i < made; i++)
        pthread_join(threads[i].id, NULL);
    for (int i = 0; i < made; i++)
        wait_until_gone(threads[i].kernel_id);
    return made;
}

int gn_try_threads(int count)
{
    struct trial_thread *threads = calloc((size_t)count, sizeof *threads);
    pthread_attr_t attributes;
    sigset_t all, before;
    int made = 0, cancel_state;
    if (!threads)
        return 0;
    /* A call of this library is not a cancellation point. */
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
    if (pthread_attr_init(&attributes) == 0) {
        set_stack_size(&attributes);
        /* Block all signals: these threads must not run the caller's signal handlers. */
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        made = run_trial(threads, count, &attributes);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        pthread_attr_destroy(&attributes);
    }
    pthread_setcancelstate(cancel_state, NULL);
    free(threads);
    return made;
}
