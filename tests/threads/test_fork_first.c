/* SPDX-License-Identifier: MIT */
/*
 * A process uses OpenMP, forks, and loads the library in the child. OpenMP's threads do not exist
 * there, so a call that waits for them never returns. With the argument "idle", the process has not
 * used OpenMP, so the library may be the first to use it.
 *
 * The test is not linked with the library; the first argument is its file.
 */
#define _GNU_SOURCE

#include <groupnorm.h>

#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { N = 1, C = 32, S = 40000, SECONDS = 20 };

/* ISO C has no conversion from dlsym's object pointer to a function pointer. */
static void find(void *library, const char *name, void *function)
{
    void *symbol = dlsym(library, name);

    if (!symbol) {
        fprintf(stderr, "%s\n", dlerror());
        exit(1);
    }
    memcpy(function, &symbol, sizeof(symbol));
}

#define FIND(name)                                                                                 \
    __typeof__(&name) own_##name;                                                                  \
    find(library, #name, &own_##name)

/* Whether y of x = 0, 1, 0, 1... is -1, 1, -1, 1... */
static int call(const char *file)
{
    const int64_t dims[] = {N, C, S};
    void *library = dlopen(file, RTLD_NOW);
    float *x = malloc(sizeof(float) * N * C * S);
    gn_desc *desc = NULL;
    gn_plan *plan = NULL;

    if (!library || !x) {
        fprintf(stderr, "%s\n", library ? "no memory" : dlerror());
        return 1;
    }
    FIND(gn_desc_create);
    FIND(gn_desc_set_threads);
    FIND(gn_plan_create);
    FIND(gn_forward);
    for (int64_t i = 0; i < N * C * S; i++)
        x[i] = (float)(i % 2);
    if (own_gn_desc_create(&desc, 3, dims) || own_gn_desc_set_threads(desc, 2) ||
        own_gn_plan_create(&plan, desc) || own_gn_forward(plan, x, NULL, NULL, x, NULL, NULL))
        return 1;
    for (int64_t i = 0; i < N * C * S; i++)
        if (fabsf(x[i] - (i % 2 ? 1.0f : -1.0f)) > 1e-3f)
            return 1;
    return 0;
}

int main(int argc, char **argv)
{
    int status, threads = 0;

    if (argc < 2) {
        fprintf(stderr, "usage: %s LIBRARY [idle]\n", argv[0]);
        return 2;
    }
    if (argc == 2) {
#pragma omp parallel num_threads(2)
#pragma omp atomic
        threads++;
    }
    /* The library reads /proc/self/stat, in which the name looks like the end of a name. */
    prctl(PR_SET_NAME, "a) R 1 1 (b");
    const pid_t child = fork();
    if (child == 0) {
        alarm(SECONDS);
        _exit(call(argv[1]));
    }
    if (child < 0 || waitpid(child, &status, 0) != child)
        return 1;
    if (WIFSIGNALED(status))
        fprintf(stderr, "the child of a process with %d threads: %s\n", threads,
                strsignal(WTERMSIG(status)));
    return WIFSIGNALED(status) || WEXITSTATUS(status) != 0;
}
