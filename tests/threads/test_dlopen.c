/* SPDX-License-Identifier: MIT */
/*
 * The library is loaded at run time, used on several threads and closed. The process must survive
 * that and be able to repeat it. The test is not linked with anything that would keep the library
 * or OpenMP in memory.
 *
 * `test_dlopen PATH twice|threads` exits with 0 if all is well.
 */
#define _POSIX_C_SOURCE 200809L

#include <groupnorm.h>

#include <dlfcn.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ELEMENTS = 1 << 21 };
static float x[ELEMENTS], y[ELEMENTS];

struct functions {
    gn_status (*desc_create)(gn_desc **, int, const int64_t *);
    void (*desc_destroy)(gn_desc *);
    gn_status (*set_groups)(gn_desc *, int64_t);
    gn_status (*set_threads)(gn_desc *, int);
    gn_status (*plan_create)(gn_plan **, const gn_desc *);
    void (*plan_destroy)(gn_plan *);
    gn_status (*forward)(const gn_plan *, const void *, const void *, const void *, void *, void *,
                         void *);
};

/* ISO C has no conversion from dlsym's object pointer to a function pointer. */
static int find(void *library, const char *name, void *function)
{
    void *symbol = dlsym(library, name);

    memcpy(function, &symbol, sizeof(symbol));
    return symbol ? 0 : 1;
}

static int find_all(void *library, struct functions *f)
{
    return find(library, "gn_desc_create", &f->desc_create) +
           find(library, "gn_desc_destroy", &f->desc_destroy) +
           find(library, "gn_desc_set_groups", &f->set_groups) +
           find(library, "gn_desc_set_threads", &f->set_threads) +
           find(library, "gn_plan_create", &f->plan_create) +
           find(library, "gn_plan_destroy", &f->plan_destroy) +
           find(library, "gn_forward", &f->forward);
}

static int use(const struct functions *f)
{
    static const int64_t dims[3] = {1, 8, ELEMENTS / 8};
    gn_desc *desc;
    gn_plan *plan = NULL;
    float mean[8];

    for (int i = 0; i < ELEMENTS; i++)
        x[i] = (float)(i % 2);
    memset(y, 0, sizeof(y));
    int failed = f->desc_create(&desc, 3, dims) != GN_OK || f->set_groups(desc, 8) != GN_OK ||
                 f->set_threads(desc, 2) != GN_OK || f->plan_create(&plan, desc) != GN_OK ||
                 f->forward(plan, x, NULL, NULL, y, mean, NULL) != GN_OK;
    /* Half of x is 0 and half is 1, so the mean is 1/2 and y is near -1 and 1. */
    failed =
        failed || mean[7] != 0.5f || fabsf(y[0] + 1) > 1e-4f || fabsf(y[ELEMENTS - 1] - 1) > 1e-4f;
    f->plan_destroy(plan);
    f->desc_destroy(desc);
    return failed;
}

/* Loads, uses and closes the library, then waits, so that threads left behind have time to do
 * harm. */
static int load_and_use(const char *path)
{
    const struct timespec pause = {0, 200000000};
    struct functions functions;
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);

    if (!library) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    if (find_all(library, &functions) != 0 || use(&functions) != 0 || dlclose(library) != 0)
        return 1;
    nanosleep(&pause, NULL);
    return 0;
}

static void *wait_for(void *mutex)
{
    pthread_mutex_lock(mutex);
    pthread_mutex_unlock(mutex);
    return NULL;
}

/* A process that has many threads before it loads the library has little space for thread-local
 * data. */
static int load_among_threads(const char *path)
{
    enum { THREADS = 64 };
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_t ids[THREADS];
    int started = 0;

    pthread_mutex_lock(&mutex);
    while (started < THREADS && pthread_create(&ids[started], NULL, wait_for, &mutex) == 0)
        started++;
    const int failed = load_and_use(path) + (started < THREADS);
    pthread_mutex_unlock(&mutex);
    for (int i = 0; i < started; i++)
        pthread_join(ids[i], NULL);
    return failed;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: %s PATH twice|threads\n", argv[0]);
        return 2;
    }
    if (strcmp(argv[2], "threads") == 0)
        return load_among_threads(argv[1]);
    return load_and_use(argv[1]) || load_and_use(argv[1]);
}
